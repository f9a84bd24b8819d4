"""How close a reconstructed clip is to the video: mean squared error and peak signal-to-noise ratio."""

import numpy as np

MAX_PSNR = 100.0
"""Decibels at which PSNR is cut off: frames that are equal would have an infinite one, which no mean survives."""


def image_quality(video: np.ndarray, reconstruction: np.ndarray) -> dict[str, float]:
    """Scores of one clip.

    Args:
      video: `[T, H, W, 3]` float in [0, 1].
      reconstruction: the same; values outside [0, 1] are compared as they are.

    Returns:
      `mse`, mean over all values; `psnr` in dB for a peak of 1, mean over frames, each at most `MAX_PSNR`.

    Raises:
      ValueError: if the shapes differ or the values are not floats.
    """
    video, reconstruction = np.asarray(video), np.asarray(reconstruction)
    if video.ndim != 4 or video.shape != reconstruction.shape:
        raise ValueError(f"clips must both be [T, H, W, 3], got {video.shape} and {reconstruction.shape}.")
    if not (np.issubdtype(video.dtype, np.floating) and np.issubdtype(reconstruction.dtype, np.floating)):
        raise ValueError(f"clips must be floats in [0, 1], got {video.dtype} and {reconstruction.dtype}.")
    errors = np.square(video.astype(np.float64) - reconstruction).mean(axis=(1, 2, 3))  # [T]
    psnr = -10.0 * np.log10(np.maximum(errors, 10.0 ** (-MAX_PSNR / 10.0)))
    return {"mse": float(errors.mean()), "psnr": float(psnr.mean())}
