import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.framing import Framing
from simone_tf.errors import UserError


def make_clip(frames=3, height=12, width=18, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "video": tf.constant(rng.integers(0, 256, (frames, height, width, 3)), tf.uint8),
        "segments": tf.constant(rng.integers(0, 9, (frames, height, width)), tf.int32),
        "camera": tf.constant(rng.normal(size=(frames, 4)), tf.float32),
    }


def test_without_crop_and_resize_a_clip_is_what_it_was():
    clip = make_clip()
    framed = Framing().apply(clip)
    assert all(framed[name] is clip[name] for name in clip)


def test_frames_that_have_the_size_already_are_not_touched():
    clip = make_clip()
    height, width = clip["video"].shape[1:3]
    framed = Framing(resize=(height, width)).apply(clip)
    assert all(framed[name] is clip[name] for name in clip)


def test_the_crop_is_top_left_height_width_and_leaves_the_camera():
    clip = make_clip()
    framed = Framing(crop=(2, 5, 7, 9)).apply(clip)
    for name in ("video", "segments"):
        np.testing.assert_array_equal(framed[name], clip[name].numpy()[:, 2:9, 5:14])
    np.testing.assert_array_equal(framed["camera"], clip["camera"])


@pytest.mark.parametrize(("height", "width"), [(6, 9), (4, 6), (2, 3), (12, 6), (1, 1)])
def test_whole_factors_are_means_of_boxes(height, width):
    clip = make_clip()
    framed = Framing(resize=(height, width)).apply(clip)
    rows, columns = 12 // height, 18 // width
    for t, y, x in np.ndindex(3, height, width):
        box = clip["video"].numpy()[t, y * rows : (y + 1) * rows, x * columns : (x + 1) * columns].astype(float)
        np.testing.assert_allclose(framed["video"][t, y, x], box.mean(axis=(0, 1)), atol=0.5 + 1e-4)
    assert framed["video"].dtype == tf.uint8


@pytest.mark.parametrize(("height", "width"), [(5, 7), (8, 12), (11, 17), (20, 30)])
def test_other_factors_weigh_pixels_by_the_area_they_share(height, width):
    clip = make_clip()

    def weights(new, old):
        """[new, old]: the share of each old pixel in a new one, by the lengths of their intersections."""
        made = np.zeros((new, old))
        for i, k in np.ndindex(new, old):
            made[i, k] = max(0.0, min((i + 1) * old / new, k + 1) - max(i * old / new, k))
        return made / made.sum(axis=1, keepdims=True)

    expected = np.einsum(
        "yh,xw,thwc->tyxc", weights(height, 12), weights(width, 18), clip["video"].numpy().astype(float)
    )
    framed = Framing(resize=(height, width)).apply(clip)
    np.testing.assert_allclose(framed["video"], expected, atol=0.5 + 1e-3)


@pytest.mark.parametrize(("height", "width"), [(6, 9), (4, 6), (5, 7), (12, 18), (24, 54)])
def test_segments_are_those_under_the_centres_of_the_new_pixels(height, width):
    clip = make_clip()
    framed = Framing(resize=(height, width)).apply(clip)["segments"].numpy()
    for y, x in np.ndindex(height, width):
        row, column = int((y + 0.5) * 12 / height + 1e-9), int((x + 0.5) * 18 / width + 1e-9)
        np.testing.assert_array_equal(framed[:, y, x], clip["segments"].numpy()[:, row, column])


def test_real_video_stays_real_and_is_not_rounded():
    video = tf.random.stateless_uniform([2, 4, 4, 3], [0, 0])
    framed = Framing(resize=(2, 2)).apply({"video": video})["video"]
    assert framed.dtype == tf.float32
    np.testing.assert_allclose(framed, video.numpy().reshape(2, 2, 2, 2, 2, 3).mean(axis=(2, 4)), atol=1e-6)


@pytest.mark.parametrize(
    "kwargs", [{"crop": (1, 2, 8, 6)}, {"resize": (8, 6)}, {"crop": (0, 0, 9, 9), "resize": (8, 6)}]
)
def test_the_new_size_is_static_in_a_graph_and_the_values_those_of_eager_code(kwargs):
    clip = make_clip()

    @tf.function(input_signature=[tf.TensorSpec([None] * 3 + [3], tf.uint8), tf.TensorSpec([None] * 3, tf.int32)])
    def framed(video, segments):
        clip = Framing(**kwargs).apply({"video": video, "segments": segments})
        assert clip["video"].shape.as_list() == [None, 8, 6, 3]
        assert clip["segments"].shape.as_list() == [None, 8, 6]
        return clip

    expected = Framing(**kwargs).apply(clip)
    for name, value in framed(clip["video"], clip["segments"]).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_crop_beyond_the_frames_fails_and_is_told():
    clip, framing = make_clip(), Framing(crop=(0, 10, 12, 9))
    with pytest.raises(tf.errors.InvalidArgumentError):
        framing.apply(clip)
    with pytest.raises(UserError, match=r"the set has frames of 12x18, crop is \(0, 10, 12, 9\)"):
        framing.check(clip, "the set")
    Framing(crop=(0, 9, 12, 9)).check(clip, "the set")


@pytest.mark.parametrize(
    "kwargs",
    [
        {"crop": (0, 0, 4)},
        {"crop": (-1, 0, 4, 4)},
        {"crop": (0, 0, 0, 4)},
        {"crop": (0, 0, 4.0, 4)},
        {"crop": 4},
        {"resize": 64},
        {"resize": (0, 4)},
        {"resize": (True, 4)},
        {"resize": "64"},
        {"resize": (2**20, 4)},
    ],
)
def test_values_that_make_no_sense_are_told(kwargs):
    with pytest.raises(UserError, match="whole numbers of pixels"):
        Framing(**kwargs)
