"""The shards of a split as files: found, checked, counted, and read record by record, not parsed."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from simone_tf.data.tfrecords import tfrecord
from simone_tf.data.tfrecords.faults import DATA_ERRORS, unreadable
from simone_tf.data.tfrecords.find_shards import find_shards
from simone_tf.data.tfrecords.left_out import LeftOut, Skipped
from simone_tf.data.tfrecords.salvage import Damage, salvage
from simone_tf.errors import UserError

NO_END = 2**62
"""As the end of a range of records: all there are."""


class Listing(NamedTuple):
    """What a file beside the shards says of them: its name, and shard's file name -> number of records."""

    name: str
    counts: Mapping[str, int]


class SplitFiles:
    """The TFRecord shards of one split. Everything is lazy: nothing is opened before the first call.

    Attributes:
      where: the folder the user named and the split, as messages name them.
      on_corrupt: what happens at a record or file that cannot be read: "raise" ends there, "skip" leaves it out.
      records: (first, stop), the records of each shard that are read, `stop` not among them.
    """

    def __init__(
        self,
        data_dir: str,
        split: str,
        *,
        folders: Sequence[str],
        file_pattern: str,
        reader: str,
        source: str = "its publisher",
        stand_in: str = "",
        on_corrupt: str = "raise",
        listing: Listing | None = None,
        known_count: Callable[[str], int | None] | None = None,
        records: tuple[int, int] = (0, NO_END),
    ):
        """Names the files; nothing is opened yet.

        Args:
          data_dir, split: what the user named.
          folders, file_pattern, source, stand_in: see `find_shards`.
          reader: name of the class that reads the format, for messages.
          on_corrupt, records: see above.
          listing: what the set itself says of its shards, None where it says nothing.
          known_count: path -> the number of records where the format tells it without reading the file, else None;
            asked where there is no listing. None where the format tells nothing.
        """
        self.where = f"{data_dir} (split {split!r})"
        self.on_corrupt = on_corrupt
        self.records = records
        self._split = split
        self._reader = reader
        self._listing = listing
        self._known_count = known_count
        self._find = functools.partial(
            find_shards, folders, file_pattern, split=split, source=source, stand_in=stand_in
        )
        self._counts: dict[str, int] = {}
        self._length_checks = tfrecord.LengthChecks()
        self._left_out = LeftOut()

    def shards(self) -> tuple[str, ...]:
        """The sorted paths of the split's shards; in skip mode those of which at least one record can be read.

        Raises:
          UserError: none is there, one is empty or no TFRecord file, one that is listed is missing, or the shards are
            of two different sets; in skip mode, none can be read.
        """
        return tuple(self._compressions)

    def count(self, shard: str) -> int:
        """The number of records of a shard: known for the format, or counted once; skip mode counts what it reads."""
        if shard not in self._counts:
            if self.on_corrupt == "skip":
                counted = self._within(sum(1 for _ in self._left_out.salvaged(shard)))
            else:
                counted = self.known_count(shard)
                if counted is None:
                    counted = self._within(tfrecord.count_records(shard, self._compressions[shard]))
            self._counts[shard] = counted
        return self._counts[shard]

    def known_count(self, shard: str) -> int | None:
        """The number of records of a shard where it is known without reading the shard, else None."""
        known = None
        if self._listing is not None:
            known = self._listing.counts.get(os.path.basename(shard))
        elif self._known_count is not None:
            known = self._known_count(shard)
        return None if known is None else self._within(known)

    def serialized(self, shards: Sequence[str] | tf.Tensor | None = None, *, portable: bool = False) -> tf.data.Dataset:
        """The records of shards, one shard after the other, not parsed.

        A length in a plain file that lies can end the whole process: TensorFlow asks for as much memory at once. So the
        lengths of a plain local file are looked at before TensorFlow opens it for the first time. Compressed files
        need no such care, as TensorFlow inflates them bit by bit and ends at the end of the file.

        Args:
          shards: paths as `shards()` gives them, None for all of them; also a string tensor [S], so that graph code
            may choose the order.
          portable: no call of Python in the dataset, so that another process can run it; then no lengths are looked at.

        Returns:
          A dataset of scalar strings; in skip mode those whose checksums fit.
        """
        paths = list(self._compressions)
        compressions = list(self._compressions.values())

        def whole(path: tf.Tensor) -> tf.data.Dataset:
            if self.on_corrupt == "skip":
                return tf.data.Dataset.from_generator(
                    self._left_out.salvaged, args=(path,), output_signature=tf.TensorSpec([], tf.string)
                )
            compression = tf.gather(compressions, tf.argmax(tf.equal(paths, path)))
            if "" in compressions and not portable:
                path = tf.ensure_shape(tf.numpy_function(self._length_checks.check, [path, compression], tf.string), [])
            return tf.data.TFRecordDataset(path, compression, buffer_size=2**20)

        def records(path: tf.Tensor) -> tf.data.Dataset:
            first, stop = self.records
            read = whole(path).skip(first) if first else whole(path)
            return read if stop == NO_END else read.take(stop - first)

        if not tf.is_tensor(shards):
            shards = tf.constant(paths if shards is None else list(shards), tf.string)
        return tf.data.Dataset.from_tensor_slices(shards).flat_map(records)

    def first_record(self, looks_right: Callable[[tf.Tensor], bool]) -> tf.Tensor:
        """The first record of the first shard, a scalar string; in skip mode the first of all that looks right.

        Raises:
          UserError: it cannot be read; in skip mode, none looks right.
        """
        if self.on_corrupt == "skip":
            for record in self.serialized():
                if looks_right(record):
                    return record
            raise UserError(self.nothing_usable())
        shard = self.shards()[0]
        if self._compressions[shard] == "":
            tfrecord.check_lengths(shard)
        try:
            return next(iter(self.serialized([shard])))
        except StopIteration:
            first = self.records[0]
            raise UserError(
                f"{shard} has no more than {first} records, and {self._reader}.records starts at {first}: choose "
                "records that are there."
            ) from None
        except DATA_ERRORS as error:
            raise UserError(unreadable(shard, error)) from error

    @property
    def skipped(self) -> Skipped:
        """What skip mode has left out so far."""
        return self._left_out.total

    def report_unfit(self, shard: str, count: int) -> None:
        """Takes note that skip mode left out so many records of a shard that can be read but not be used."""
        self._left_out.unfit(shard, count, self._reader)

    def nothing_usable(self) -> str:
        """One sentence on a split of which skip mode leaves nothing."""
        return (
            f"{self.where} has no record that can be used, what is damaged being left out: "
            'download or make it again, or set on_corrupt = "raise" to see the first fault.'
        )

    def _within(self, count: int) -> int:
        """How many of so many records of a shard are read."""
        first, stop = self.records
        return max(min(count, stop) - first, 0)

    @functools.cached_property
    def _compressions(self) -> dict[str, str]:
        """Path of each shard, sorted -> its compression (which skip mode does not need)."""
        found = self._find()
        if self.on_corrupt == "raise":
            usable = {path: tfrecord.sniff_compression(path) for path in found}
        else:
            usable, withheld = {}, None
            for path in found:
                damage = Damage()
                if next(salvage(path, damage), None) is not None:
                    usable[path] = ""
                else:
                    self._left_out.file(path, damage.end or "no record can be read in it")
                    withheld = withheld or (damage.withheld and f"{path}: {damage.end}")
            if not usable:
                raise UserError(f"{withheld}." if withheld else self.nothing_usable())
        if self._listing is not None:
            self._check_listed(self._listing, found)
        return usable

    def _check_listed(self, listing: Listing, found: Sequence[str]) -> None:
        """Raises UserError when shards that the set's own list names are not there; skip mode leaves them out."""
        folder = os.path.dirname(found[0])
        missing = sorted(set(listing.counts) - {os.path.basename(path) for path in found})
        if missing and self.on_corrupt == "skip":
            for name in missing:
                self._left_out.file(os.path.join(folder, name), f"{listing.name} lists it, but it is not there")
        elif missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise UserError(
                f"{folder} lacks {shown}, which its {listing.name} lists for split {self._split!r}: "
                "copy or make the whole set again."
            )
