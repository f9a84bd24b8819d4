"""The Slot Attention module: slots compete for the features of an image (Locatello et al. 2020, Algorithm 1)."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, number, whole
from simone_tf.models.slot_attention.gru_cell import GRUCell


class SlotAttentionModule(keras.layers.Layer):
    """Binds a set of `[N, P, C]` features to `[N, K, D]` slots, which take turns at attention and update.

    Keys and values are made once. In every iteration each feature spreads its attention over the slots by a softmax;
    a slot takes the mean of the values weighted by the attention it got, moves to it by a GRU cell and adds an MLP of
    itself. All slots share all weights and start from samples of one Gaussian: they are exchangeable. Gradients flow
    through all iterations.

    The slots, the softmax and the GRU cell are float32 also under mixed precision.

    Args:
        num_slots: K.
        slot_size: D.
        num_iterations: attention and update, so many times; it may be another number after training.
        mlp_size: hidden units of the MLP.
        epsilon: added to the attention before the weighted mean, so that a slot that got none has a mean too.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        num_slots: int = 7,
        slot_size: int = 64,
        num_iterations: int = 3,
        mlp_size: int = 128,
        epsilon: float = 1e-8,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_slots = num_slots
        self.slot_size = slot_size
        self.num_iterations = num_iterations
        self.mlp_size = mlp_size
        self.epsilon = epsilon
        values = {name: getattr(self, name) for name in _CHECKS}
        check_values("SlotAttentionModule", values, _CHECKS)

        def norm(name: str) -> keras.layers.LayerNormalization:
            return keras.layers.LayerNormalization(epsilon=1e-3, name=name)

        def projection(name: str) -> keras.layers.Dense:
            return keras.layers.Dense(slot_size, use_bias=False, name=name)

        self.input_norm, self.slot_norm, self.mlp_norm = norm("input_norm"), norm("slot_norm"), norm("mlp_norm")
        self.query, self.key, self.value = projection("query"), projection("key"), projection("value")
        self.gru = GRUCell(slot_size, name="gru")
        self.mlp_hidden = keras.layers.Dense(mlp_size, activation="relu", name="mlp_hidden")
        self.mlp_output = keras.layers.Dense(slot_size, name="mlp_output")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for features `[N, P, C]`."""
        slots = (None, self.num_slots, self.slot_size)
        for name in ("initial_mean", "initial_log_scale"):
            # Of a shape for which Glorot's limit is that of the official code.
            weight = self.add_weight(
                shape=(1, 1, self.slot_size), initializer="glorot_uniform", name=name, autocast=False
            )
            setattr(self, name, weight)
        for layer in (self.input_norm, self.key, self.value):
            layer.build(input_shape)
        for layer in (self.slot_norm, self.query, self.mlp_norm, self.mlp_hidden):
            layer.build(slots)
        self.gru.build(slots)
        self.mlp_output.build((None, self.num_slots, self.mlp_size))

    def initial(self, noise: tf.Tensor) -> tf.Tensor:
        """Slots `[N, K, D]` float32 to start from, of unit Gaussian noise `[N, K, D]`."""
        mean, log_scale = tf.convert_to_tensor(self.initial_mean), tf.convert_to_tensor(self.initial_log_scale)
        return mean + tf.exp(log_scale) * noise

    def keys_and_values(self, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What slots look for and what they find, `[N, P, D]` each, of features `[N, P, C]`."""
        normalised = self.input_norm(features)
        return self.key(normalised), self.value(normalised)

    def refine(self, slots: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Slots `[N, K, D]` float32 after all iterations, of those they start from; see `keys_and_values`."""
        for _ in range(self.num_iterations):
            moved = self.gru(self._attended(slots, keys, values), slots)
            slots = moved + tf.cast(self.mlp_output(self.mlp_hidden(self.mlp_norm(moved))), tf.float32)
        return slots

    def call(self, features: tf.Tensor, initial_slots: tf.Tensor) -> tf.Tensor:
        """Slots `[N, K, D]` float32 of features `[N, P, C]`, from the slots `[N, K, D]` float32 that they start as."""
        return self.refine(tf.cast(initial_slots, tf.float32), *self.keys_and_values(features))

    def _attended(self, slots: tf.Tensor, keys: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """The mean of the values, `[N, K, D]` float32, weighted by the attention that each slot got."""
        queries = self.query(self.slot_norm(slots)) * self.slot_size**-0.5
        scores = tf.matmul(queries, keys, transpose_b=True)  # [N, K, P]
        attention = tf.nn.softmax(tf.cast(scores, tf.float32), axis=1) + self.epsilon
        weights = attention / tf.reduce_sum(attention, axis=2, keepdims=True)
        return tf.cast(tf.matmul(tf.cast(weights, values.dtype), values), tf.float32)


_CHECKS = {
    "num_slots": whole(1),
    "slot_size": whole(1),
    "num_iterations": whole(1),
    "mlp_size": whole(1),
    "epsilon": number(0, above=True),
}
