"""What is fuzzed: small whole files of every kind that the library reads, and how each is read.

A subject is made once in a folder of its own. Then one of its files is damaged and the folder is read as a command
would: with what a user is told (`UserError`, lines) and what comes out, of which the number of frames or clips, and a
sum over all of it, are kept.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterable

import numpy as np

FRAMES, HEIGHT, WIDTH = 8, 24, 32

EXACT = "exact"
"""The format has checksums: what is read in silence is what was written, to the bit."""

COUNT = "count"
"""It has none: at least no frame or clip is missing in silence."""

ANY = "any"
"""A text that may say something else and still be right: only crashes and hangs count."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One kind of file or folder."""

    name: str
    make: Callable[[pathlib.Path], None]  # writes it into an empty folder
    read: Callable[[pathlib.Path], dict]  # {"count": frames or clips, "sum": of everything read}
    promise: str = COUNT
    damaged: tuple[str, ...] = ()  # names of files that are damaged; all where there is none
    may_begin_late: int = 0  # frames that a stream which begins anywhere may lack at its start


def sum_of(parts: Iterable[np.ndarray]) -> dict:
    digest, count = hashlib.sha256(), 0
    for part in parts:
        array = np.ascontiguousarray(part)
        digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
        count += 1
    return {"count": count, "sum": digest.hexdigest()}


def moving_square() -> np.ndarray:
    """[T, H, W, 3] uint8: a square that walks over a floor with some texture."""
    video = np.random.default_rng(0).integers(40, 90, (FRAMES, HEIGHT, WIDTH, 3)).astype(np.uint8)
    for index, frame in enumerate(video):
        frame[6:16, 2 * index : 2 * index + 10] = (220, 30 * index, 60)
    return video
