"""The records of a split that a pipeline can use.

With `on_corrupt = "raise"` these are all: the first that is damaged ends the stream. With "skip" a record that can be
read (see `salvage`) is tried out the first time it is read: one that cannot be parsed, or has another size than the
others, is dropped, and the verdicts on a shard are kept once it was read to its end. So the order of what is left is
the same in every epoch and in a resumed run, and `count` agrees with it.
"""

import weakref
from collections.abc import Callable, Hashable

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.tfrecords.split_files import SplitFiles

_UNKNOWN, _USABLE, _UNFIT = range(3)
_END = -1  # The number behind the last record of a shard.


class _Verdicts:
    """On each shard: how many records it has, which of them passed, and, when all were tried, which are unfit."""

    def __init__(self):
        self.totals: dict[str, int] = {}
        self.passed: dict[str, bytearray] = {}
        self.unfit: dict[str, frozenset[int]] = {}


_VERDICTS: weakref.WeakKeyDictionary[SplitFiles, dict[Hashable, _Verdicts]] = weakref.WeakKeyDictionary()


class UsableRecords:
    """The usable records of a split, shard by shard.

    Args:
      files: the shards.
      usable: graph code, serialized record -> clip, which fails where the record cannot be used; not needed to raise.
      key: what, beside the files, the verdicts depend on; who asks with the same key shares them.
    """

    def __init__(self, files: SplitFiles, usable: Callable[[tf.Tensor], Clip] | None, key: Hashable):
        self.files = files
        # Traced once, however many datasets try records out.
        record = tf.TensorSpec([], tf.string)
        self._usable = tf.function(usable, input_signature=[record], autograph=False) if usable else None
        self._verdicts = _VERDICTS.setdefault(files, {}).setdefault(key, _Verdicts())

    def count(self, shard: str) -> int:
        """The number of usable records of a shard; in skip mode it is read for that, once."""
        if self.files.on_corrupt == "raise":
            return self.files.count(shard)
        if shard not in self._verdicts.unfit:
            for _ in self.of_shard(tf.constant(shard)):
                pass
        return self._verdicts.totals.get(shard, 0) - len(self._verdicts.unfit.get(shard, ()))

    @tf.autograph.experimental.do_not_convert
    def of_shard(self, shard: tf.Tensor, portable: bool = False) -> tf.data.Dataset:
        """The usable records of a shard, serialized, in their order; also for a path that graph code chose."""
        records = self.files.serialized(tf.stack([shard]), portable=portable)
        if self.files.on_corrupt == "raise":
            return records

        def judge(number, record):
            return number, record, tf.numpy_function(self._judge, [shard, number], tf.int32)

        def try_out(number, record, verdict):
            tf.ensure_shape(verdict, [])
            touched = tf.cond(tf.equal(verdict, _UNKNOWN), lambda: _touch(self._usable(record)), lambda: 0.0)
            return number, record, touched

        def note(number, record, _):
            kept = tf.numpy_function(self._note, [shard, number], tf.bool)
            return record, tf.ensure_shape(kept, [])

        end = tf.data.Dataset.from_tensors((tf.constant(_END, tf.int64), ""))
        return (
            records.enumerate()
            .concatenate(end)
            .map(judge)
            .filter(lambda number, record, verdict: tf.not_equal(tf.ensure_shape(verdict, []), _UNFIT))
            .map(try_out, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .ignore_errors()
            .map(note)
            .filter(lambda record, kept: kept)
            .map(lambda record, kept: record)
        )

    def _judge(self, shard: bytes, number: np.int64) -> np.int32:
        shard, number = shard.decode(), int(number)
        if number == _END:
            return np.int32(_USABLE)
        self._verdicts.totals[shard] = max(number + 1, self._verdicts.totals.get(shard, 0))
        if shard not in self._verdicts.unfit:
            return np.int32(_UNKNOWN)
        return np.int32(_UNFIT if number in self._verdicts.unfit[shard] else _USABLE)

    def _note(self, shard: bytes, number: np.int64) -> np.bool_:
        shard, number = shard.decode(), int(number)
        passed = self._verdicts.passed.setdefault(shard, bytearray())
        if number == _END:
            if shard not in self._verdicts.unfit:
                total = self._verdicts.totals.get(shard, 0)
                unfit = frozenset(range(total)) - frozenset(np.flatnonzero(np.frombuffer(bytes(passed), bool)).tolist())
                self._verdicts.unfit[shard] = unfit
                if unfit:
                    self.files.report_unfit(shard, len(unfit))
            return np.bool_(False)
        passed.extend(bytes(max(number + 1 - len(passed), 0)))
        passed[number] = 1
        return np.bool_(True)


def _touch(clip: Clip) -> tf.Tensor:
    """A number that depends on every field, so that TensorFlow cannot leave out what makes it."""
    return tf.add_n([tf.reduce_sum(tf.cast(tf.reshape(value, [-1])[:1], tf.float32)) for value in clip.values()])
