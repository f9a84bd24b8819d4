"""Writing an animated GIF frame by frame.

Pillow keeps all frames of an animation in memory until it writes them, which a long video does not allow. Here Pillow
encodes each frame as a GIF of its own, whose picture is then moved into the one animation, its palette with it.
"""

import contextlib
import io
import os
from fractions import Fraction

import numpy as np
from PIL import Image

from simone_tf.pictures.quantization import best_colours, colour_codes, colours_of

_HEADER = b"GIF89a"
_FOREVER = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
_END = b";"
_MIN_DELAY = 2  # hundredths of a second; browsers slow down what is faster
_MAX_DELAY = 65535


class GifWriter:
    """An endless GIF that grows frame by frame; memory does not grow with it.

    Args:
        path: the file, which is written anew.
        rate: frames per second.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike, rate: Fraction):
        self._file = open(path, "wb")  # noqa: SIM115
        self._rate = rate
        self._count = 0
        self._shown = 0  # hundredths of a second written so far
        self._last = b""  # the newest picture, whose time is not over yet

    def add(self, frame: np.ndarray, scale: int = 1) -> None:
        """Appends a frame.

        Args:
            frame: uint8 `[H, W, 3]`, all of one size.
            scale: every pixel becomes this many in height and width, which costs less here than before.
        """
        palette, indices = _indexed(frame)
        if scale > 1:
            indices = np.repeat(np.repeat(indices, scale, axis=0), scale, axis=1)
        if self._last:
            self._write_last()
        else:
            height, width = indices.shape
            size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
            self._file.write(_HEADER + size + b"\x00\x00\x00" + _FOREVER)
        self._last = _picture(palette, indices)
        self._count += 1

    def hold(self) -> None:
        """Shows the newest frame for one frame more."""
        self._count += 1

    def close(self) -> None:
        """Ends the animation, which is complete then if it has a frame."""
        with contextlib.closing(self._file):
            if self._last:
                self._write_last()
            self._file.write(_END)

    def _write_last(self):
        # Delays are whole hundredths; their sum, not each of them, keeps to the rate.
        remaining = max(round(self._count * 100 / self._rate) - self._shown, _MIN_DELAY)
        while remaining:
            delay = min(remaining, _MAX_DELAY)
            self._file.write(b"!\xf9\x04\x04" + delay.to_bytes(2, "little") + b"\x00\x00" + self._last)
            self._shown += delay
            remaining -= delay


def _indexed(frame):
    """Palette `[N, 3]` uint8 and indices `[H, W]` uint8 of a frame: exact up to 256 colours, the best 256 above."""
    if Image.fromarray(frame).getcolors(256) is None:
        return best_colours(frame, 256)
    codes, indices = np.unique(colour_codes(frame), return_inverse=True)
    return colours_of(codes), indices.reshape(frame.shape[:2]).astype(np.uint8)


def _picture(palette, indices):
    """Image descriptor, palette and compressed indices, as they stand in an animation."""
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    # Interlaced or optimised, Pillow would look through all pixels again.
    image.save(buffer, "GIF", optimize=False, interlace=False)
    data = buffer.getvalue()
    flags = data[10]
    if not flags & 0x80:
        raise ValueError("a GIF of one picture has no palette of its own.")
    size_code = flags & 7
    table_end = 13 + 3 * 2 ** (size_code + 1)
    start = table_end
    while data[start : start + 1] == b"!":  # extensions, in blocks that tell their length
        start += 2
        while data[start]:
            start += data[start] + 1
        start += 1
    descriptor = data[start : start + 9] + bytes([0x80 | size_code])
    return descriptor + data[13:table_end] + data[start + 10 : -1]
