"""The gated recurrent unit that moves a slot to what it attends to (Cho et al., 2014; biases as cuDNN has them)."""

from typing import Any

import keras
import tensorflow as tf


class GRUCell(keras.layers.Layer):
    """One step of a GRU, in float32 whatever the precision: a state is carried through many of them.

    As `keras.layers.GRUCell`, the reset gate applied after the recurrent product and a bias on both products, with the
    same weights in the same order. That one brings a variable for its dropout, which would be in every checkpoint.

    Args:
        units: D, numbers of the state.
    """

    def __init__(self, units: int, name: str | None = None) -> None:
        super().__init__(dtype="float32", name=name)
        self.units = units

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for inputs `[..., C]`; the three parts of each are update, reset and candidate."""
        self.kernel = self.add_weight(shape=(input_shape[-1], 3 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 3 * self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(2, 3 * self.units), initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """The next state `[..., D]` float32, of inputs `[..., C]` and the state `[..., D]`."""
        input_bias, recurrent_bias = tf.unstack(tf.convert_to_tensor(self.bias))
        from_inputs = tf.split(_product(inputs, self.kernel) + input_bias, 3, axis=-1)
        from_state = tf.split(_product(state, self.recurrent_kernel) + recurrent_bias, 3, axis=-1)
        update = tf.sigmoid(from_inputs[0] + from_state[0])
        reset = tf.sigmoid(from_inputs[1] + from_state[1])
        candidate = tf.tanh(from_inputs[2] + reset * from_state[2])
        return update * state + (1.0 - update) * candidate


def _product(values: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
    """`[..., C] @ [C, N]`, as one product of matrices."""
    kernel = tf.convert_to_tensor(kernel)
    flat = tf.matmul(tf.reshape(values, [-1, kernel.shape[0]]), kernel)
    shape = [size or tf.shape(values)[axis] for axis, size in enumerate(values.shape[:-1])]
    return tf.reshape(flat, [*shape, kernel.shape[1]])
