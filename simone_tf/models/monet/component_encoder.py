"""MONet's component encoder: the latent of one part of a frame, from the frame and the part's mask."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, sizes, whole
from simone_tf.models.parts.convolutions import build_in_turn, halving_convolutions
from simone_tf.models.parts.latents import LatentHead, Posterior


class ComponentEncoder(keras.layers.Layer):
    """Convolutions of stride 2 with ReLU over a frame and a log mask, then a posterior (paper, appendix).

    Args:
        channels: channels of every convolution.
        kernel_size: rows and columns of their kernels.
        head: `LatentHead`; by default of latents of 16 with 256 hidden units.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 32, 64, 64),
        kernel_size: int = 3,
        head: LatentHead | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {"channels": channels, "kernel_size": kernel_size}
        check_values("ComponentEncoder", values, {"channels": sizes("convolution"), "kernel_size": whole(1)})
        self.convolutions = halving_convolutions(channels, kernel_size)
        self.head = head or LatentHead(16, 256, name="head")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for frames `(None, H, W, 3)`."""
        shape = build_in_turn(self.convolutions, (None, *input_shape[1:3], input_shape[-1] + 1))
        self.num_features = shape[1] * shape[2] * shape[3]
        self.head.build((None, self.num_features))

    def call(self, frames: tf.Tensor, log_masks: tf.Tensor) -> Posterior:
        """The posterior of every part of every frame.

        Args:
            frames: `[N, H, W, 3]` float32 in [0, 1].
            log_masks: `[N, K, H, W]` float32.

        Returns:
            `Posterior` of `[N, K, D]` float32.
        """
        slots, height, width = log_masks.shape[1:]
        repeated = tf.broadcast_to(frames[:, None], [tf.shape(frames)[0], slots, height, width, frames.shape[-1]])
        features = tf.concat([repeated, log_masks[..., None]], axis=-1)
        features = tf.reshape(tf.cast(features, self.compute_dtype), [-1, height, width, features.shape[-1]])
        for convolution in self.convolutions:
            features = convolution(features)
        return self.head(tf.reshape(features, [-1, slots, self.num_features]))
