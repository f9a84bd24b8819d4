"""A convolutional LSTM (Shi et al., 2015), the state of GQN's generator and of its inference."""

from typing import Any

import keras
import tensorflow as tf


class ConvLSTMCell(keras.layers.Layer):
    """One step of an LSTM whose products are convolutions; without connections from the cell to its gates.

    The gates are input, forget, candidate and output, in this order in the kernel. The forget gate starts open (a bias
    of 1), so that what a step found is still there after the others.

    Args:
        channels: D, numbers of the state at each place.
        kernel_size: rows and columns of the kernel.
    """

    def __init__(self, channels: int, kernel_size: int, name: str | None = None) -> None:
        super().__init__(name=name, autocast=False)
        self.channels = channels
        self.gates = keras.layers.Conv2D(
            4 * channels,
            kernel_size,
            padding="same",
            data_format="channels_last",  # Whatever the user's keras.json says.
            name="gates",
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for inputs `(None, rows, columns, C)`."""
        self.gates.build((*input_shape[:-1], input_shape[-1] + self.channels))

    def call(self, inputs: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The next state, `hidden` and `cell` `[N, rows, columns, D]` float32, of inputs `[N, rows, columns, C]`."""
        values = tf.concat([inputs, tf.cast(hidden, inputs.dtype)], axis=-1)
        gates = tf.cast(self.gates(tf.cast(values, self.compute_dtype)), tf.float32)
        entered, kept, candidate, shown = tf.split(gates, 4, axis=-1)
        # A state is carried through many steps: it stays float32 whatever the precision.
        cell = tf.sigmoid(kept + 1.0) * tf.cast(cell, tf.float32) + tf.sigmoid(entered) * tf.tanh(candidate)
        return tf.sigmoid(shown) * tf.tanh(cell), cell
