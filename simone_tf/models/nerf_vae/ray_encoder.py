"""NeRF-VAE's inference network: frames beside the rays of their pixels, averaged over the views of a scene."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, sizes, whole
from simone_tf.models.parts.convolutions import build_in_turn, halving_convolutions
from simone_tf.models.parts.latents import LatentHead, Posterior


class RayEncoder(keras.layers.Layer):
    """Convolutions of stride 2 with ReLU over colours, origins and directions, a dense layer, a mean, a posterior.

    The mean over the views makes them a set: their order means nothing, and there may be any number of them. The paper
    has a residual network in place of the convolutions.

    Args:
        channels: channels of every convolution.
        kernel_size: rows and columns of their kernels.
        view_size: numbers of a view, of which the mean is taken.
        head: `LatentHead` of the scene's posterior.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (64, 128, 128, 256),
        kernel_size: int = 3,
        view_size: int = 256,
        head: LatentHead | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)
        values = {"channels": channels, "kernel_size": kernel_size, "view_size": view_size}
        checks = {"channels": sizes("convolution"), "kernel_size": whole(1), "view_size": whole(1)}
        check_values("RayEncoder", values, checks)
        self.convolutions = halving_convolutions(channels, kernel_size)
        self.view = keras.layers.Dense(view_size, activation="relu", name="view")
        self.head = head or LatentHead(128, 256, name="head")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for frames `(None, H, W, 3)`."""
        shape = build_in_turn(self.convolutions, (None, *input_shape[1:3], 9))
        self.num_features = shape[1] * shape[2] * shape[3]
        self.view.build((None, self.num_features))
        self.head.build((None, self.view.units))

    def call(self, video: tf.Tensor, origins: tf.Tensor, directions: tf.Tensor) -> Posterior:
        """The posterior of scenes.

        Args:
            video: `[B, N, H, W, 3]` float32 in [0, 1], any number of views.
            origins: `[B, N, H, W, 3]` float32, about [-1, 1], where each pixel's ray begins.
            directions: the same, of length 1.

        Returns:
            `Posterior` of `[B, D]` float32.
        """
        height, width = video.shape[2:4]
        features = tf.concat([video, origins, directions], axis=-1)
        features = tf.reshape(tf.cast(features, self.compute_dtype), [-1, height, width, 9])
        for convolution in self.convolutions:
            features = convolution(features)
        views = self.view(tf.reshape(features, [-1, self.num_features]))
        batch, count = (video.shape[axis] or tf.shape(video)[axis] for axis in (0, 1))
        return self.head(tf.reduce_mean(tf.reshape(views, [batch, count, self.view.units]), axis=1))
