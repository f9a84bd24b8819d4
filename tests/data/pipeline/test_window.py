import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.cater import CaterWithMasks
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.window import can_be_told
from simone_tf.errors import UserError

from telling_clips import take

FRAMES = 12
FIELDS = ("video", "object_moving")


def moving_clip(number, positions=True):
    """Instances that move early, late, all along and never, and one that is said to move and only turns."""
    clock = np.arange(FRAMES, dtype=np.float32)
    paths = np.zeros((FRAMES, 5, 3), np.float32)
    paths[:, 0, 0] = np.minimum(clock, 3)
    paths[:, 1, 1] = np.maximum(clock - 7, 0) * 0.5
    paths[:, 2, 2] = clock * 0.02
    paths += number
    video = np.zeros((FRAMES, 2, 2, 3), np.uint8)
    video[..., 1] = clock.astype(np.uint8)[:, None, None]
    clip = {"video": video, "object_moving": np.array([True, True, True, False, True])}
    return clip | ({"object_positions": paths} if positions else {})


@pytest.fixture
def reader(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [moving_clip(number) for number in range(3)])
    return ClipRecords(tmp_path, "train")


def moves(start, frames):
    """What moves in a window, by the places that it holds."""
    path = moving_clip(0)["object_positions"][start : start + frames]
    return (np.ptp(path, axis=0) > 0.01).any(axis=-1)


@pytest.mark.parametrize("frames", [1, 2, 4, 8, 11])
@pytest.mark.parametrize("fields", [FIELDS, ("video", "object_positions", "object_moving")])
def test_what_moves_in_the_first_frames_is_judged_by_these(reader, frames, fields):
    (batch,) = evaluation_batches(reader, batch_size=3, num_frames=frames, fields=fields)
    assert set(batch) == {*fields, "clip_mask"}
    np.testing.assert_array_equal(batch["object_moving"], np.tile(moves(0, frames), (3, 1)))


@pytest.mark.parametrize("cache", [False, "memory"])
def test_what_moves_in_a_random_window_is_judged_by_it(reader, cache):
    batch = take(training_batches(reader, batch_size=40, num_frames=4, seed=0, fields=FIELDS, cache=cache), 1)
    starts = np.rint(batch["video"][:, 0, 0, 0, 1] * 255).astype(int)
    assert len(set(starts)) > 5
    for start, moving in zip(starts, batch["object_moving"], strict=True):
        np.testing.assert_array_equal(moving, moves(start, 4))


def test_of_a_whole_clip_the_flags_are_those_of_its_maker(reader):
    (batch,) = evaluation_batches(reader, batch_size=3, num_frames=FRAMES, fields=FIELDS)
    np.testing.assert_array_equal(batch["object_moving"][0], moving_clip(0)["object_moving"])


def test_without_positions_a_window_is_refused_and_a_whole_clip_is_not(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [moving_clip(0, positions=False)])
    reader = ClipRecords(tmp_path, "train")
    words = "tells object_moving for its whole clips of 12 frames, num_frames is 4, and it has no object_positions"
    for batches in (evaluation_batches, training_batches):
        seed = {"seed": 0} if batches is training_batches else {}
        with pytest.raises(UserError, match=words):
            batches(reader, batch_size=1, num_frames=4, fields=FIELDS, **seed)
    assert can_be_told(reader, ("video", "camera", "object_moving"), 4) == ("video",)
    assert can_be_told(reader, FIELDS, FRAMES) == FIELDS
    (batch,) = evaluation_batches(reader, batch_size=1, num_frames=FRAMES, fields=FIELDS)
    np.testing.assert_array_equal(batch["object_moving"][0], moving_clip(0)["object_moving"])


def test_cater_is_judged_by_the_frames_that_are_seen(tmp_path, handmade):
    positions = np.zeros((11, 33, 3), np.float32)
    positions[1, 20:, 0] = 2.0  # Behind the window.
    positions[2, 5:, 1] = 2.0  # Within it.
    positions[3, 2:, 2] = 2.0  # An entity that shows no pixel: its positions may be anything.
    masks = np.zeros((33, 11, 64, 64, 1), np.uint8)
    masks[:, 1, :10], masks[:, 2, 10:20], masks[:, 0, 20:] = 255, 255, 255
    features = {
        "image": bytes(33 * 64 * 64 * 3),
        "mask": masks.tobytes(),
        "camera_matrix": np.zeros((33, 4, 4), np.float32),
        "object_positions": positions,
    }
    path = str(tmp_path / "cater_with_masks_test.tfrecords-00000-of-00001")
    with tf.io.TFRecordWriter(path, "ZLIB") as writer:
        writer.write(handmade.example(features))
    reader = CaterWithMasks(tmp_path, "test")
    for frames, moving in ((16, [2]), (3, []), (33, [1, 2])):
        (batch,) = evaluation_batches(reader, batch_size=1, num_frames=frames, fields=FIELDS)
        np.testing.assert_array_equal(np.flatnonzero(batch["object_moving"][0]) + 1, moving)
