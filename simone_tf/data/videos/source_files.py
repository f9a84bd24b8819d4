"""What is asked of a file before it is decoded: that it is one, is whole, and has frames of a size that can be held."""

import os

from simone_tf.data.videos import cut_files
from simone_tf.errors import UserError, first_line

MAX_FRAME_PIXELS = 2**25
"""The most pixels a frame may have: a little more than 8K video (7680 x 4320)."""


def is_file(path: str) -> bool:
    """Whether there is a file; False where there is nothing or a folder.

    Raises:
      UserError: there is something else, such as a named pipe, whose opening could wait for ever.
    """
    if os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path):
        raise UserError(f"{path} is neither a file nor a folder (a pipe or a device): save the video as a file first.")
    return os.path.isfile(path)


def check_size(path: str, width: int, height: int) -> None:
    """Raises UserError when a frame is too large to be decoded."""
    if width * height > MAX_FRAME_PIXELS:
        raise UserError(
            f"{path} has frames of {width} x {height} pixels, more than the {MAX_FRAME_PIXELS // 10**6} million "
            "that are read: make it smaller first."
        )


def missing_bytes(path: str) -> int:
    try:
        return cut_files.missing_bytes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({first_line(error)}): check its permissions.") from error


def first_bytes(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(8)
    return f"it starts with the bytes {start.hex(' ')}" if start else "it is empty"
