import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline import order
from simone_tf.data.pipeline.share import Share
from simone_tf.data.pipeline.usable import UsableRecords

NUM_CLIPS = 37


def reader_of(folder, num_shards, side):
    """Clips of one noisy frame; the records of a side of 8 are small, those of 600 are of 1.1 MB."""
    noise = np.random.default_rng(0)
    numbers = np.array_split(np.arange(NUM_CLIPS if side < 100 else 3), num_shards)
    for index, part in enumerate(numbers):
        clips = [{"video": noise.integers(0, 256, [1, side, side, 3], np.uint8)} for _ in part]
        write_shard(folder / shard_name("train", index, num_shards), clips)
    return ClipRecords(folder, "train")


def stream(reader, count, position=0, shuffle_buffer=8):
    share = Share(UsableRecords(reader.files, None, key="test"))
    key = tf.constant([5, 0], tf.int64)
    taken = order.shuffled(share, position, key, shuffle_buffer, order.block_size(reader)).take(count)
    return list(taken.as_numpy_iterator())


def test_records_of_one_shard_come_in_the_same_order_whatever_the_block(tmp_path, monkeypatch):
    reader = reader_of(tmp_path, 1, 8)
    blocks = {}
    for records in (1, 2, 16, 64):
        monkeypatch.setattr(order, "_BLOCK_RECORDS", records)
        blocks[records] = stream(reader, 2 * NUM_CLIPS)
    assert len(blocks[1]) == 2 * NUM_CLIPS
    assert all(taken == blocks[1] for taken in blocks.values())


@pytest.mark.parametrize("position", [1, 20, NUM_CLIPS, NUM_CLIPS + 16])
def test_a_stream_may_be_taken_up_inside_a_block(tmp_path, position):
    reader = reader_of(tmp_path, 2, 8)
    whole = stream(reader, 2 * NUM_CLIPS)
    assert stream(reader, 2 * NUM_CLIPS - position, position) == whole[position:]


def test_every_record_comes_once_per_epoch_from_shards_that_end_inside_a_block(tmp_path):
    reader = reader_of(tmp_path, 3, 8)
    records = stream(reader, 2 * NUM_CLIPS)
    first, second = set(records[:NUM_CLIPS]), set(records[NUM_CLIPS:])
    assert first == second == set(reader.files.serialized().as_numpy_iterator())
    assert len(first) == NUM_CLIPS


@pytest.mark.parametrize(("side", "block"), [(8, 16), (600, 1)])
def test_large_records_are_handed_over_one_by_one(tmp_path, side, block):
    reader = reader_of(tmp_path, 1, side)
    assert order.block_size(reader) == block
    assert len(stream(reader, 4)) == 4
