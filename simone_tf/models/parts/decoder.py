"""The pixel-wise decoder of Eq. 1: each query is decoded by itself, from one object and one frame latent."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from simone_tf.models.parts.positions import coordinate_features
from simone_tf.models.parts.recomputation import Recomputable


class Decoded(NamedTuple):
    """What the decoder says of P queries for each of K slots."""

    rgb_means: tf.Tensor  # [B, K, P, 3] float32, colour of the slot
    mask_logits: tf.Tensor  # [B, K, P] float32, unnormalised log weight of the slot


class PixelDecoder(Recomputable):
    """MLP on [o_k, f_t, l_i, t] with ReLU, giving RGB means and a mask logit (Eq. 1).

    The first layer is one affine map of the concatenated input. Its rows for the object, for the frame and for the
    place are applied apart and added: what is common to all slots (frame latent, place) is then computed once and the
    concatenation, the largest tensor of the input side, is never made.

    Args:
        hidden_size: units of a hidden layer (recovered from a reproduction: 512).
        num_hidden_layers: number of hidden layers (recovered from a reproduction: 5).
        coordinate_octaves: Fourier octaves of the coordinates appended to the raw ones; 0 is the paper's decoder.
        scaled_by_objects: an affine map of the object latent also scales what the first layer makes of frame and place,
            unit by unit: where an object lies and how large it is multiplies coordinates then, and does not only shift
            them; False is the paper's decoder.
    """

    def __init__(
        self,
        hidden_size: int = 512,
        num_hidden_layers: int = 5,
        coordinate_octaves: int = 0,
        scaled_by_objects: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.coordinate_octaves = coordinate_octaves
        self.scaled_by_objects = scaled_by_objects

    def build(self, object_shape: tuple[Any, ...], frame_shape: tuple[int | None, ...]) -> None:
        object_size, frame_size = object_shape[-1], frame_shape[-1]
        place_size = 3 + 4 * self.coordinate_octaves
        # Three kernels of one layer: the fan-in of the whole decides their initial scale.
        fan_in = object_size + frame_size + place_size
        limit = (6.0 / (fan_in + self.hidden_size)) ** 0.5

        def first(name: str, use_bias: bool) -> keras.layers.Dense:
            return keras.layers.Dense(
                self.hidden_size,
                use_bias=use_bias,
                kernel_initializer=keras.initializers.RandomUniform(-limit, limit),
                name=name,
            )

        self.object_input = first("object_input", use_bias=True)
        self.object_input.build((None, object_size))
        self.frame_input = first("frame_input", use_bias=False)
        self.frame_input.build((None, frame_size))
        self.place_input = first("place_input", use_bias=False)
        self.place_input.build((None, place_size))
        if self.scaled_by_objects:
            self.object_scale = keras.layers.Dense(self.hidden_size, name="object_scale")
            self.object_scale.build((None, object_size))
        self.hidden_layers = tuple(
            keras.layers.Dense(self.hidden_size, activation="relu", name=f"hidden_{index}")
            for index in range(1, self.num_hidden_layers)
        )
        for layer in self.hidden_layers:
            layer.build((None, self.hidden_size))
        self.output_layer = keras.layers.Dense(4, name="output_layer")
        self.output_layer.build((None, self.hidden_size))

    def call(
        self, object_latents: tf.Tensor, frame_latents: tf.Tensor, coordinates: tf.Tensor, times: tf.Tensor
    ) -> Decoded:
        """Decodes queries; the mask logits are raw (see `MaskNormalization`).

        Args:
            object_latents: `[B, K, P, Do]`, or `[B, K, 1, Do]` when all queries see the same sample.
            frame_latents: `[B, P, Df]`, the latent of each query's frame.
            coordinates: `[B or 1, P, 2]` float32 in [-1, 1].
            times: `[B or 1, P]` float32 in [0, 1).

        Returns:
            `Decoded`.
        """
        inputs = object_latents, frame_latents, coordinates, times
        if self.recomputation is None:
            return self._decoded(*inputs)
        places = [*object_latents.shape[:2], frame_latents.shape[1]]  # [B, K, P]
        found = self.recomputation.in_chunks(
            self._decoded, inputs, (2, 1, 1, 1), places, axis=2, results=((3,), ()), width=self.hidden_size
        )
        return Decoded(*found)

    def _decoded(
        self, object_latents: tf.Tensor, frame_latents: tf.Tensor, coordinates: tf.Tensor, times: tf.Tensor
    ) -> Decoded:
        place = coordinate_features(coordinates, times, self.coordinate_octaves)
        dtype = self.compute_dtype
        common = self.frame_input(tf.cast(frame_latents, dtype)) + self.place_input(tf.cast(place, dtype))  # [B, P, h]
        object_latents, common = tf.cast(object_latents, dtype), common[:, None]
        if self.scaled_by_objects:
            common = common * (1.0 + self.object_scale(object_latents))
        hidden = tf.nn.relu(self.object_input(object_latents) + common)  # [B, K, P, h]
        # Static where they are known; batch and queries of a serving model or of a chunk are not.
        leading = [size or tf.shape(hidden)[axis] for axis, size in enumerate(hidden.shape[:3])]
        hidden = tf.reshape(hidden, [-1, self.hidden_size])
        for layer in self.hidden_layers:
            hidden = layer(hidden)
        output = tf.reshape(tf.cast(self.output_layer(hidden), tf.float32), [*leading, 4])
        return Decoded(rgb_means=output[..., :3], mask_logits=output[..., 3])


class MaskNormalization(keras.layers.Layer):
    """Layer norm of a clip's mask logits over slots and queries jointly, with a scalar scale and bias.

    Its statistics are those of the queries it is given: a clip decoded in chunks must be put together before it, and a
    clip of which only a subset is decoded is normalised by the subset's statistics, not the clip's.

    The paper's main text knows no such norm; it was recovered from reproductions, which agree on it.

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[Any, ...]) -> None:
        del input_shape
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.bias = self.add_weight(shape=(), initializer="zeros", name="bias")

    def call(self, mask_logits: tf.Tensor) -> tf.Tensor:
        """Normalises `[B, K, P]` logits in float32."""
        mask_logits = tf.cast(mask_logits, tf.float32)
        mean, variance = tf.nn.moments(mask_logits, axes=[1, 2], keepdims=True)
        normalised = (mask_logits - mean) * tf.math.rsqrt(variance + self.epsilon)
        return normalised * tf.cast(self.scale, tf.float32) + tf.cast(self.bias, tf.float32)
