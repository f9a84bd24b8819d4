"""Folders under names that cannot be taken for patterns.

TensorFlow looks for the files of a checkpoint, and for those that it deletes, by patterns: it does not find what lies
in a folder `br[1]`, and what it means to delete in `br?` may lie in `br1`. It is given another name of the folder then.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator

_SPECIAL = frozenset("*?[]{}\\")
_OPEN_FOLDERS = "/proc/self/fd"


def is_plain(path: str | os.PathLike) -> bool:
    """Whether no character of a path, made absolute, means something in a pattern, and all of them are text."""
    path = os.path.abspath(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not _SPECIAL & set(path)


@contextlib.contextmanager
def plain_folder(folder: str | os.PathLike) -> Iterator[str]:
    """Yields a name of a folder that `is_plain`: its own where it is, else one that holds while the block runs.

    Raises:
      OSError: the folder cannot be opened.
    """
    folder = os.fspath(folder)
    if is_plain(folder):
        yield folder
        return
    with contextlib.ExitStack() as stack:
        # Only where it lies is asked, so that a folder that may be entered and not listed will do.
        handle = os.open(folder, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)
        stack.callback(os.close, handle)
        name = os.path.join(_OPEN_FOLDERS, str(handle))
        if not os.path.exists(name):  # no Linux, or no /proc
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="simone_tf-"))
            name = os.path.join(place, "folder")
            os.symlink(os.path.abspath(folder), name)
        yield name
