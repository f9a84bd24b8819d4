"""The representation of a view: GQN's 'tower' of convolutions, which a pose enters halfway (Eslami et al., 2018)."""

import functools
import math
from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, one_of, whole
from simone_tf.errors import UserError
from simone_tf.models.parts.convolutions import convolution

SHRINKS_BY = 4
"""Pixels of a frame, in rows and in columns, for one place of the representation."""


class Tower(keras.layers.Layer):
    """A frame and its viewpoint to a map of features, a quarter of the frame's height and width.

    Convolutions with ReLU, of which each of two stages goes around itself by a shorter way; the viewpoint's numbers are
    laid over every place between the stages. There are no norms.

    Args:
        channels: C of the representation and of the wide layers, the narrow ones have half (paper: 256).
        pooled: whether the representation is the mean over the places of the map (the paper's "pool", which it found to
            learn fastest): what is seen where in a view says little of where it is in another.
        coordinates: whether the pose comes with where on the map a place is (row and column in [-1, 1]; not in the
            paper), so that a place can tell which way it looks, also where the map is small and pooled.

    Raises:
        UserError: a value is of a wrong kind or out of range; while building, a frame does not divide by 4.
    """

    def __init__(
        self, channels: int = 256, pooled: bool = False, coordinates: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        check_values("Tower", {"channels": channels}, {"channels": whole(2)})
        switches = {"pooled": pooled, "coordinates": coordinates}
        check_values("Tower", switches, dict.fromkeys(switches, one_of(False, True)))
        self.channels = channels
        self.pooled = pooled
        self.coordinates = coordinates
        with_relu = functools.partial(convolution, activation="relu")
        self.first = with_relu(channels, 2, "first", strides=2)
        self.image_narrow = with_relu(channels // 2, 3, "image_narrow")
        self.image_wide = with_relu(channels, 2, "image_wide", strides=2)
        self.image_around = with_relu(channels, 2, "image_around", strides=2)
        self.posed_narrow = with_relu(channels // 2, 3, "posed_narrow")
        self.posed_wide = with_relu(channels, 3, "posed_wide")
        self.posed_around = with_relu(channels, 3, "posed_around")
        self.last = with_relu(channels, 1, "last")

    def build(self, input_shape: tuple[Any, ...], viewpoint_shape: tuple[Any, ...]) -> None:
        """Creates the weights for frames `(None, H, W, 3)` and viewpoints `(None, Dv)`."""
        height, width, colours = input_shape[1:]
        if height % SHRINKS_BY or width % SHRINKS_BY:
            raise UserError(
                f"Tower makes a quarter of a frame's height and width, but frames have {height}x{width} pixels: choose "
                f"multiples of {SHRINKS_BY}."
            )
        self.map_size = height // SHRINKS_BY, width // SHRINKS_BY
        half, rest = (None, height // 2, width // 2), (None, *self.map_size)
        posed = (*rest, self.channels + viewpoint_shape[-1] + (2 if self.coordinates else 0))
        for layer, shape in (
            (self.first, (None, height, width, colours)),
            (self.image_narrow, (*half, self.channels)),
            (self.image_wide, (*half, self.channels // 2)),
            (self.image_around, (*half, self.channels)),
            (self.posed_narrow, posed),
            (self.posed_wide, (*rest, self.channels // 2)),
            (self.posed_around, posed),
            (self.last, (*rest, self.channels)),
        ):
            layer.build(shape)

    def call(self, frames: tf.Tensor, viewpoints: tf.Tensor) -> tf.Tensor:
        """The representations of views.

        Args:
            frames: `[N, H, W, 3]` float32 in [0, 1].
            viewpoints: `[N, Dv]` float32.

        Returns:
            `[N, S]` float32, numbers that add up over views.
        """
        features = self.first(tf.cast(frames, self.compute_dtype))
        features = self.image_wide(self.image_narrow(features)) + self.image_around(features)
        pose = laid_over(viewpoints, self.map_size, self.coordinates)
        posed = tf.concat([features, tf.cast(pose, self.compute_dtype)], axis=-1)
        features = self.posed_wide(self.posed_narrow(posed)) + self.posed_around(posed)
        features = tf.cast(self.last(features), tf.float32)
        return tf.reduce_mean(features, axis=[1, 2]) if self.pooled else tf.reshape(features, [-1, self.size])

    @property
    def size(self) -> int:
        """S, numbers of a representation; known once the tower is built."""
        return self.channels if self.pooled else math.prod(self.map_size) * self.channels

    def as_map(self, representations: tf.Tensor) -> tf.Tensor:
        """Representations `[N, S]`, or sums of them, as a map `[N, H / 4, W / 4, C]`."""
        if self.pooled:
            return laid_over(representations, self.map_size)
        return tf.reshape(representations, [-1, *self.map_size, self.channels])


def laid_over(viewpoints: tf.Tensor, map_size: tuple[int, int], coordinates: bool = False) -> tf.Tensor:
    """`[N, Dv]` at every place of a map: `[N, rows, columns, Dv]` float32.

    With coordinates `[N, rows, columns, Dv + 2]`: row and column of the place as well, from -1 at the first to 1 at the
    last.
    """
    viewpoints = tf.cast(viewpoints, tf.float32)
    count, size = tf.shape(viewpoints)[0], viewpoints.shape[-1]
    spread = tf.broadcast_to(viewpoints[:, None, None], [count, *map_size, size])
    if not coordinates:
        return spread
    places = tf.meshgrid(*(tf.linspace(-1.0, 1.0, length) for length in map_size), indexing="ij")
    return tf.concat([spread, tf.broadcast_to(tf.stack(places, axis=-1), [count, *map_size, 2])], axis=-1)
