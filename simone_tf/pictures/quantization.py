"""Pictures of few colours: the best ones of a picture, and colours as single numbers that can be counted."""

import numpy as np
from PIL import Image


def best_colours(frame: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` colours that a uint8 `[H, W, 3]` frame is best drawn in, without dithering (median cut).

    Returns:
        (palette uint8 `[N, 3]`, the number of a colour for every pixel, uint8 `[H, W]`).
    """
    picture = Image.fromarray(frame).quantize(count, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return np.array(picture.getpalette(), np.uint8).reshape(-1, 3), np.asarray(picture)


def colour_codes(frame: np.ndarray) -> np.ndarray:
    """Every colour of a uint8 `[..., 3]` picture as one number below 2 ** 24: int32 `[...]`."""
    red, green, blue = np.moveaxis(frame.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def colours_of(codes: np.ndarray) -> np.ndarray:
    """The colours of numbers that `colour_codes` gave: uint8 `[..., 3]`."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)
