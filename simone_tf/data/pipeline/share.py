"""Which records each of several input pipelines reads, so that no clip comes oftener in one than in another.

Where the counts of all shards are known beforehand, the records of all shards in their order are cut into n stretches
of equal length (to within one): a pipeline reads whole shards, and of the first and last perhaps a piece. Otherwise
shards that are taken to be of equal size are dealt out whole in groups of n; of those left over, and of those of odd
size, each pipeline reads every n-th record.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from simone_tf.data.pipeline.usable import UsableRecords
from simone_tf.errors import UserError


class Piece(NamedTuple):
    """Of `shard` the records from `start` to before `stop` (None: the last), and of these every `step`-th."""

    shard: str
    start: int = 0
    stop: int | None = None
    offset: int = 0
    step: int = 1

    def count(self, records: int) -> int:
        """The number of records, of a shard that has so many."""
        return len(range(records)[self.start : self.stop][self.offset :: self.step])


def stretches(shards: Sequence[str], counts: Sequence[int], num_pipelines: int, pipeline: int) -> list[Piece]:
    """The pieces that pipeline i of n reads, the number of records of each shard being known."""
    total = sum(counts)
    begin, end = total * pipeline // num_pipelines, total * (pipeline + 1) // num_pipelines
    pieces = []
    for shard, count, base in zip(shards, counts, itertools.accumulate(counts, initial=0), strict=False):
        start, stop = max(begin - base, 0), min(end - base, count)
        if start < stop:
            # To the end, also where the shard has more records than it is said to have.
            pieces.append(Piece(shard, start, None if stop == count else stop))
    return pieces


def deal(shards: Sequence[str], sizes: Sequence[int | None], num_pipelines: int, pipeline: int) -> list[Piece]:
    """The pieces that pipeline i of n reads where only a size of each shard is known; None is a size like another."""
    whole, left_over = [], []
    for size in sorted(set(sizes), key=str):
        alike = [(shard, size) for shard, its_size in zip(shards, sizes, strict=True) if its_size == size]
        dealt = len(alike) // num_pipelines * num_pipelines
        whole += alike[pipeline:dealt:num_pipelines]
        left_over += alike[dealt:]
    shared, turn = [], 0
    for shard, size in left_over:
        shared.append(Piece(shard, 0, None, (pipeline - turn) % num_pipelines, num_pipelines))
        # Where this shard ends the next one goes on, so that no pipeline has the first record of all.
        turn += num_pipelines // len(left_over) if size is None else size
    whole = [Piece(shard) for shard, _ in whole]
    return sorted(whole + shared)


class Share:
    """What input pipeline i of n reads.

    Args:
      records: the records to be shared.
      num_pipelines, pipeline: n and i.

    Raises:
      UserError: nothing is left for this pipeline.
    """

    def __init__(self, records: UsableRecords, num_pipelines: int = 1, pipeline: int = 0):
        self.records, self.files = records, records.files
        self.key = (num_pipelines, pipeline)
        shards = self.files.shards()
        if num_pipelines == 1:
            self.pieces = [Piece(shard) for shard in shards]
        else:
            sizes = [self.files.known_count(shard) for shard in shards]
            if self.files.on_corrupt == "raise" and None not in sizes:
                counts = [self.files.count(shard) for shard in shards]
                self.pieces = stretches(shards, counts, num_pipelines, pipeline)
            else:
                self.pieces = deal(shards, sizes, num_pipelines, pipeline)
        if self._is_empty():
            raise UserError(
                f"{self.files.where} has too few clips for {num_pipelines} input pipelines: use fewer replicas or more "
                "data."
            )

    def _is_empty(self) -> bool:
        if self.files.on_corrupt == "skip" and self.key != (1, 0):
            return all(False for _ in self.everything().take(1))
        # A whole shard is never empty, and counting may be costly.
        return all(piece.step > 1 for piece in self.pieces) and not self.count()

    def count(self) -> int:
        """The number of records."""
        return sum(piece.count(self.records.count(piece.shard)) for piece in self.pieces)

    @tf.autograph.experimental.do_not_convert
    def of_piece(self, index: int | tf.Tensor, portable: bool = False) -> tf.data.Dataset:
        """The serialized records of one piece; graph code may choose which."""

        def chosen(values, dtype=tf.int64):
            return tf.gather(tf.constant(values, dtype), index)

        records = self.records.of_shard(chosen([piece.shard for piece in self.pieces], tf.string), portable)
        if any(piece != Piece(piece.shard) for piece in self.pieces):
            records = records.skip(chosen([piece.start for piece in self.pieces]))
            sizes = [-1 if piece.stop is None else piece.stop - piece.start for piece in self.pieces]
            records = records.take(chosen(sizes))
            steps, offsets = [piece.step for piece in self.pieces], [piece.offset for piece in self.pieces]
            records = records.shard(chosen(steps), chosen(offsets))
        return records

    @tf.autograph.experimental.do_not_convert
    def everything(self) -> tf.data.Dataset:
        """The serialized records of all pieces, in the order of the files."""
        return tf.data.Dataset.range(len(self.pieces)).flat_map(self.of_piece)
