"""Reading the camera of a video from a file of numbers: a row of C numbers for each frame, as .npy, .csv or .json."""

import json
import os
from tokenize import TokenError

import numpy as np

from simone_tf.data.videos.source_files import is_file, read_start
from simone_tf.errors import UserError, first_line

SUFFIXES = (".npy", ".csv", ".json")
MAX_FILE_BYTES = 2**28


def read_camera(path: str | os.PathLike) -> np.ndarray:
    """The camera of every frame.

    Args:
      path: `.npy` with real numbers [T, C], or [T, ...] whose other axes are flattened (a 4x4 matrix makes 16 columns);
        `.csv` with a line of C numbers per frame, after one line of names at most; `.json` with a list of T lists.

    Returns:
      float32 [T, C], finite.

    Raises:
      UserError: the file is missing, of another kind, too large, damaged, or not such a table.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1].lower()
    is_there = is_file(path)  # First: it tells a folder that must not be entered from one that is not there.
    if not is_there and not os.path.exists(path):
        raise UserError(f"{path} is no camera file, it does not exist: check the name.")
    if not is_there or suffix not in SUFFIXES:
        raise UserError(f"{path} is no camera file: give a {', '.join(SUFFIXES)} with a row of numbers per frame.")
    read_start(path)
    size = os.path.getsize(path)
    if size > MAX_FILE_BYTES:
        raise UserError(f"{path} has {size} bytes, more than the {MAX_FILE_BYTES} of a camera file: check the file.")
    try:
        table = {".npy": _npy, ".csv": _csv, ".json": _json}[suffix](path)
        with np.errstate(over="ignore"):
            table = table.reshape(len(table), -1).astype(np.float32)
    except (OSError, EOFError, ValueError, TypeError, OverflowError, RecursionError, SyntaxError) as error:
        raise UserError(
            f"{path} is not a table of a row of numbers per frame ({first_line(error)}): check the file."
        ) from error
    if not table.size:
        raise UserError(f"{path} holds no numbers: it needs a row of numbers per frame.")
    if not np.isfinite(table).all():
        row = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise UserError(f"{path} has a number that is not finite in row {row}: give every frame its camera.")
    return table


def _npy(path: str) -> np.ndarray:
    # Mapped: a size in the header that the file does not have fails before memory is taken for it.
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (SyntaxError, TokenError) as error:  # of Python's own parser, with which NumPy reads the header
        raise ValueError("its header is damaged") from error
    except ValueError as error:
        if "pickle" in str(error):  # NumPy's own words advise to load it all the same.
            raise ValueError("it is no array of numbers") from error
        raise
    if array.ndim < 2 or array.dtype.kind not in "iuf":
        raise ValueError(f"it holds {array.dtype} {list(array.shape)}, not real numbers [T, C]")
    return np.asarray(array)


def _csv(path: str) -> np.ndarray:
    with open(path, encoding="utf-8-sig") as file:
        rows = [[cell.strip() for cell in line.split(",")] for line in file if line.strip()]
    if rows and not any(map(_is_number, rows[0])):
        rows = rows[1:]
    return _table([[float(cell) for cell in row] for row in rows])


def _json(path: str) -> np.ndarray:
    with open(path, encoding="utf-8-sig") as file:
        content = json.load(file)
    if not isinstance(content, list):
        raise ValueError("it holds no list of lists")
    return np.asarray(content, np.float64) if content and isinstance(content[0], list) else _table(content)


def _table(rows: list[list[float]]) -> np.ndarray:
    if not rows or not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        raise ValueError("its rows are not all of the same length" if rows else "it is empty")
    return np.asarray(rows, np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
