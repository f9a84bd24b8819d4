"""A camera whose colours drift: the hues of a whole clip turn slowly, as in light that changes or a white balance that
wanders. Greys stay as they are, and so does what tells two objects of a frame apart; only names of colours do not last.
"""

import numpy as np


def turn_hues(video: np.ndarray, degrees_per_frame: float) -> np.ndarray:
    """Turns the colours of every frame about the grey axis of the RGB cube, further from frame to frame.

    120 degrees make red green, green blue and blue red. What leaves the cube is clipped.

    Args:
      video: `[T, H, W, 3] uint8`.
      degrees_per_frame: by which frame t is turned t times.

    Returns:
      `[T, H, W, 3] uint8`.
    """
    angles = np.radians(degrees_per_frame) * np.arange(len(video))
    # Rodrigues' formula for the axis (1, 1, 1) / sqrt(3), [T, 3, 3].
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = cosine * np.eye(3) + sine * across + (1 - cosine) / 3
    turned = np.einsum("tij,thwj->thwi", rotation, video.astype(np.float64))
    return np.rint(turned).clip(0, 255).astype(np.uint8)
