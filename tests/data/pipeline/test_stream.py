import os

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.tfrecords.split_files import SplitFiles
from simone_tf.errors import UserError

from telling_clips import FRAMES, HEIGHT, NUM_CLIPS, WIDTH, make_clip, numbers, take

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

    monkeypatch.setattr(SplitFiles, "count", count)
    assert len(numbers(readers[4], 30)) == 30
    with pytest.raises(AssertionError, match="counted"):
        numbers(readers[4], 1, start_step=1)


def test_a_cache_beyond_the_memory_is_refused(readers, monkeypatch):
    sizes = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": NUM_CLIPS * FRAMES * HEIGHT * WIDTH * 3 - 1}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    with pytest.raises(UserError, match="set cache to a folder"):
        numbers(ClipRecords(readers[1].data_dir, "train"), 1, cache="memory")
    sizes["SC_PHYS_PAGES"] += 1
    assert len(numbers(readers[1], 1, cache="memory")) == 1
