"""Pixels of 8 bits and pixels as numbers in [0, 1]: the one way there and the one way back. NumPy in, NumPy out."""

import numpy as np
import numpy.typing as npt

LEVEL = np.float32(1.0 / 255.0)
"""One step of 8 bits; a float32 pixel is its 8-bit value times this, in NumPy as in TensorFlow."""


def as_float(pixels: np.ndarray) -> np.ndarray:
    """Turns uint8 in [0, 255] into float32 in [0, 1], of any shape."""
    return pixels.astype(np.float32) * LEVEL


def as_uint8(image: npt.ArrayLike) -> np.ndarray:
    """Turns floats in about [0, 1], of any shape, into uint8, rounded to even.

    What lies outside is clipped and NaN is black; uint8 passes unchanged.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(np.nan_to_num(image), 0.0, 1.0).astype(np.float32) * 255).astype(np.uint8)
