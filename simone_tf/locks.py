"""One owner at a time of what several processes could write: a lock on an open file, which ends with its process.

The lock is the system's (`flock`), the file only says who has it: one that a killed process left behind holds nobody
up. On network folders it holds between machines as far as their file system and its mount carry locks; where it says
that it has none, a line on stderr says so and the work goes on without.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from simone_tf.errors import UserError, first_line

OWNER_SECONDS = 1.0
"""How long a refusal waits for the owner's name: who has a lock says so a moment later, until then it is another's."""

PAUSE_SECONDS = 0.02
"""Between two tries."""

_MAX_BYTES = 4096
_TRIES = 100

_OPEN: set[int] = set()
"""Handles of the lock files that this process has open."""


def _close_in_child() -> None:
    # The system keeps a lock until the last copy of its handle is closed: that of a child would outlive the owner.
    while _OPEN:
        with contextlib.suppress(OSError):
            os.close(_OPEN.pop())


os.register_at_fork(after_in_child=_close_in_child)


class Owner(NamedTuple):
    """Who holds a lock."""

    process: int
    host: str
    since: str


def inside(folder: str | os.PathLike, name: str) -> str:
    """The lock file in a folder, of what is named in it; hidden, so that nothing reads it as a part of the folder."""
    return os.path.join(os.path.realpath(folder), f".{name}.lock")


def beside(path: str | os.PathLike) -> str:
    """The lock file beside a file or folder that is replaced as a whole; hidden as that of `inside`."""
    parent, name = os.path.split(os.path.realpath(path))
    return inside(parent, name)


@contextlib.contextmanager
def held(path: str, subject: str, instead: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds a lock during the block; neither threads of this process nor other processes can hold it meanwhile.

    A fork of this process does not hold it. Folders above the file are made where they are missing; file and folders
    are removed at the end, folders only when nothing else is in them.

    Args:
      path: the lock file, `inside` or `beside` what is written.
      subject: what is locked, to be followed by who does it: "--run_dir=runs/a is being trained".
      instead: what else could be done than to wait: "choose another --run_dir".
      wait_seconds: how long to wait for another owner.

    Raises:
      UserError: another thread or process holds it; names its number, its host and since when.
      OSError: the file cannot be made.
    """
    made: list[str] = []
    handle = None
    try:
        handle = _acquired(path, subject, instead, wait_seconds, made)
        yield
    finally:
        if handle is None or handle in _OPEN:  # Else this is a fork, which has nothing to give back.
            if handle is not None:
                # Before it is unlocked: who opens the old file from now on finds that it has lost its name.
                with contextlib.suppress(OSError):
                    if _is_at(handle, path):
                        os.remove(path)
                _close(handle)
            for folder in made:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


def _acquired(path: str, subject: str, instead: str, wait_seconds: float, made: list[str]) -> int:
    """An open handle of the lock file, locked where the file system can; adds the folders made to `made`."""
    begin = time.monotonic()
    tries = 0
    while True:
        handle = _opened(path, made)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = read_owner(handle)
            _close(handle)
            waited = time.monotonic() - begin
            known = owner is not None and not _is_dead(owner)
            if waited >= max(wait_seconds, 0.0 if known else OWNER_SECONDS):
                raise UserError(refusal(path, subject, instead, owner)) from None
            time.sleep(PAUSE_SECONDS)
            continue
        except OSError as error:
            _tell_unlocked(path, first_line(error))
            return handle
        except BaseException:
            _close(handle)
            raise
        if _is_at(handle, path):
            _write(handle)
            return handle
        # Its owner gave it back, and removed it, between our opening and our locking it.
        tries += 1
        if tries == _TRIES:
            _tell_unlocked(path, "files there have no lasting numbers")
            return handle
        _close(handle)


def _opened(path: str, made: list[str]) -> int:
    """An open handle of the lock file, which is made with its folders when it is missing."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK  # A link could lead anywhere, and a pipe would wait for its other end.
    for left in reversed(range(_TRIES)):
        _make_folders(os.path.dirname(path), made)
        try:
            handle = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666)
        except PermissionError:
            # That of another user can be locked as well, but then says who had it before.
            if not os.path.isfile(path):
                raise
            handle = os.open(path, flags | os.O_RDONLY)
        except FileNotFoundError:
            # Another process has just removed the folder that it had made.
            if not left:
                raise
            continue
        _OPEN.add(handle)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
        _close(handle)
        break
    raise OSError(errno.EINVAL, "it is no regular file", path)


def _make_folders(folder: str, made: list[str]) -> None:
    """Makes a folder and those above it; adds those that were missing to `made`, the innermost first."""
    missing = []
    above = folder
    while not os.path.lexists(above):
        missing.append(above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    made += [path for path in missing if path not in made]


def _close(handle: int) -> None:
    _OPEN.discard(handle)
    os.close(handle)


def _is_at(handle: int, path: str) -> bool:
    """Whether the open file is still the one that has the name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def _write(handle: int) -> None:
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    owner = Owner(os.getpid(), os.uname().nodename, since)
    # On a full disk, or in a file of another user, it stays unsaid.
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner._asdict()).encode(), 0)


def read_owner(handle: int) -> Owner | None:
    """Who has written a lock file, of which this is an open handle, last; None where that cannot be told."""
    try:
        said = json.loads(os.pread(handle, _MAX_BYTES, 0))
        owner = Owner(said["process"], said["host"], said["since"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = (owner.host, owner.since)
    if type(owner.process) is not int or not 0 < owner.process < 2**31 or not all(isinstance(t, str) for t in texts):
        return None
    return owner if all(text.isprintable() and len(text) <= 255 for text in texts) else None


def _is_dead(owner: Owner) -> bool:
    if owner.host != os.uname().nodename:
        return False
    try:
        os.kill(owner.process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # It is another user's.
        pass
    return False


def refusal(path: str, subject: str, instead: str, owner: Owner | None) -> str:
    """The sentence for who comes second; the arguments are those of `held`."""
    who = f"process {owner.process} on host {owner.host} since {owner.since}" if owner else "another process"
    return (
        f"{subject} by {who}: wait until it has ended, or {instead}; if it is dead, its lock is gone with it (on a "
        f"network folder within minutes), so run the same command again, and if that says the same, fuser {path} on "
        "that host names the process that holds the lock."
    )


def _tell_unlocked(path: str, reason: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # A closed stderr costs no work.
        print(
            f"{os.path.dirname(path)} cannot be locked ({reason}): see to it that one process at a time writes there.",
            file=sys.stderr,
            flush=True,
        )
