"""The layer norm of IODINE's inputs: over all numbers of a slot's input at once, with a gain and bias per channel."""

from typing import Any

import keras
import tensorflow as tf


class JointNorm(keras.layers.Layer):
    """Layer norm of `[N, ..., C]` over all axes but the first jointly, in float32.

    Gradients of a likelihood range over magnitudes; only their pattern is to reach the refinement network. Gain and
    bias belong to channels, so that frames of any size may be normalised (Sonnet's layer norm, which the authors used).

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name=name, autocast=False)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.gain = self.add_weight(shape=input_shape[-1:], initializer="ones", name="gain")
        self.bias = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="bias")

    def call(self, values: tf.Tensor) -> tf.Tensor:
        values = tf.cast(values, tf.float32)
        mean, variance = tf.nn.moments(values, axes=list(range(1, len(values.shape))), keepdims=True)
        normalised = (values - mean) * tf.math.rsqrt(variance + self.epsilon)
        return normalised * tf.cast(self.gain, tf.float32) + tf.cast(self.bias, tf.float32)
