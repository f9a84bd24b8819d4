"""Says what a training waits for when its data does not come."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

FIRST_SECONDS = 60.0
"""After so many seconds without a batch it is said for the first time, then each time that twice as many are over."""


@contextlib.contextmanager
def input_watched(
    waiting_since: Callable[[], float],
    tell: Callable[[str], object],
    open_files: Callable[[], list[str]],
    first_seconds: float = FIRST_SECONDS,
) -> Iterator[None]:
    """Context in which a thread looks whether the training inside waits for its next batch.

    Args:
        waiting_since: () -> time in seconds since 1970 at which the batch was asked for, 0 while none is waited for.
        tell: sentence -> None, called by the thread.
        open_files: () -> data files that the process has open, those that the batch may be waiting for.
        first_seconds: seconds after which it is told first.
    """
    ended = threading.Event()

    def watch() -> None:
        told, limit = 0.0, first_seconds
        while not ended.wait(min(first_seconds / 4, 5.0)):
            since = waiting_since()
            if since != told:  # another batch, or none
                told, limit = since, first_seconds
            waited = time.time() - since
            if since and waited >= limit:
                limit = 2 * waited
                tell(f"The next batch has not come for {waited:.0f} s; {_what(open_files())}. Training waits for it.")

    thread = threading.Thread(target=watch, name="input_watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _what(files: list[str]) -> str:
    if not files:
        return "no data file is open: look at the disk or the tf.data service that it comes from"
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"open for reading: {', '.join(files[:3])}{more}"
