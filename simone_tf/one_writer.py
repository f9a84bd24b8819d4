"""A folder that is replaced as a whole, by one process at a time."""

import contextlib
import fcntl
import os
import random
import re
import time
from collections.abc import Iterator

from simone_tf import locks
from simone_tf.errors import UserError
from simone_tf.files import replacing_folder

_LOCK = "new"


@contextlib.contextmanager
def replacing_held(path: str | os.PathLike, subject: str, instead: str) -> Iterator[str]:
    """`files.replacing_folder` of a folder that one process at a time writes.

    The lock lies in the new folder until that takes its place, so that nothing stands beside the folder afterwards.

    Args:
      path: the folder to be.
      subject, instead: as for `locks.held`.

    Raises:
      UserError: another process writes it; names its number, its host and since when.
      OSError: the folder cannot be written, or what the block raises.
    """
    begin = time.monotonic()
    while True:
        try:
            with replacing_folder(path) as folder, locks.held(locks.inside(folder, _LOCK), subject, instead):
                for other in _other_locks(path, folder):
                    raise _TakenError(other)
                yield folder
                return
        except _TakenError as taken:
            if time.monotonic() - begin >= locks.OWNER_SECONDS:
                raise UserError(locks.refusal(taken.path, subject, instead, taken.owner)) from None
        # Of two that began together, and saw each other, the one that comes back first goes on.
        time.sleep(random.uniform(1, 10) * locks.PAUSE_SECONDS)


class _TakenError(Exception):
    def __init__(self, path: str):
        self.path, self.owner = path, None
        with contextlib.suppress(OSError), open(path, "rb") as file:
            self.owner = locks.read_owner(file.fileno())


def _other_locks(path: str | os.PathLike, mine: str) -> Iterator[str]:
    """The locks, held by others, of new folders that are to take the place of `path`."""
    parent, name = os.path.split(os.path.realpath(path))
    for entry in os.listdir(parent):
        lock = locks.inside(os.path.join(parent, entry), _LOCK)
        if not re.fullmatch(rf"\.{re.escape(name)}\.[^.]+\.tmp", entry) or entry == os.path.basename(mine):
            continue
        try:
            handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield lock
        except OSError:
            pass  # Its owner has said that there are no locks.
        finally:
            os.close(handle)
