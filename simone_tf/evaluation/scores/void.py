"""Pixels that are left out of every score: those whose true segment is a label that stands for nothing (often 255)."""

from typing import NamedTuple

import numpy as np


class TrueSegments(NamedTuple):
    """True segments, and which of their pixels count.

    Attributes:
      segments: integers of any shape, 0 where a pixel does not count.
      valid: bool of the same shape, False where a pixel does not count; None where all do.
    """

    segments: np.ndarray
    valid: np.ndarray | None


def without_label(segments: np.ndarray, ignore_label: int | None) -> TrueSegments:
    """Takes the pixels of a label out of true segments; with None for a label all pixels count."""
    segments = np.asarray(segments)
    if ignore_label is None:
        return TrueSegments(segments, None)
    valid = segments != ignore_label
    return TrueSegments(np.where(valid, segments, 0).astype(segments.dtype), valid)
