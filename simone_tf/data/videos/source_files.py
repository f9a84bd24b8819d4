"""What is asked of a file before it is decoded: that it is one, is whole, and has frames of a size that can be held."""

import os
import stat

from simone_tf import files
from simone_tf.data.videos import cut_files
from simone_tf.errors import UserError, first_line

MAX_FRAME_PIXELS = 2**25
"""The most pixels a frame may have: a little more than 8K video (7680 x 4320)."""


def is_file(path: str) -> bool:
    """Whether there is a file; False where there is nothing or a folder.

    Raises:
      UserError: there is something else, such as a named pipe, whose opening could wait for ever; or the folder that
        holds it must not be entered.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UserError(f"{path} is neither a file nor a folder (a pipe or a device): save it as a file first.")
    return stat.S_ISREG(mode)


def unreadable(path: str, error: OSError) -> UserError:
    """The sentence for a file that the system does not hand out, which says nothing of its content."""
    todo = "check its permissions" if isinstance(error, PermissionError) else "check the disk that it lies on"
    return UserError(f"{path} cannot be opened ({first_line(error)}): {todo}.")


def read_start(path: str) -> bytes:
    """The first 64 bytes of a file, or all of a shorter one.

    Raises:
      UserError: it cannot be opened, or it is a Git LFS pointer, which stands for the file.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(64)
    except OSError as error:
        raise unreadable(path, error) from error
    if files.is_lfs_pointer(start):
        raise UserError(f"{path} cannot be read: {files.LFS_POINTER}.")
    return start


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
        raise unreadable(path, error) from error


def first_bytes(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(8)
    return f"it starts with the bytes {start.hex(' ')}" if start else "it is empty"
