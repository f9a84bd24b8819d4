"""Arrays written as NPZ files, never as pickles."""

import os
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np


def save_npz(file: str | os.PathLike | BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """`np.savez` of arrays by name. Its `allow_pickle` is no word of NumPy before 2.1, which takes it for an array.

    Raises:
      ValueError: an array holds Python objects, which only a pickle could keep.
      OSError: the file cannot be written.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, not numbers.")
    np.savez(file, **arrays)
