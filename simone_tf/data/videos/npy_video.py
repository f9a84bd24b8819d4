"""Reading a video that lies in a `.npy` file, frame by frame, whatever its length."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simone_tf.data.videos.source_files import check_size, is_file, read_start
from simone_tf.errors import UserError, first_line
from simone_tf.pictures.pixels import as_uint8

_TYPES = ("uint8", "float16", "float32", "float64")
# Floats of a video that went through a resize or a codec lie a little outside.
_SLACK = 1e-3
_MAX_RANK, _MAX_SIDE = 32, 2**48
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class NpyVideo(NamedTuple):
    """What the header of the file says, after its size was found to agree."""

    path: str
    num_frames: int
    frame_shape: tuple[int, ...]  # (H, W) or (H, W, C)
    dtype: np.dtype
    offset: int  # bytes before the first frame


def open_npy_video(path: str) -> NpyVideo:
    """Reads the header of a `.npy` file and checks it against the size of the file; reads no frame.

    Args:
        path: array of uint8, or of floats in [0, 1]: `[T, H, W, 3]`; `[T, H, W]` or `[T, H, W, 1]` grey; `[T, H, W, 4]`
            with alpha; or one picture `[H, W, 3]`.

    Raises:
        UserError: the file is missing, damaged, cut off, of another kind or shape, or its frames are too large.
    """
    if is_file(path):
        read_start(path)
    try:
        with open(path, "rb") as file:
            shape, fortran_order, dtype = _read_header(path, file)
            offset, size = file.tell(), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UserError(f"{path} cannot be read as a .npy file ({first_line(error)}): check the file.") from error
    if dtype.name not in _TYPES:
        raise UserError(
            f"{path} holds {dtype.name if not dtype.hasobject else 'Python objects'}, a video holds uint8, or floats "
            "from 0 to 1: save it as one of these."
        )
    if len(shape) == 3 and shape[-1] in (3, 4):
        shape = (1, *shape)  # one picture: no video is three pixels wide
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in (1, 3, 4)) or min(shape) < 1:
        raise UserError(f"{path} holds an array of shape {list(shape)}, a video is [T, H, W, 3] or [T, H, W].")
    if fortran_order and len([side for side in shape if side > 1]) > 1:
        raise UserError(f"{path} is stored in Fortran order: save np.ascontiguousarray(video) instead.")
    check_size(path, shape[2], shape[1])
    wanted = offset + dtype.itemsize * int(np.prod(shape, dtype=object))
    if size < wanted:
        raise UserError(f"{path} is cut off ({size} of {wanted} bytes): copy or make it again.")
    return NpyVideo(path, shape[0], shape[1:], dtype, offset)


def read_npy_frames(video: NpyVideo) -> Iterator[np.ndarray]:
    """Yields the frames as uint8 `[H, W, 3]`; what is transparent lies on black.

    Raises:
        UserError: a number is not in [0, 1], or the file cannot be read.
    """
    count = int(np.prod(video.frame_shape))
    with open(video.path, "rb") as file:
        file.seek(video.offset)
        for index in range(video.num_frames):
            try:
                frame = np.fromfile(file, video.dtype, count).reshape(video.frame_shape)
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{video.path} cannot be read at frame {index} ({first_line(error)}): check the file."
                ) from error
            yield _rgb(_checked_uint8(video.path, index, frame))


def _read_header(path, file):
    """Shape, whether it is stored by columns, and type; UserError quotes nothing of a header that is damaged."""
    try:
        header = _HEADERS[np.lib.format.read_magic(file)](file)
        if len(header[0]) > _MAX_RANK or any(abs(side) > _MAX_SIDE for side in header[0]):
            raise ValueError("no array is that large")
        return header
    except OSError:
        raise
    # NumPy parses the header with Python's own parser: what that raises on damaged text has no common class.
    except Exception as error:
        raise UserError(
            f"{path} cannot be read as a .npy file (it has no header of version 1.0 or 2.0, or a damaged one): check "
            "the file."
        ) from error


def _checked_uint8(path, index, frame):
    if frame.dtype == np.uint8:
        return frame
    low, high = frame.min(), frame.max()
    # Not-a-number fails both comparisons.
    if not (low >= -_SLACK and high <= 1 + _SLACK):
        raise UserError(
            f"{path}: frame {index} holds numbers from {low:.4g} to {high:.4g}, floats must be in [0, 1]: divide them, "
            "or save uint8."
        )
    return as_uint8(frame)


def _rgb(frame):
    if frame.ndim == 2:
        frame = frame[..., np.newaxis]
    if frame.shape[-1] == 1:
        return np.repeat(frame, 3, axis=-1)
    if frame.shape[-1] == 4:
        opaque = frame[..., 3:].astype(np.float32) / 255
        return np.rint(frame[..., :3] * opaque).astype(np.uint8)
    return frame
