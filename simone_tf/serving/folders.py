"""Writing a folder in one piece or not at all: a reader finds the old one or the new one, whole."""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator

_HERE = -100  # AT_FDCWD of Linux: paths are relative to the working directory
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[str]:
    """Yields a new, empty folder beside `path` that takes its place when the block succeeds.

    When it fails, or the process is killed at any time, what stood at `path` stays. What killed processes left beside
    it is removed by the next call; a folder that a process still writes to is known by its lock. Where the system
    cannot exchange two folders at once (others than Linux), a kill between two renames leaves the old folder under
    another name, and the next call puts it back.

    Raises:
        OSError: the folder cannot be written, or what the block raises.
    """
    path = os.path.realpath(path)
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    _clear(parent, name)
    temporary = tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=parent)
    lock = os.open(temporary, os.O_RDONLY)
    try:
        _lock(lock)
        yield temporary
        # mkdtemp makes folders that nobody else can read; give it the mode that any new folder has.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o777 & ~umask)
        _put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # what failed, or the old one
        os.close(lock)


def _put_in_place(new: str, path: str) -> None:
    if not os.path.isdir(path) or not os.listdir(path):
        os.rename(new, path)
    elif not _exchange(new, path):
        old = f"{new}.old"
        os.rename(path, old)
        os.rename(new, path)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(a: str, b: str) -> bool:
    """Exchanges two folders at once; False where the system or its file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    if rename(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), b)


def _clear(parent: str, name: str) -> None:
    """Removes what killed processes left, and puts an old folder back that lost its name."""
    for entry in os.listdir(parent):
        left = os.path.join(parent, entry)
        if not entry.startswith(f".{name}.") or not os.path.isdir(left) or os.path.islink(left):
            continue
        if entry.endswith(".tmp.old") and not os.path.exists(os.path.join(parent, name)):
            os.rename(left, os.path.join(parent, name))
        elif entry.endswith((".tmp", ".tmp.old")) and not _in_use(left):
            shutil.rmtree(left, ignore_errors=True)


def _in_use(folder: str) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    with contextlib.suppress(OSError):  # A file system without locks: nothing there is removed either.
        fcntl.flock(handle, fcntl.LOCK_EX)
