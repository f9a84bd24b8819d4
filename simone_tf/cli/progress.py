"""How far the measuring of clips is: a bar on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import time

from tqdm import tqdm

from simone_tf.cli.console import say

LINE_EVERY = 15.0
"""Seconds between two lines."""


@contextlib.contextmanager
def clip_progress(what, total):
    """Shows progress while the block runs.

    Args:
        what: names the clips.
        total: number of clips there will be.

    Yields:
        Function to be called with a number of finished clips whenever there are more.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, unit="clip", desc=what) as bar:
            yield bar.update
        return
    done, told = 0, time.monotonic()

    def on_clips(count):
        nonlocal done, told
        done += count
        if time.monotonic() - told >= LINE_EVERY and done < total:
            told = time.monotonic()
            say(f"{what}: {done} of {total} ({done / total:.0%})")

    yield on_clips
