"""Printing that never costs the work: a reader that left, or a full disk under a log file, ends only the printing."""

import contextlib
import os
import sys
from typing import TextIO

from simone_tf.errors import first_line


def say(text: str = "", file: TextIO | None = None) -> None:
    """Prints a line at once, on stdout unless told otherwise; a stream that cannot be written is given up."""
    stream = sys.stdout if file is None else file
    try:
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError as error:  # A name in letters that the terminal's encoding has not.
            print(text.encode(error.encoding, "backslashreplace").decode(error.encoding), file=stream, flush=True)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed.
        give_up(stream)
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            say(f"Nothing more can be printed ({first_line(error)}); the work goes on.", sys.stderr)


def hold_streams() -> None:
    """Leads those of file descriptors 0 to 2 that are closed to nowhere.

    The next file to be opened would be given the free number, and what native code prints would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # It is given the lowest free number, this one.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (to the end of the process)


def give_up(stream: TextIO) -> None:
    """Leads a stream that cannot be written to nowhere, so that Python's own flush at the end does not fail either."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # Not every stream is a file.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
