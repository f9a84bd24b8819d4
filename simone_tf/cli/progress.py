"""How far the work is: a bar on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator

from simone_tf.cli.console import say

LINE_EVERY = 15.0
"""Seconds between two lines."""


class Progress:
    """What `progress` yields.

    Args:
        bar: bar of tqdm on a terminal, None elsewhere.
        what, total, unit, done, every: as for `progress`.
    """

    def __init__(self, bar, what: str, total: int | None, unit: str, done: int, every: float | None):
        self._bar = bar
        self._what, self._total, self._unit = what, total, unit
        self._done, self._told, self._every = done, time.monotonic(), every

    @property
    def on_terminal(self) -> bool:
        """Whether a bar is shown, which tells what would otherwise need lines."""
        return self._bar is not None

    @property
    def done(self) -> int:
        """How many are done."""
        return self._done

    def add(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.update(count)
        elif self._every is not None and time.monotonic() - self._told >= self._every and self._done != self._total:
            self._told = time.monotonic()
            of = f" of {self._total} ({self._done / self._total:.0%})" if self._total else f" {self._unit}s"
            say(f"{self._what}: {self._done}{of}")

    def describe(self, what: str) -> None:
        """Says on the bar what is being done now."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.set_description(what)

    def say(self, line: str) -> None:
        """Prints a line; on a terminal the bar stays below it."""
        if self._bar is None:
            say(line)
        else:
            with contextlib.suppress(OSError):
                self._bar.write(line)


@contextlib.contextmanager
def progress(
    what: str = "", total: int | None = None, unit: str = "clip", done: int = 0, every: float | None = LINE_EVERY
) -> Iterator[Progress]:
    """Shows progress while the block runs.

    Args:
        what: names the work.
        total: number of units there will be, None where that is not known.
        unit: what is counted, one of them.
        done: the number that is done already.
        every: seconds between two lines where there is no terminal; None for no lines but those of `Progress.say`.

    Yields:
        `Progress`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield Progress(None, what, total, unit, done, every)
        return
    # Here, for it costs time that a command without a bar need not take.
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, desc=what or None, dynamic_ncols=True) as bar:
        yield Progress(bar, what, total, unit, done, every)
