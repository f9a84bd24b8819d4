import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.framing import Framing
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError, first_line


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


def with_objects():
    """Instance 1 top left, 2 top right of a single pixel, 3 hidden though it is there, 4 at the bottom in one frame."""
    segments = np.zeros((2, 8, 8), np.int32)
    segments[:, :2, :2], segments[:, 1, 7], segments[1, 6:, 4:6] = 1, 2, 4
    visible = np.array([[True, True, True, False], [True, True, True, True]])
    return {"video": np.zeros((2, 8, 8, 3), np.uint8), "segments": segments, "object_visible": visible}


@pytest.mark.parametrize(
    ("crop", "resize", "shown"),
    [
        ((0, 0, 4, 4), None, [[1, 0, 0, 0], [1, 0, 0, 0]]),
        ((0, 4, 8, 4), None, [[0, 1, 0, 0], [0, 1, 0, 1]]),
        (None, (2, 2), [[0, 0, 0, 0], [0, 0, 0, 1]]),  # The pixels (2, 2), (2, 6), (6, 2) and (6, 6) of each frame.
        ((4, 4, 4, 4), (1, 1), [[0, 0, 0, 0], [0, 0, 0, 0]]),
        (None, (16, 16), [[1, 1, 0, 0], [1, 1, 0, 1]]),
    ],
)
def test_what_does_not_show_any_more_is_not_visible(tmp_path, crop, resize, shown):
    clip = with_objects()
    if resize == (2, 2):
        clip["segments"][1, 6, 6] = 4
    write_shard(tmp_path / shard_name("train", 0, 1), [clip])
    reader = ClipRecords(tmp_path, "train", crop=crop, resize=resize)
    record = reader.first_record()
    for fields in (("object_visible",), ("segments", "object_visible", "video")):
        parsed = reader.parse(record, fields)
        assert tuple(parsed) == fields
        np.testing.assert_array_equal(parsed["object_visible"], np.array(shown, bool))
        np.testing.assert_array_equal(reader.first_clip(fields)["object_visible"], np.array(shown, bool))
    (batch,) = evaluation_batches(reader, batch_size=1, num_frames=2, fields=("video", "object_visible"))
    np.testing.assert_array_equal(batch["object_visible"][0], np.array(shown, bool))
    whole = ClipRecords(tmp_path, "train").parse(record, ("object_visible",))
    np.testing.assert_array_equal(whole["object_visible"], clip["object_visible"])


def test_what_shows_in_a_crop_nobody_knows_without_segments(tmp_path):
    clip = with_objects()
    del clip["segments"]
    write_shard(tmp_path / shard_name("train", 0, 1), [clip])
    reader = ClipRecords(tmp_path, "train", crop=(0, 0, 4, 4))
    with pytest.raises(UserError, match="has no segments to tell by what is object_visible"):
        reader.first_clip(("video", "object_visible"))
    reader.first_clip(("video",))


def test_a_later_frame_that_is_too_small_is_told_with_its_size():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    def cropped(video):
        return Framing(crop=(0, 0, 4, 4)).apply({"video": video})["video"]

    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        cropped(np.zeros((1, 3, 5, 3), np.uint8))
    assert first_line(raised.value) == (
        "The crop (0, 0, 4, 4) (top, left, height, width) goes beyond the frames; rows and columns found: 3, 5"
    )
