"""Structural similarity (SSIM; Wang et al. 2004), TensorFlow's, frame by frame."""

import numpy as np
import tensorflow as tf

FILTER_SIZE = 11
"""Pixels of the Gaussian window's side (standard deviation 1.5), as usual; of smaller frames their shorter side."""


def structural_similarity(video: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """SSIM of every frame, for colours from 0 to 1, mean over the channels and the places of the window.

    Args:
      video: `[..., H, W, 3]` float in [0, 1].
      reconstruction: the same; values outside of [0, 1] are clipped, which SSIM is not made for.

    Returns:
      `[...]` float64, at most 1: of equal frames.

    Raises:
      ValueError: if the shapes differ or the values are not floats.
    """
    video, reconstruction = np.asarray(video), np.asarray(reconstruction)
    if video.ndim < 3 or video.shape != reconstruction.shape:
        raise ValueError(f"frames must both be [..., H, W, 3], got {video.shape} and {reconstruction.shape}.")
    if not (np.issubdtype(video.dtype, np.floating) and np.issubdtype(reconstruction.dtype, np.floating)):
        raise ValueError(f"frames must be floats in [0, 1], got {video.dtype} and {reconstruction.dtype}.")
    similarity = tf.image.ssim(
        tf.constant(video, tf.float32),
        tf.constant(np.clip(reconstruction, 0.0, 1.0), tf.float32),
        max_val=1.0,
        filter_size=min(FILTER_SIZE, *video.shape[-3:-1]),
    )
    # Rounding may take equal frames a millionth beyond 1.
    return np.minimum(similarity.numpy().astype(np.float64), 1.0)
