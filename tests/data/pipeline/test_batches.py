import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

from telling_clips import HEIGHT, NUM_CLIPS, WIDTH, clip_numbers, make_clip, take


@pytest.mark.parametrize("cache", [False, "memory"])
def test_shapes_are_static_and_values_are_those_of_a_clip(readers, cache):
    fields = tuple(make_clip(0))
    batches = training_batches(
        readers[4], batch_size=4, num_frames=2, seed=0, cache=cache, fields=fields, window="start"
    )
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in batches.element_spec.items()} == {
        "video": ([4, 2, HEIGHT, WIDTH, 3], tf.float32),
        "segments": ([4, 2, HEIGHT, WIDTH], tf.int32),
        "camera": ([4, 2, 2], tf.float32),
        "object_positions": ([4, 2, 2, 3], tf.float32),
        "object_visible": ([4, 2, 2], tf.bool),
        "object_moving": ([4, 2], tf.bool),
    }
    taken = take(batches, 3)
    for index, number in enumerate(clip_numbers(taken["video"])):
        clip = make_clip(number)
        np.testing.assert_allclose(taken["video"][index], clip["video"][:2] / 255, atol=1e-6)
        for name in ("segments", "camera", "object_positions", "object_visible"):
            np.testing.assert_array_equal(taken[name][index], clip[name][:2])
        np.testing.assert_array_equal(taken["object_moving"][index], clip["object_moving"])


MISTAKES = {
    "too few frames": ({"num_frames": 6}, r"has clips of 5 frames, num_frames is 6"),
    "other frame size": ({"frame_size": 24}, r"has frames of 2x3, frame_size is 24x24"),
    "sides swapped": ({"frame_size": (3, 2)}, r"has frames of 2x3, frame_size is 3x2"),
    "window": ({"window": "middle"}, r"window is 'middle'"),
    "batch size": ({"batch_size": 0}, r"batch_size is 0"),
    "mirror and camera": ({"mirror": True, "fields": ("video", "camera")}, r"mirror = True would make camera wrong"),
    "mirror and positions": ({"mirror": True, "fields": ("video", "object_positions")}, r"object_positions wrong"),
    "reversed camera": (
        {"reverse_time": True, "fields": ("video", "camera")},
        r"reverse_time = True would make camera",
    ),
    "reversed flags": ({"reverse_time": True, "fields": ("video", "object_visible")}, r"object_visible wrong"),
}


@pytest.mark.parametrize(("change", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_told_before_anything_is_read(readers, change, words):
    with pytest.raises(UserError, match=words):
        training_batches(readers[1], **({"batch_size": 2, "num_frames": 2, "seed": 0} | change))


def test_the_right_frame_size_is_accepted(readers):
    training_batches(readers[1], batch_size=2, num_frames=2, seed=0, frame_size=(2, 3))
    with pytest.raises(UserError, match="frame_size is 24x24"):
        evaluation_batches(readers[1], batch_size=2, num_frames=2, frame_size=24)
    with pytest.raises(UserError, match="num_frames is 6"):
        evaluation_batches(readers[1], batch_size=2, num_frames=6)


@pytest.mark.parametrize("other", [{"frames": 2}, {"width": 4}])
def test_a_clip_of_another_shape_is_traced_to_its_file(tmp_path, other):
    path = tmp_path / shard_name("train", 0, 1)
    write_shard(path, [make_clip(0), make_clip(1), make_clip(2, **other)])
    reader = ClipRecords(tmp_path, "train")
    with pytest.raises(UserError, match=r"train-00000-of-00001\.tfrecord: video of record 2 has shape"):
        training_batches(reader, batch_size=1, num_frames=3, seed=0, cache="memory")
    for batches in (
        training_batches(reader, batch_size=1, num_frames=3, seed=0).take(3),
        evaluation_batches(reader, batch_size=2, num_frames=3),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            list(batches)
        assert f"{path}: video of record 2" in str(explain_data_error(raised.value, reader, ("video",), num_frames=3))


@pytest.mark.parametrize("cache", [False, "memory"])
def test_longer_clips_among_others_are_windowed_when_not_cached(tmp_path, cache):
    write_shard(tmp_path / shard_name("train", 0, 1), [make_clip(0), make_clip(1, frames=9)])
    reader = ClipRecords(tmp_path, "train")
    if cache:
        with pytest.raises(UserError, match="record 1"):
            training_batches(reader, batch_size=2, num_frames=4, seed=0, cache="memory")
        return
    video = take(training_batches(reader, batch_size=2, num_frames=4, seed=0), 40)["video"]
    first_frames = np.rint(video[:, 0, 0, 0, 1] * 255).astype(int) - 50
    of_long = np.array(clip_numbers(video)) == 1
    assert set(first_frames[of_long]) == set(range(6))
    assert set(first_frames[~of_long]) == {0, 1}


@pytest.mark.parametrize(
    ("shards", "batch_size", "num_clips"),
    [(4, 4, None), (4, 23, None), (1, 50, None), (1, 4, 8), (4, 4, 9), (4, 4, 1000)],
)
def test_evaluation_holds_every_clip_once_in_file_order(readers, shards, batch_size, num_clips):
    batches = evaluation_batches(readers[shards], batch_size=batch_size, num_frames=3, num_clips=num_clips)
    expected = min(NUM_CLIPS, num_clips or NUM_CLIPS)
    assert {name: spec.shape.as_list() for name, spec in batches.element_spec.items()} == {
        "video": [batch_size, 3, HEIGHT, WIDTH, 3],
        "segments": [batch_size, 3, HEIGHT, WIDTH],
        "clip_mask": [batch_size],
    }
    taken = list(batches.as_numpy_iterator())
    assert len(taken) == -(-expected // batch_size)
    joined = {name: np.concatenate([batch[name] for batch in taken]) for name in taken[0]}
    np.testing.assert_array_equal(joined["clip_mask"], np.arange(len(joined["clip_mask"])) < expected)
    for number in range(expected):
        clip = make_clip(number)
        np.testing.assert_allclose(joined["video"][number], clip["video"][:3] / 255, atol=1e-6)
        np.testing.assert_array_equal(joined["segments"][number], clip["segments"][:3])
    assert not joined["video"][expected:].any()
    assert not joined["segments"][expected:].any()


def test_evaluation_pads_boolean_and_object_fields(readers):
    fields = ("video", "object_visible", "object_moving", "camera")
    (batch,) = evaluation_batches(readers[1], batch_size=3, num_frames=2, num_clips=2, fields=fields)
    np.testing.assert_array_equal(batch["object_moving"], [[True, True], [False, True], [False, False]])
    assert batch["camera"].shape == (3, 2, 2)


def test_neither_pipeline_is_sharded_once_more_by_tensorflow(readers):
    off = tf.data.experimental.AutoShardPolicy.OFF
    for batches in (
        training_batches(readers[1], batch_size=2, num_frames=2, seed=0),
        evaluation_batches(readers[1], batch_size=2, num_frames=2),
    ):
        assert batches.options().experimental_distribute.auto_shard_policy == off
