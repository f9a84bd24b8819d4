import collections
import itertools
import os

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords, shard_name, write_shard
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.tfrecords.faults import explain_data_error
from simone_tf.errors import UserError

NUM_CLIPS, FRAMES, HEIGHT, WIDTH = 23, 5, 2, 3


def make_clip(number, frames=FRAMES, width=WIDTH):
    """A clip whose pixels tell where they come from: red the clip, green the frame, blue the column."""
    clip, frame, column = np.full([frames, HEIGHT, width], number), *np.indices((frames, HEIGHT, width))[[0, 2]]
    return {
        "video": np.stack([clip, 50 + frame, 100 + column], axis=-1).astype(np.uint8),
        "segments": frame * 10 + column,
        "camera": np.stack([np.full(frames, number), np.arange(frames)], axis=1),
        "object_positions": np.full((frames, 2, 3), number),
        "object_visible": np.tile(np.arange(frames)[:, None] % 2 == 0, (1, 2)),
        "object_moving": np.array([number % 2 == 0, True]),
    }


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """The same clips in 1 and in 4 shards of unequal size."""
    made = {}
    for num_shards, ends in ((1, [23]), (4, [3, 10, 11, 23])):
        folder = tmp_path_factory.mktemp(f"shards{num_shards}")
        for index, (start, end) in enumerate(itertools.pairwise([0, *ends])):
            write_shard(folder / shard_name("train", index, num_shards), map(make_clip, range(start, end)))
        made[num_shards] = ClipRecords(folder, "train")
    return made


def take(dataset, batches):
    """Dict of NumPy arrays [batches * B, ...]."""
    taken = list(dataset.take(batches).as_numpy_iterator())
    assert len(taken) == batches
    return {name: np.concatenate([batch[name] for batch in taken]) for name in taken[0]}


def clip_numbers(video):
    red = np.rint(video[:, 0, 0, 0, 0] * 255).astype(int)
    return red.tolist()


def numbers(reader, count, **kwargs):
    """The clip numbers of the first `count` positions."""
    batches = training_batches(reader, batch_size=1, num_frames=FRAMES, **({"seed": 0} | kwargs))
    return clip_numbers(take(batches, count)["video"])


everyhow = pytest.mark.parametrize(
    ("shards", "cache", "buffer"), [(4, False, 1024), (4, False, 3), (1, "memory", 1024)]
)


@everyhow
def test_every_clip_comes_once_per_epoch_in_another_order(readers, shards, cache, buffer):
    stream = numbers(readers[shards], 3 * NUM_CLIPS, cache=cache, shuffle_buffer=buffer)
    epochs = [stream[i * NUM_CLIPS : (i + 1) * NUM_CLIPS] for i in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(NUM_CLIPS))
        assert epoch != list(range(NUM_CLIPS))
    assert len(set(map(tuple, epochs))) == 3


@everyhow
def test_a_resumed_stream_is_that_of_an_uninterrupted_run(readers, shards, cache, buffer):
    def batches(start_step):
        return training_batches(
            readers[shards],
            batch_size=4,
            num_frames=3,
            seed=7,
            start_step=start_step,
            shuffle_buffer=buffer,
            cache=cache,
            mirror=True,
            permute_colours=True,
            reverse_time=True,
            fields=("video", "segments", "object_moving"),
        )

    whole = take(batches(0), 20)
    # 23 clips: batches 5 and 17 straddle the ends of the first and of the third epoch.
    for start_step in (5, 17):
        resumed = take(batches(start_step), 20 - start_step)
        for name, values in resumed.items():
            np.testing.assert_array_equal(values, whole[name][4 * start_step :], err_msg=f"{name} from {start_step}")


@everyhow
def test_order_depends_on_the_seed_alone(readers, shards, cache, buffer):
    kwargs = {"cache": cache, "shuffle_buffer": buffer}
    tf.random.set_seed(1)
    first = numbers(readers[shards], 30, seed=3, **kwargs)
    tf.random.set_seed(2)
    again = numbers(readers[shards], 30, seed=3, **kwargs)
    other = numbers(readers[shards], 30, seed=4, **kwargs)
    assert first == again
    assert first != other


def test_building_a_pipeline_leaves_tensorflows_global_seed(readers):
    def drawn(build):
        tf.random.set_seed(5)
        if build:
            take(training_batches(readers[4], batch_size=2, num_frames=2, seed=0), 1)
        return float(tf.random.uniform([]))

    assert drawn(build=False) == drawn(build=True)


@pytest.mark.parametrize(
    ("shards", "pipelines", "cache"), [(4, 2, False), (4, 5, False), (1, 2, False), (1, 3, "memory")]
)
def test_pipelines_partition_the_clips(readers, shards, pipelines, cache):
    reader = readers[shards]
    parts = []
    for pipeline in range(pipelines):
        kwargs = {"num_input_pipelines": pipelines, "input_pipeline_id": pipeline, "cache": cache}
        stream = numbers(reader, 2 * NUM_CLIPS, **kwargs)
        size = len(set(stream))
        assert sorted(stream[:size]) == sorted(stream[size : 2 * size]) == sorted(set(stream))
        if pipeline == 1:
            assert numbers(reader, 10, start_step=NUM_CLIPS, **kwargs) == stream[NUM_CLIPS : NUM_CLIPS + 10]
        parts.append(set(stream))
    assert sum(map(len, parts)) == NUM_CLIPS
    assert set.union(*parts) == set(range(NUM_CLIPS))


def test_whole_shards_are_read_by_one_pipeline_where_there_are_enough(readers):
    even = set(numbers(readers[4], 40, num_input_pipelines=2))
    assert even == {0, 1, 2, 10}  # Shards 0 and 2.


def test_more_pipelines_than_clips_are_refused(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [make_clip(0)])
    with pytest.raises(UserError, match="too few clips for 2 input pipelines"):
        numbers(ClipRecords(tmp_path, "train"), 1, num_input_pipelines=2, input_pipeline_id=1)


def test_a_fresh_start_counts_nothing(readers, monkeypatch):
    def count(self, shard):
        raise AssertionError("counted")

    monkeypatch.setattr(ClipRecords, "count", count)
    assert len(numbers(readers[4], 30)) == 30
    with pytest.raises(AssertionError, match="counted"):
        numbers(readers[4], 1, start_step=1)


@pytest.mark.parametrize("cache", [False, "memory"])
def test_random_windows_are_consecutive_and_start_everywhere(readers, cache):
    batches = training_batches(readers[4], batch_size=30, num_frames=3, seed=0, cache=cache, fields=("video", "camera"))
    taken = take(batches, 20)
    frames = np.rint(taken["video"][:, :, 0, 0, 1] * 255).astype(int) - 50
    np.testing.assert_array_equal(np.diff(frames, axis=1), 1)
    np.testing.assert_array_equal(taken["camera"][:, :, 1], frames)
    counts = np.bincount(frames[:, 0])
    assert len(counts) == FRAMES - 3 + 1
    assert counts.min() > 600 / 3 - 70  # 6 standard deviations.
    starts = frames[:, 0]
    assert all((starts[:-period] != starts[period:]).any() for period in range(1, 300))
    per_clip = collections.defaultdict(set)
    for number, start in zip(clip_numbers(taken["video"]), starts, strict=True):
        per_clip[number].add(start)
    assert all(len(seen) > 1 for seen in per_clip.values())


def test_windows_at_the_start(readers):
    taken = take(training_batches(readers[1], batch_size=23, num_frames=3, seed=0, window="start"), 2)
    np.testing.assert_array_equal(np.rint(taken["video"][:, :, 0, 0, 1] * 255), np.tile([50, 51, 52], (46, 1)))


def augmented(reader, cache, **switches):
    fields = ("video", "segments")
    batches = training_batches(reader, batch_size=40, num_frames=3, seed=1, cache=cache, fields=fields, **switches)
    taken = take(batches, 6)
    return np.rint(taken["video"] * 255).astype(int), taken["segments"]


@pytest.mark.parametrize("cache", [False, "memory"])
def test_each_augmentation_does_what_it_says_to_half_of_the_clips(readers, cache):
    plain, plain_segments = augmented(readers[4], cache)
    np.testing.assert_array_equal(plain[:, :, :, :, 2] - 100, np.broadcast_to(np.arange(WIDTH), plain.shape[:4]))

    for switch, axis in (("mirror", 3), ("reverse_time", 1)):
        video, segments = augmented(readers[4], cache, **{switch: True})
        flipped = np.flip(plain, axis)
        changed = np.array([np.array_equal(a, b) for a, b in zip(video, flipped, strict=True)])
        np.testing.assert_array_equal(video, np.where(changed[:, None, None, None, None], flipped, plain))
        np.testing.assert_array_equal(
            segments, np.where(changed[:, None, None, None], np.flip(plain_segments, axis), plain_segments)
        )
        assert 70 < changed.sum() < 170  # 240 clips, 6 standard deviations.

    video, segments = augmented(readers[4], cache, permute_colours=True)
    np.testing.assert_array_equal(segments, plain_segments)
    seen = collections.Counter()
    for got, had in zip(video, plain, strict=True):
        orders = [p for p in itertools.permutations(range(3)) if np.array_equal(got, had[..., list(p)])]
        assert len(orders) == 1
        seen[orders[0]] += 1
    assert len(seen) == 6
    assert min(seen.values()) > 10


def test_augmentations_are_independent_of_each_other(readers):
    mirrored, _ = augmented(readers[1], False, mirror=True)
    both, _ = augmented(readers[1], False, mirror=True, reverse_time=True)
    kept = np.array([np.array_equal(a, b) for a, b in zip(mirrored, both, strict=True)])
    np.testing.assert_array_equal(both, np.where(kept[:, None, None, None, None], mirrored, mirrored[:, ::-1]))
    was_mirrored = mirrored[:, 0, 0, 0, 2] != 100
    assert 0.2 < kept[was_mirrored].mean() < 0.8
    assert 0.2 < kept[~was_mirrored].mean() < 0.8


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


def test_colours_may_be_permuted_beside_a_camera(readers):
    fields = ("video", "camera")
    batches = training_batches(readers[1], batch_size=4, num_frames=5, seed=0, permute_colours=True, fields=fields)
    taken = take(batches, 3)
    reds = np.rint(taken["video"] * 255).min(axis=(1, 2, 3, 4))  # The clip's number is the least of its channels.
    np.testing.assert_array_equal(taken["camera"][:, 0, 0], reds)


def test_a_cache_beyond_the_memory_is_refused(readers, monkeypatch):
    sizes = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": NUM_CLIPS * FRAMES * HEIGHT * WIDTH * 3 - 1}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    with pytest.raises(UserError, match="set cache to a folder"):
        numbers(ClipRecords(readers[1].data_dir, "train"), 1, cache="memory")
    sizes["SC_PHYS_PAGES"] += 1
    assert len(numbers(readers[1], 1, cache="memory")) == 1


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
