import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from simone_tf.data.formats import png


def decode(images, frames, channels):
    return png.decode_frames(tf.constant(images), *frames.shape[:3], channels=channels).numpy()


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)),
    kind=st.sampled_from(["rgb", "8 bits", "16 bits"]),
    split=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    levels=st.integers(1, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_round_trip(shape, kind, split, seed, levels):
    dtype = np.uint16 if kind == "16 bits" else np.uint8
    shape = (*shape, 3) if kind == "rgb" else shape
    values = np.random.default_rng(seed).integers(0, min(levels, np.iinfo(dtype).max + 1), shape)
    frames = values.astype(dtype)
    per_image = 1 if split else shape[0]
    images = png.encode_frames(frames, per_image)
    assert len(images) == shape[0] // per_image
    np.testing.assert_array_equal(decode(images, frames, 3 if kind == "rgb" else 1), frames)


@pytest.mark.parametrize(("dtype", "shape"), [(np.uint8, (2, 3, 5, 3)), (np.uint8, (2, 3, 5)), (np.uint16, (2, 3, 5))])
def test_both_encodings_are_pngs_that_pillow_reads_as_strips(dtype, shape):
    frames = np.random.default_rng(0).integers(0, 256, shape).astype(dtype) * (1 if dtype == np.uint8 else 255)
    strip = frames.reshape(6, *shape[2:])
    for encode in (png._filtered, png._unfiltered):
        image = Image.open(io.BytesIO(encode(strip)))
        image.verify()
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(encode(strip)))), strip)


def test_the_smaller_encoding_is_kept():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 64, 3)) * np.uint8(3)
    ramp = ramp + np.arange(64, dtype=np.uint8)[None, None, :, None] * np.uint8(5)  # Filters turn this into constants.
    repeats = np.tile(np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8), (1, 4, 4, 1))
    for frames, better, worse in ((ramp, png._filtered, png._unfiltered), (repeats, png._unfiltered, png._filtered)):
        assert len(better(frames[0])) < len(worse(frames[0]))
        assert png.encode_frames(frames, 1) == [better(frames[0])]


@pytest.mark.parametrize(
    ("frames", "height", "expected"), [(4, 24, 4), (33, 64, 33), (300, 64, 150), (7, 10000, 1), (4, 20000, 1)]
)
def test_strips_are_as_long_as_the_greatest_height_allows(frames, height, expected):
    assert png.frames_per_image(frames, height) == expected


def test_a_long_clip_becomes_several_strips():
    frames = np.random.default_rng(1).integers(0, 256, (6, 5000, 1, 3)).astype(np.uint8)
    per_image = png.frames_per_image(6, 5000)
    images = png.encode_frames(frames, per_image)
    assert (per_image, len(images)) == (3, 2)
    np.testing.assert_array_equal(decode(images, frames, 3), frames)


WRONG_PICTURES = {
    "no picture at all": lambda p: [b"not a picture, but long enough for one"],
    "too short": lambda p: [b"\x89PNG"],
    "none": lambda p: [],
    "an empty string": lambda p: [b""],
    "other size": lambda p: [p(np.zeros((8, 5, 3), np.uint8))],
    "wider than it claims": lambda p: [p(np.zeros((8, 4, 3), np.uint8), (4, 8))[:-30]],
    "claims to be huge": lambda p: [p(np.zeros((8, 4, 3), np.uint8), (2**31 - 1, 2**31 - 1))],
    "claims a negative size": lambda p: [p(np.zeros((8, 4, 3), np.uint8), (2**32 - 4, 2**32 - 8))],
    "16-bit colours": lambda p: [p(np.zeros((8, 4, 3), np.uint16))],
    "one of two differs": lambda p: [p(np.zeros((4, 4, 3), np.uint8)), p(np.zeros((3, 4, 3), np.uint8))],
}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("pictures", WRONG_PICTURES.values(), ids=WRONG_PICTURES.keys())
def test_other_pictures_than_claimed_are_refused(handmade, pictures, traced):
    images = tf.constant(pictures(handmade.png), tf.string)

    def decode(images):
        return png.decode_frames(images, 2, 4, 4, channels=3)

    if traced:
        decode = tf.function(decode, input_signature=[tf.TensorSpec([None], tf.string)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(images)


def test_handmade_strips_of_both_depths_are_read(handmade):
    for dtype in (np.uint8, np.uint16):
        frames = np.arange(2 * 4 * 5).reshape(2, 4, 5).astype(dtype) * (1 if dtype == np.uint8 else 1000)
        np.testing.assert_array_equal(decode([handmade.png(frames.reshape(8, 5))], frames, 1), frames)


@pytest.mark.parametrize("shape", [(4, 96, 96, 3), (12, 96, 96)])
def test_large_strips_keep_every_pixel_too(shape):
    frames = np.random.default_rng(1).integers(0, 9, shape).astype(np.uint8)
    assert frames.nbytes > png._LARGE_STRIP
    images = png.encode_frames(frames, shape[0])
    assert len(images) == 1
    np.testing.assert_array_equal(decode(images, frames, 3 if len(shape) == 4 else 1), frames)
