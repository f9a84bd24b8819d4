"""The account of what a reader with `on_corrupt = "skip"` leaves out, one line in the log for each file and cause."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from simone_tf.data.tfrecords.salvage import Damage, salvage

_LOG = logging.getLogger(__name__)


class Skipped(NamedTuple):
    """What was left out so far: single records (a least number, see `salvage`), and files as a whole."""

    records: int
    files: int


class LeftOut:
    """Counts what is left out, every loss once however often a file is read."""

    def __init__(self):
        self._files: set[str] = set()
        self._unreadable: dict[str, int] = {}
        self._unfit: dict[str, int] = {}

    @property
    def total(self) -> Skipped:
        """The sums over all files so far."""
        return Skipped(sum(self._unreadable.values()) + sum(self._unfit.values()), len(self._files))

    def file(self, path: str, reason: str) -> None:
        """A file as a whole."""
        if path not in self._files:
            self._files.add(path)
            _LOG.warning("%s is left out: %s.", path, reason)

    def unfit(self, path: str, count: int, wanted: str) -> None:
        """Records of a file that can be read but not be used."""
        if count > self._unfit.get(path, 0):
            self._unfit[path] = count
            _LOG.warning("%s: left out %d records that are not of %s, or of another size.", path, count, wanted)

    def salvaged(self, path: str | bytes) -> Iterator[bytes]:
        """The records of a file that can be read; what cannot is noted when all are through."""
        path = tf.compat.as_str_any(path)
        damage = Damage()
        yield from salvage(path, damage)
        lost = damage.lost_records or int(damage.end is not None)
        if lost > self._unreadable.get(path, 0):
            self._unreadable[path] = lost
            ended = f"; {damage.end}" if damage.end else ""
            _LOG.warning("%s: left out at least %d records that cannot be read%s.", path, lost, ended)
