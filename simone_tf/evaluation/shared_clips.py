"""Tells whether two readers give the same clips, so that no probe is tested on what it was trained on."""

import os

import tensorflow as tf

from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError


def shared_file(one: ClipReader, other: ClipReader) -> str | None:
    """A file of which two readers read the same records.

    A file is the same under another name too (a link). Readers of different records of one file, as the image sets
    divide theirs (`records`), share nothing.

    Args:
        one, other: the readers.

    Returns:
        Its path as `one` has it; None where there is none, or where the files of one of the two cannot be found.
    """
    try:
        mine = {_identity(path): path for path in one.files.shards()}
        common = [path for key, path in mine.items() if key in set(map(_identity, other.files.shards()))]
    except (UserError, OSError, tf.errors.OpError):
        return None
    (first, stop), (other_first, other_stop) = one.files.records, other.files.records
    return common[0] if common and max(first, other_first) < min(stop, other_stop) else None


def _identity(path: str) -> str | tuple[int, int]:
    if "://" in path:
        return path
    found = os.stat(path)
    return found.st_dev, found.st_ino
