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
        print(text, file=stream, flush=True)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed.
        give_up(stream)
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            say(f"Nothing more can be printed ({first_line(error)}); the work goes on.", sys.stderr)


def give_up(stream: TextIO) -> None:
    """Leads a stream that cannot be written to nowhere, so that Python's own flush at the end does not fail either."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # Not every stream is a file.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
