"""Files and folders put in place in one piece or not at all; JSON read within bounds; sums of files."""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import math
import numbers
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

_HERE = -100  # AT_FDCWD of Linux: paths are relative to the working directory
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux

LFS_POINTER = "it is a Git LFS pointer, not the file itself: run git lfs pull"
"""What is said of a file that `is_lfs_pointer` finds to be one."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[str]:
    """Yields the name of a new, empty file beside `path` that takes its place when the block succeeds.

    When it fails nothing is left of the new file, and what stood at `path` stays.

    Raises:
      OSError: the folder is missing or cannot be written, or what the block raises.
    """
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    os.close(handle)
    try:
        yield temporary
        _open_to_others(temporary, 0o666)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike, keep_existing: bool = False) -> Iterator[str]:
    """Yields a new, empty folder beside `path` that takes its place when the block succeeds.

    When it fails, or the process is killed at any time, what stood at `path` stays. What killed processes left beside
    it is removed by the next call; a folder that a process still writes to is known by its lock. Where the system
    cannot exchange two folders at once (others than Linux, some file systems), a kill between two renames leaves both
    folders under other names, and `mend_folder` or the next call puts the new one in place.

    Args:
      path: the folder to be; the folders above it are made where they are missing.
      keep_existing: what stands at `path` by the end of the block stays, and the new folder is given up. For folders
        that several processes make alike, and that others may be reading by then.

    Raises:
      OSError: the folder cannot be written, or what the block raises.
    """
    path = os.path.realpath(path)
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    mend_folder(path)
    temporary, lock = _new_folder(parent, name)
    try:
        yield temporary
        _open_to_others(temporary, 0o777)
        _put_in_place(temporary, path, keep_existing)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # what failed, or the old one
        os.close(lock)


def mend_folder(path: str | os.PathLike) -> None:
    """Removes what killed processes left beside a folder of `replacing_folder`, which gets its name back if it lost it.

    Raises:
      OSError: the folder above it cannot be read, or the name cannot be given back.
    """
    path = os.path.realpath(path)
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        return
    for ending in ("tmp.new", "tmp.old", "tmp"):
        for entry in os.listdir(parent):
            left = os.path.join(parent, entry)
            named = re.fullmatch(rf"\.{re.escape(name)}\.[^.]+\.{re.escape(ending)}", entry)
            if not named or not os.path.isdir(left) or os.path.islink(left):
                continue
            nameless = not os.path.lexists(path)
            if ending == "tmp.old" and nameless:
                os.replace(left, path)
                continue
            _mend_left(left, path, whole=ending == "tmp.new" and nameless)


def _new_folder(parent: str, name: str) -> tuple[str, int]:
    """A new, empty folder and an open handle of it, which is locked where the file system can."""
    while True:
        temporary = tempfile.mkdtemp(prefix=f".{name}.", suffix=".tmp", dir=parent)
        try:
            lock = os.open(temporary, os.O_RDONLY)
        except FileNotFoundError:  # Taken for left behind, see below.
            continue
        with contextlib.suppress(OSError):  # A file system without locks: nothing there is removed either.
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(temporary):
            return temporary, lock
        # Before it was locked another process took it for one left behind.
        os.close(lock)


def _mend_left(left: str, path: str, whole: bool) -> None:
    """Removes a folder that was left behind, or puts it in place if it is `whole`; not one that is written to."""
    try:
        lock = os.open(left, os.O_RDONLY)
    except OSError:
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        # Locked until it is gone: it could be new, and its owner about to lock it.
        if whole:
            os.replace(left, path)
        else:
            shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(lock)


def _put_in_place(new: str, path: str, keep_existing: bool) -> None:
    if keep_existing or not os.path.isdir(path) or not os.listdir(path):
        try:
            os.replace(new, path)
        except OSError:
            # Another process was faster.
            if not keep_existing or not os.path.isdir(path):
                raise
    elif not _exchange(new, path):
        # The name of the new one says that it is whole, should this be the last that the process does.
        whole, old = f"{new}.new", f"{new}.old"
        os.replace(new, whole)
        try:
            os.replace(path, old)
            os.replace(whole, path)
        except OSError:
            shutil.rmtree(whole, ignore_errors=True)
            raise
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


def _open_to_others(path: str, mode: int) -> None:
    """Gives what `tempfile` made, which nobody else can read, the mode that anything new has."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, mode & ~umask)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file in one piece or not at all.

    Raises:
      OSError: it cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(text)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes a JSON file in one piece or not at all; what JSON has no word for (NaN, infinity) becomes null.

    Raises:
      OSError: it cannot be written.
    """
    write_text(path, json.dumps(without_nan(content), indent=2, allow_nan=False) + "\n")


def without_nan(value: Any) -> Any:
    """A value with None in place of NaN and infinity, through dicts, lists and tuples; floats become Python's own."""
    if isinstance(value, dict):
        return {name: without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return float(value) if math.isfinite(value) else None
    return value


def read_json(path: str | os.PathLike, most_bytes: int) -> dict[str, Any]:
    """Reads a file that holds a JSON object; not a byte more of it than it may have.

    Raises:
      OSError: it cannot be read.
      ValueError: it is longer, no JSON, or JSON of something else than an object.
    """
    with open(path, "rb") as file:
        value = parse_json(file.read(most_bytes + 1), most_bytes)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value


def parse_json(content: bytes, most_bytes: int) -> Any:
    """What the bytes of a JSON file say, of a file that lies elsewhere than on this machine.

    Raises:
      ValueError: there are more than `most_bytes`, or they are no JSON, as those of a Git LFS pointer are none.
    """
    if is_lfs_pointer(content):
        raise ValueError(LFS_POINTER)
    if len(content) > most_bytes:
        raise ValueError(f"it has more than {most_bytes} bytes")
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def file_sums(folder: str | os.PathLike, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size (`bytes`) and SHA-256 (`sha256`, in hexadecimal) of files by their names, which are relative to the folder.

    Raises:
      OSError: one cannot be read.
    """
    sums = {}
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            sums[name] = {"bytes": os.path.getsize(path), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return sums


def is_utf8(name: str) -> bool:
    """Whether the bytes of a name are UTF-8; Python takes others too, and keeps them as lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_lfs_pointer(start: bytes) -> bool:
    """Whether the first bytes of a file (64 are enough) are those of a Git LFS pointer, which stands for the file."""
    return start.startswith(b"version https://git-lfs.github.com/spec/")


def is_refusal(error: BaseException) -> bool:
    """Whether the system would not give a file out (permissions, a folder in its place, a failing disk), so that
    nothing is known of its bytes. An invalid argument is what a damaged archive makes of a place in it.
    """
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
