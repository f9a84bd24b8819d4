"""Where a token or a pixel is: 3-D sinusoids in front of the transformers and coordinate features for the decoder."""

import math

import numpy as np
import tensorflow as tf

from simone_tf.errors import UserError


def sinusoid_positions(num_frames: int, height: int, width: int, channels: int, base: float = 10000.0) -> np.ndarray:
    """Absolute 3-D position embedding: a third of the channels each for time, row and column.

    The form of the embedding is not in the paper's main text (which says only "absolute" and "3D", section 3.2);
    these are the sinusoids of Vaswani et al. (2017) per axis. Channels that do not divide by six are cut from the
    column's part.

    Args:
        num_frames, height, width: number of positions on each axis.
        channels: number of features of a token.
        base: the wavelengths are `2 pi base ** (i / n)` positions for the n frequencies i = 0 .. n - 1 of an axis, so
            all lie below `2 pi base`.

    Returns:
        `[num_frames, height, width, channels]` float32 NumPy array in [-1, 1].
    """
    pairs = math.ceil(channels / 6)
    frequencies = base ** (-np.arange(pairs, dtype=np.float64) / pairs)

    def axis_features(length: int) -> np.ndarray:
        angles = np.arange(length, dtype=np.float64)[:, None] * frequencies
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)

    grid = (num_frames, height, width, 2 * pairs)
    features = [
        np.broadcast_to(axis_features(num_frames)[:, None, None], grid),
        np.broadcast_to(axis_features(height)[None, :, None], grid),
        np.broadcast_to(axis_features(width)[None, None, :], grid),
    ]
    return np.concatenate(features, axis=-1)[..., :channels].astype(np.float32)


def moment_positions(moments: tf.Tensor, channels: int, base: float = 10000.0) -> tf.Tensor:
    """The part of time in `sinusoid_positions`, for any moments.

    Args:
        moments: `[B, N]` float32, counted in frames.
        channels, base: as for `sinusoid_positions`.

    Returns:
        `[B, N, channels]` float32: what `sinusoid_positions` has for frames at these moments, and 0 in the channels of
        row and column.
    """
    pairs = math.ceil(channels / 6)
    frequencies = (base ** (-np.arange(pairs, dtype=np.float64) / pairs)).astype(np.float32)
    angles = tf.cast(moments, tf.float32)[..., None] * frequencies
    features = tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)[..., :channels]
    return tf.pad(features, [[0, 0], [0, 0], [0, channels - features.shape[-1]]])


def pixel_coordinates(height: int, width: int) -> np.ndarray:
    """Coordinates of every pixel of a full frame, `l_i` of the paper's Eq. 1.

    Returns:
        `[height * width, 2]` float32 in [-1, 1]: (row, column), the first pixel at -1 and the last at 1 (a single row
        or column lies at 0).
    """

    def axis(length: int) -> np.ndarray:
        return np.linspace(-1.0, 1.0, length) if length > 1 else np.zeros(1)

    rows, columns = np.meshgrid(axis(height), axis(width), indexing="ij")
    return np.stack([rows, columns], axis=-1).reshape(-1, 2).astype(np.float32)


def coordinate_features(coordinates: tf.Tensor, times: tf.Tensor, octaves: int) -> tf.Tensor:
    """What the decoder sees of a query's place: the raw coordinates and time (the paper), and optional octaves.

    Args:
        coordinates: `[..., 2]` float32 in [-1, 1].
        times: `[...]` float32 in [0, 1): frame number over number of frames.
        octaves: number of Fourier octaves of the coordinates to append; 0 is the paper's decoder.

    Returns:
        `[..., 3 + 4 * octaves]` float32.
    """
    if octaves < 0:
        raise UserError(f"PixelDecoder.coordinate_octaves must be 0 or more, found {octaves}.")
    features = [coordinates, times[..., None]]
    for octave in range(octaves):
        angles = coordinates * (math.pi * 2.0**octave)
        features += [tf.sin(angles), tf.cos(angles)]
    return tf.concat(features, axis=-1)
