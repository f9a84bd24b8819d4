"""Where a cell of a feature map is, added to its features: a learned affine map of its distances from four borders."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def border_distances(rows: int, columns: int) -> np.ndarray:
    """(y, x, 1 - y, 1 - x) of every cell: from the upper, left, lower and right border.

    Returns:
        `[rows, columns, 4]` float32 in [0, 1]; of a single row or column y or x is 0.
    """
    axes = (np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return np.concatenate([grid, 1.0 - grid], axis=-1).astype(np.float32)


class PositionEmbedding(keras.layers.Layer):
    """Adds to `[N, rows, columns, C]` what a dense layer makes of `border_distances` (Locatello et al., appendix)."""

    def build(self, input_shape: tuple[Any, ...]) -> None:
        _, rows, columns, channels = input_shape
        self.distances = border_distances(rows, columns)
        self.projection = keras.layers.Dense(channels, name="projection")
        self.projection.build((None, rows, columns, 4))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return features + self.projection(tf.constant(self.distances, self.compute_dtype)[None])
