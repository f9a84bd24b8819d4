import collections

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.data.pipeline.share import Piece, Share, deal, stretches
from simone_tf.data.pipeline.usable import UsableRecords


def clips_of(pieces, counts):
    """(shard, number) of every record that the pieces name, by plain loops."""
    clips = []
    for piece in pieces:
        stop = counts[piece.shard] if piece.stop is None else piece.stop
        numbers = [number for k, number in enumerate(range(piece.start, stop)) if k % piece.step == piece.offset]
        assert piece.count(counts[piece.shard]) == len(numbers)
        clips += [(piece.shard, number) for number in numbers]
    return clips


def names(counts):
    return [f"shard-{i:05d}" for i in range(len(counts))]


def check_partition(parts, counts):
    found = collections.Counter(clip for part in parts for clip in part)
    assert found == collections.Counter((shard, number) for shard in counts for number in range(counts[shard]))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 9))
def test_stretches_hold_every_clip_once_and_are_equally_long(counts, num_pipelines):
    by_name = dict(zip(names(counts), counts, strict=True))
    parts = [clips_of(stretches(list(by_name), counts, num_pipelines, i), by_name) for i in range(num_pipelines)]
    check_partition(parts, by_name)
    sizes = list(map(len, parts))
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.sampled_from([1, 7, 30]), min_size=1, max_size=12), st.integers(1, 9), st.booleans())
def test_dealt_shards_hold_every_clip_once_and_make_equal_parts(counts, num_pipelines, sizes_known):
    by_name = dict(zip(names(counts), counts, strict=True))
    sizes = counts if sizes_known else [None] * len(counts)
    parts = [clips_of(deal(list(by_name), sizes, num_pipelines, i), by_name) for i in range(num_pipelines)]
    check_partition(parts, by_name)
    if sizes_known:  # Whole shards in equal number, and the rest by turns.
        part_sizes = list(map(len, parts))
        assert max(part_sizes) - min(part_sizes) <= 1


CATER = [31 if i == 21 else 231 if i == 74 else 399 for i in range(100)]


@pytest.mark.parametrize("num_pipelines", [2, 3, 8, 16, 64, 256])
def test_no_clip_of_cater_comes_oftener_than_another(num_pipelines):
    counts = dict(zip(names(CATER), CATER, strict=True))
    for share_out, most in ((stretches, 1), (deal, 1)):
        parts = [clips_of(share_out(list(counts), CATER, num_pipelines, i), counts) for i in range(num_pipelines)]
        check_partition(parts, counts)
        sizes = list(map(len, parts))
        assert max(sizes) - min(sizes) <= most
        assert sum(sizes) == 39_364


def test_a_stretch_reads_few_shards():
    pieces = stretches(names(CATER), CATER, 8, 3)
    assert sum(piece.start > 0 or piece.stop is not None for piece in pieces) <= 2
    assert len(pieces) <= 15


def test_whole_shards_are_dealt_in_groups_and_the_rest_is_shared():
    assert deal(["a", "b", "c", "d", "e"], [None] * 5, 2, 1) == [Piece("b"), Piece("d"), Piece("e", 0, None, 1, 2)]


class Numbers:
    """Stands for files whose shards hold their names' numbers."""

    on_corrupt = "raise"
    where = "numbers (split 'train')"

    def __init__(self, counts, known):
        self.counts = dict(zip(names(counts), counts, strict=True))
        self.known = known

    def shards(self):
        return tuple(self.counts)

    def known_count(self, shard):
        return self.counts[shard] if self.known else None

    def count(self, shard):
        return self.counts[shard]

    def serialized(self, shards, portable=False):
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(self.counts), list(self.counts.values())), -1
        )
        count = tf.cast(table.lookup(shards[0]), tf.int64)
        return tf.data.Dataset.range(count).map(lambda i: shards[0] + ":" + tf.strings.as_string(i))


@pytest.mark.parametrize("known", [True, False])
def test_datasets_of_shares_hold_what_the_pieces_say(known):
    files = Numbers([4, 1, 7, 5, 3], known)
    found = []
    for pipeline in range(3):
        share = Share(UsableRecords(files, None, "key"), 3, pipeline)
        records = [record.decode() for record in share.everything().as_numpy_iterator()]
        assert records == [f"{shard}:{number}" for shard, number in clips_of(share.pieces, files.counts)]
        assert share.count() == len(records)
        found += records
    assert len(found) == len(set(found)) == 20
