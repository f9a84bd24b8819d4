"""Several data sets trained on together: which of them the clip at a position comes from.

Positions come in rounds of as many as the weights add up to. In a round every set has its weight in clips, in an order
that is shuffled anew for each round. So the shares are exact in every round, and how many clips of a set came before a
position is known without counting: a run that goes on finds its place in every set.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.order import fold_in
from simone_tf.errors import UserError

MAX_ROUND = 10_000
"""The most that the weights may add up to."""

_ENDLESS = 2**62


class Mixture:
    """Clips of several readers.

    Attributes:
      readers: of each set.
      weights: clips of each set in a round.
      names: what each set is called where something is said of it alone, such as its score.
    """

    def __init__(
        self, readers: Sequence[ClipReader], weights: Sequence[int] | None = None, names: Sequence[str] | None = None
    ):
        """Puts sets together.

        Args:
          readers: of each set, two or more.
          weights: whole numbers, of every `sum(weights)` clips so many come from each set; None for 1 of each. Of
            held-out clips they are of no account.
          names: see above; None takes the last folder of each `data_dir`.

        Raises:
          UserError: there are no two readers, or not as many weights or names as readers, a weight is no whole number
            of 1 or more, or a name comes twice.
        """
        self.readers = tuple(readers) if isinstance(readers, list | tuple) else ()
        if len(self.readers) < 2 or not all(isinstance(reader, ClipReader) for reader in self.readers):
            raise UserError("Mixture.readers needs two readers or more, such as [@rooms/ClipRecords(), @toys/MOVi()].")
        given = [1] * len(self.readers) if weights is None else list(weights)
        if not all(type(weight) is int and weight >= 1 for weight in given) or sum(given) > MAX_ROUND:
            raise UserError(
                f"Mixture.weights is {weights!r}: give whole numbers of 1 or more that add up to {MAX_ROUND} at most."
            )
        self.weights = tuple(given)
        self.names = tuple(map(_folder_of, self.readers) if names is None else map(str, names))
        for what, values in (("weights", self.weights), ("names", self.names)):
            if len(values) != len(self.readers):
                raise UserError(f"Mixture.{what} has {len(values)} entries for {len(self.readers)} readers.")
        if len(set(self.names)) != len(self.names):
            raise UserError(f"Mixture.names are {', '.join(self.names)}: give each set a name of its own.")

    def passed(self, position: int, key: tf.Tensor) -> list[int]:
        """How many clips of each set come before a position; `key` (int64 [2]) as for `choices`."""
        rounds, rest = divmod(position, sum(self.weights))
        begun = self._round(tf.constant(rounds, tf.int64), key).numpy()[:rest]
        counts = np.bincount(begun, minlength=len(self.weights))
        return [rounds * weight + int(count) for weight, count in zip(self.weights, counts, strict=True)]

    def choices(self, position: int, key: tf.Tensor) -> tf.data.Dataset:
        """The number of the set, int64, of every position from this one on, without end."""
        rounds, rest = divmod(position, sum(self.weights))
        numbers = tf.data.Dataset.range(rounds, _ENDLESS).flat_map(
            lambda number: tf.data.Dataset.from_tensor_slices(self._round(number, key))
        )
        return numbers.skip(rest)

    def _round(self, number: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        members = np.repeat(np.arange(len(self.weights), dtype=np.int64), self.weights)
        return tf.random.experimental.stateless_shuffle(members, fold_in(key, number))


def sets_of(clips: ClipReader | Mixture) -> dict[str, ClipReader]:
    """The readers by name; of a reader alone itself, under the name ""."""
    return dict(zip(clips.names, clips.readers, strict=True)) if isinstance(clips, Mixture) else {"": clips}


def alone(clips: ClipReader | Mixture, what: str, binding: str) -> ClipReader:
    """The reader where there is one set.

    Raises:
      UserError: there are several; `what` (a beginning of a sentence) says who needs one, `binding` how to choose it.
    """
    if not isinstance(clips, Mixture):
        return clips
    raise UserError(
        f"{what} takes one data set at a time, and {binding} is a mixture of {', '.join(clips.names)}: choose one, "
        f"such as with --gin_param='{binding} = @held_out/ClipRecords()'."
    )


def _folder_of(reader: ClipReader) -> str:
    return reader.data_dir.rstrip("/\\").replace("\\", "/").rpartition("/")[2].rpartition(":")[2]
