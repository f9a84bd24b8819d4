"""A decoded frame as a player shows it: square pixels, turned and mirrored, without transparency."""

from fractions import Fraction

import numpy as np

from simone_tf.data.videos.source_files import check_size

_NEARLY_SQUARE = Fraction(1, 100)
"""Pixels less oblong than this are left alone: such ratios come from rounding a frame's sides, not from a camera."""


def shown_frame(
    path: str,
    frame,
    pixel_aspect: Fraction | None = None,
    matrix: tuple[int, int, int, int] = (1, 0, 0, 1),
    ignore_alpha: bool = False,
) -> np.ndarray:
    """The frame of a video file as it is to be shown.

    Pixels that are not square are made so by lengthening one side of the frame (the width where they are wider than
    high, else the height), so that nothing is lost; then the frame is mirrored and turned as the file says; what is
    transparent lies on black. Interlaced fields stay woven into one frame.

    Args:
      path: the file, to be named in errors.
      frame: PyAV's `VideoFrame`.
      pixel_aspect: width of a pixel by its height; None for square ones.
      matrix: see `display_matrix`.
      ignore_alpha: whether the fourth channel means nothing.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UserError: the frame is too large.
    """
    size = square_size(frame.width, frame.height, pixel_aspect)
    check_size(path, *size)
    scaled = {} if size == (frame.width, frame.height) else {"width": size[0], "height": size[1]}
    picture = frame.to_ndarray(format="rgb24", **scaled)
    if not ignore_alpha and has_alpha(frame):
        alpha = frame.to_ndarray(format="rgba", **scaled)[..., 3:]
        if alpha.min() < 255:
            picture = _on_black(picture, alpha)
    return turned(picture, matrix)


def square_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) of a frame whose pixels have become square."""
    if not pixel_aspect or pixel_aspect <= 0 or abs(pixel_aspect - 1) < _NEARLY_SQUARE:
        return width, height
    if pixel_aspect > 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def has_alpha(frame) -> bool:
    """Whether the frame's pixels say how transparent they are; a palette's colours can as well."""
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def display_matrix(frame) -> tuple[int, int, int, int]:
    """(a, b, c, d): the pixel at column x and row y is shown at column a x + c y and row b x + d y, in any scale.

    A frame that was asked is freed only by the garbage collector, pixels, threads and all: ask few.
    """
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
        numbers = None if data is None else np.frombuffer(bytes(data), np.int32)
    except ValueError:  # PyAV does not know every kind of FFmpeg's side data.
        turns = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), -90: (0, 1, -1, 0)}
        return turns.get(frame.rotation, (-1, 0, 0, -1))
    if numbers is None or len(numbers) < 5:
        return 1, 0, 0, 1
    return tuple(int(number) for number in numbers[[0, 1, 3, 4]])


def turned(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """The picture [H, W, ...] mirrored and turned by that of the 8 ways that is nearest to the matrix."""
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a, d
    else:
        picture = picture.swapaxes(0, 1)
        across, down = c, b
    return picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _on_black(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return ((picture.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
