"""Which clip stands at which position of a training stream: a function of (seed, position) alone."""

from collections.abc import Callable

import tensorflow as tf

from simone_tf.data.formats.graph_checks import checked
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.share import Share
from simone_tf.data.tfrecords.faults import NOTHING_LEFT

# Independent streams of random numbers drawn from one seed.
SHARD_ORDER, RECORD_ORDER, CLIP, SET = range(4)

INTERLEAVED_SHARDS = 8
# Small records go from the threads that read shards to the one that shuffles so many bytes or records at a time, the
# lesser of both: one by one, handing them over costs a good part of what reading them does.
_BLOCK_BYTES, _BLOCK_RECORDS = 2**20, 16
Extract = Callable[[tf.Tensor], tf.Tensor | dict[str, tf.Tensor]]

_EPOCH_POSITIONS = 2**40
_ENDLESS = 2**62


def fold_in(key: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """A key of random numbers, int64 [2], made of a key and a number."""
    return tf.random.experimental.stateless_fold_in(key, tf.cast(number, tf.int64), alg="philox")


def shuffled(
    share: Share, position: int, key: tf.Tensor, shuffle_buffer: int, block: int, extract: Extract | None = None
) -> tf.data.Dataset:
    """The endless records from `position` on.

    Args:
      share: what is read.
      position: of the first record that is given.
      key: of the order.
      shuffle_buffer: how many records are held for shuffling.
      block: how many records are handed over at a time, see `block_size`.
      extract: graph code, applied to each serialized record where it is read: what is held and given is what it
        returns. Only for records that come one by one (a block of 1); None gives serialized records.
    """
    # A fresh start needs no count: counting a big compressed set means reading all of it.
    epoch, passed = divmod(position, share.count()) if position else (0, 0)
    records = tf.data.Dataset.range(epoch, _ENDLESS).flat_map(
        lambda n: _epoch(share, n, key, shuffle_buffer, block, extract)
    )
    return records.skip(passed)


def shuffled_epochs(
    share: Share, key: tf.Tensor, shuffle_buffer: int, block: int, extract: Extract | None = None
) -> tf.data.Dataset:
    """Endless (position, record) for many processes, which take whole epochs in turn; arguments as for `shuffled`.

    What another process runs holds no Python. The positions of an epoch start at a number of its own, so that random
    choices do not depend on who took it.
    """

    def numbered(n):
        records = _epoch(share, n, key, shuffle_buffer, block, extract, portable=True)
        return records.enumerate(start=n * _EPOCH_POSITIONS)

    return tf.data.Dataset.range(_ENDLESS // _EPOCH_POSITIONS).flat_map(numbered)


def permuted(size: int, position: int, key: tf.Tensor) -> tf.data.Dataset:
    """Endless (position, clip index) from `position` on, every epoch a permutation of `size` clips."""
    epoch, passed = divmod(position, size)

    def indices_of(number):
        order_key = fold_in(fold_in(key, RECORD_ORDER), number)
        order = tf.random.experimental.stateless_shuffle(tf.range(size, dtype=tf.int64), order_key)
        return tf.data.Dataset.from_tensor_slices(order)

    return tf.data.Dataset.range(epoch, _ENDLESS).flat_map(indices_of).skip(passed).enumerate(start=position)


@tf.autograph.experimental.do_not_convert
def _epoch(
    share: Share,
    number: tf.Tensor,
    key: tf.Tensor,
    shuffle_buffer: int,
    block: int,
    extract: Extract | None,
    portable: bool = False,
) -> tf.data.Dataset:
    """The records of an epoch: pieces in random order, several at a time in blocks, through a shuffle buffer."""
    # TensorFlow mixes its global seed into that of Dataset.shuffle. Inside this function, which is always traced,
    # the global seed is the graph's own, set here; 0 would make TensorFlow compare the seed tensor in Python.
    if not tf.executing_eagerly():
        tf.random.set_seed(1)
    num_pieces = len(share.pieces)
    order = tf.random.experimental.stateless_shuffle(
        tf.range(num_pieces, dtype=tf.int64), fold_in(fold_in(key, SHARD_ORDER), number)
    )
    records = tf.data.Dataset.from_tensor_slices(order).interleave(
        lambda index: _handed_over(share.of_piece(index, portable), block, extract),
        cycle_length=min(INTERLEAVED_SHARDS, num_pieces),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if block > 1:
        records = records.unbatch()
    if share.files.on_corrupt == "skip":
        records = _never_empty(records)
    shuffle_seed = tf.random.stateless_uniform(
        [], fold_in(fold_in(key, RECORD_ORDER), number), maxval=2**31 - 1, dtype=tf.int64, alg="philox"
    )
    return records.shuffle(shuffle_buffer, seed=shuffle_seed, reshuffle_each_iteration=False)


def block_size(reader: ClipReader) -> int:
    """How many records are handed over at a time, taking the first for one like all."""
    num_bytes = len(reader.first_record().numpy())
    return max(1, min(_BLOCK_RECORDS, _BLOCK_BYTES // max(1, num_bytes)))


def _handed_over(records: tf.data.Dataset, block: int, extract: Extract | None) -> tf.data.Dataset:
    if block > 1:
        return records.batch(block)
    return records if extract is None else records.map(extract)


def _never_empty(records: tf.data.Dataset) -> tf.data.Dataset:
    """The same records, and an error where there are none: an endless stream of empty epochs would hang."""

    def count(total, element):
        record, is_end = element
        return checked((total + 1, (record, is_end)), (total > 0) | ~is_end, NOTHING_LEFT)

    nothing = tf.nest.map_structure(
        lambda spec: tf.zeros([size or 0 for size in spec.shape], spec.dtype), records.element_spec
    )
    end = tf.data.Dataset.from_tensors((nothing, True))
    marked = records.map(lambda record: (record, False)).concatenate(end).scan(tf.constant(0, tf.int64), count)
    return marked.filter(lambda record, is_end: ~is_end).map(lambda record, is_end: record)
