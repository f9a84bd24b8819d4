"""IODINE's refinement network: from how a slot explains a frame to how its posterior should change."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from simone_tf.checks import Check, check_values, whole
from simone_tf.models.parts.positions import pixel_coordinates
from simone_tf.models.sequential_iodine.joint_norm import JointNorm
from simone_tf.models.sequential_iodine.mixture_terms import MixtureTerms

State = tuple[tf.Tensor, tf.Tensor]
"""Hidden and cell state of the LSTM, each `[B K, lstm_size]`."""


class Explained(NamedTuple):
    """How the slots explain a frame: what the refinement network is given."""

    image: tf.Tensor  # [B, H, W, 3]
    slot_rgb: tf.Tensor  # [B, K, H, W, 3]
    mask_logits: tf.Tensor  # [B, K, H, W]
    terms: MixtureTerms
    parameters: tf.Tensor  # [B, K, 2 D], the posterior's
    parameter_gradient: tf.Tensor  # [B, K, 2 D]


class RefinementNetwork(keras.layers.Layer):
    """Convolutions, mean over the frame, MLP, LSTM and a linear map, the same for every slot (section 3.2, Figure 2).

    Slots do not see one another but through the mixture: its responsibilities, gradients and counterfactuals. The
    images are 17 channels: image, the slot's colours, mask, mask logits, posterior of its colours, coordinates, and,
    normalised, gradients of colours and of mask logits, log-likelihood and counterfactual. Beside them enter the
    posterior's parameters and, normalised, their gradient. The normalised ones are constants of the training's
    gradient. The authors' code has a constant channel besides, which biases make superfluous.

    Args:
        conv_channels: output channels of the convolutions, each of stride 2 with ELU.
        conv_kernel: rows and columns of their kernels.
        mlp_sizes: units of the layers behind the mean over the frame, ELU on all but the last.
        lstm_size: units of the LSTM, which remembers from refinement to refinement.

    Raises:
        UserError: sizes are not whole numbers of at least 1, or there is no convolution or MLP layer.
    """

    def __init__(
        self,
        conv_channels: tuple[int, ...] = (64, 64, 64, 64),
        conv_kernel: int = 3,
        mlp_sizes: tuple[int, ...] = (256, 256),
        lstm_size: int = 256,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)
        values = {
            "conv_channels": conv_channels,
            "conv_kernel": conv_kernel,
            "mlp_sizes": mlp_sizes,
            "lstm_size": lstm_size,
        }
        check_values("RefinementNetwork", values, _CHECKS)
        self.lstm_size = lstm_size
        self.convolutions = tuple(
            keras.layers.Conv2D(
                channels, conv_kernel, strides=2, padding="same", activation="elu", name=f"conv_{index}"
            )
            for index, channels in enumerate(conv_channels)
        )
        self.mlp = tuple(
            keras.layers.Dense(units, activation="elu" if index + 1 < len(mlp_sizes) else None, name=f"mlp_{index}")
            for index, units in enumerate(mlp_sizes)
        )
        # Keras's cell has a variable of random numbers, which a checkpoint would have to hold.
        self.gates = keras.layers.Dense(4 * lstm_size, name="gates")
        self.rgb_gradient_norm = JointNorm(name="rgb_gradient_norm")
        self.logit_gradient_norm = JointNorm(name="logit_gradient_norm")
        self.log_prob_norm = JointNorm(name="log_prob_norm")
        self.counterfactual_norm = JointNorm(name="counterfactual_norm")
        self.parameter_gradient_norm = JointNorm(name="parameter_gradient_norm")

    def build(self, frame_size: tuple[int, int], parameter_size: int) -> None:
        """Creates every weight.

        Args:
            frame_size: (H, W) in pixels.
            parameter_size: 2 D, numbers of a slot's posterior.
        """
        self.rgb_gradient_norm.build((None, *frame_size, 3))
        for norm in (self.logit_gradient_norm, self.log_prob_norm, self.counterfactual_norm):
            norm.build((None, *frame_size, 1))
        self.parameter_gradient_norm.build((None, parameter_size))
        shape: tuple[Any, ...] = (None, *frame_size, 17)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        features = shape[-1]
        for layer in self.mlp:
            layer.build((None, features))
            features = layer.units
        self.gates.build((None, features + 2 * parameter_size + self.lstm_size))
        self.update = keras.layers.Dense(parameter_size, name="update")
        self.update.build((None, self.lstm_size))

    def initial_state(self, num_sequences: tf.Tensor) -> State:
        """Zeros, for `num_sequences` = B K slots of all clips."""
        zeros = tf.zeros([num_sequences, self.lstm_size], self.compute_dtype)
        return zeros, zeros

    def call(self, explained: Explained, state: State) -> tuple[tf.Tensor, State]:
        """How the posteriors' parameters are to change.

        Args:
            explained: `Explained`.
            state: of `initial_state`, or of the refinement before.

        Returns:
            `[B, K, 2 D]` float32, to be added to the parameters, and the next state.
        """
        num_slots, parameter_size = explained.parameters.shape[1:]
        features = tf.cast(self._images(explained), self.compute_dtype)
        for convolution in self.convolutions:
            features = convolution(features)
        features = tf.reduce_mean(features, axis=[1, 2])
        for layer in self.mlp:
            features = layer(features)
        gradient = tf.reshape(tf.stop_gradient(explained.parameter_gradient), [-1, parameter_size])
        numbers = [tf.reshape(explained.parameters, [-1, parameter_size]), self.parameter_gradient_norm(gradient)]
        features = tf.concat([features, *(tf.cast(part, features.dtype) for part in numbers)], axis=-1)
        state = self._remember(features, state)
        update = tf.cast(self.update(state[0]), tf.float32)
        return tf.reshape(update, [-1, num_slots, parameter_size]), state

    def _remember(self, features: tf.Tensor, state: State) -> State:
        """A step of the LSTM, its forget gate open at the start of training."""
        hidden, cell = state
        entered, forgotten, new, shown = tf.split(self.gates(tf.concat([features, hidden], axis=-1)), 4, axis=-1)
        cell = tf.sigmoid(forgotten + 1.0) * cell + tf.sigmoid(entered) * tf.tanh(new)
        return tf.sigmoid(shown) * tf.tanh(cell), cell

    def _images(self, explained: Explained) -> tf.Tensor:
        """`[B K, H, W, 17]` float32."""
        terms, mask_logits = explained.terms, explained.mask_logits
        num_slots, height, width = mask_logits.shape[1:]
        coordinates = tf.constant(pixel_coordinates(height, width).reshape(1, height, width, 2))

        def of_slots(values: tf.Tensor) -> tf.Tensor:  # [B, K, H, W, C] to [B K, H, W, C]
            return tf.reshape(values, [-1, height, width, values.shape[4]])

        def of_all(values: tf.Tensor) -> tf.Tensor:  # [B or 1, H, W, C] to [B K, H, W, C]
            shape = [tf.shape(mask_logits)[0], num_slots, height, width, values.shape[3]]
            return of_slots(tf.broadcast_to(values[:, None], shape))

        constants = tf.nest.map_structure(tf.stop_gradient, terms)
        parts = (
            of_all(explained.image),
            of_slots(explained.slot_rgb),
            of_slots(terms.masks[..., None]),
            of_slots(mask_logits[..., None]),
            of_slots(terms.component_posterior[..., None]),
            of_all(coordinates),
            self.rgb_gradient_norm(of_slots(constants.rgb_gradient)),
            self.logit_gradient_norm(of_slots(constants.logit_gradient[..., None])),
            of_all(self.log_prob_norm(constants.log_prob[..., None])),
            self.counterfactual_norm(of_slots(constants.counterfactual[..., None])),
        )
        return tf.concat(parts, axis=-1)


_SIZES = Check(
    "a tuple or list of whole numbers of at least 1",
    lambda value: isinstance(value, tuple | list) and bool(value) and all(whole(1).holds(size) for size in value),
)
_CHECKS = {"conv_channels": _SIZES, "conv_kernel": whole(1), "mlp_sizes": _SIZES, "lstm_size": whole(1)}
