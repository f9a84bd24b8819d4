"""NeRF-VAE's scene function: density and colour of any point, as a latent says (Kosiorek et al., 2021)."""

import math
from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, whole
from simone_tf.models.parts.recomputation import Recomputable


class RadianceField(Recomputable):
    """An MLP on Fourier features of a point, every layer of which is scaled and shifted, unit by unit, by the latent.

    The density follows from the place alone; the colour, from a layer of its own, also from the direction it is seen in
    (Mildenhall et al., 2020). All hidden layers but the first add to what they are given.

    Args:
        width: units of a hidden layer (NeRF: 256); the layer of the colour has half.
        num_layers: hidden layers before density and colour part (NeRF: 8).
        point_octaves: frequencies of the features of a point (NeRF: 10).
        direction_octaves: of those of a direction (NeRF: 4).

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        width: int = 256,
        num_layers: int = 8,
        point_octaves: int = 10,
        direction_octaves: int = 4,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, autocast=False)  # Places are float32 until they are features.
        values = {
            "width": width,
            "num_layers": num_layers,
            "point_octaves": point_octaves,
            "direction_octaves": direction_octaves,
        }
        checks = {
            "width": whole(2),
            "num_layers": whole(1),
            "point_octaves": whole(0),
            "direction_octaves": whole(0),
        }
        check_values("RadianceField", values, checks)
        self.width = width
        self.point_octaves = point_octaves
        self.direction_octaves = direction_octaves
        self.hidden_layers = tuple(keras.layers.Dense(width, name=f"hidden_{index}") for index in range(num_layers))
        self.modulations = tuple(
            keras.layers.Dense(2 * width, name=f"modulation_{index}") for index in range(num_layers)
        )
        self.density = keras.layers.Dense(1, name="density")
        self.colour_hidden = keras.layers.Dense(width // 2, name="colour_hidden")
        self.direction_input = keras.layers.Dense(width // 2, use_bias=False, name="direction_input")
        self.colour_modulation = keras.layers.Dense(2 * (width // 2), name="colour_modulation")
        self.colour = keras.layers.Dense(3, name="colour")

    def build(self, latent_shape: tuple[Any, ...]) -> None:
        """Creates the weights for latents `(None, D)`."""
        inputs = 3 + 6 * self.point_octaves
        for layer, modulation in zip(self.hidden_layers, self.modulations, strict=True):
            layer.build((None, inputs))
            modulation.build(latent_shape)
            inputs = self.width
        self.density.build((None, self.width))
        self.colour_hidden.build((None, self.width))
        self.direction_input.build((None, 3 + 6 * self.direction_octaves))
        self.colour_modulation.build(latent_shape)
        self.colour.build((None, self.width // 2))

    def call(self, points: tf.Tensor, directions: tf.Tensor, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is at points.

        Args:
            points: `[B, P, S, 3]` float32, about [-1, 1]; S is static.
            directions: `[B, P, 3]` float32 of length 1, in which all S points of a ray are seen.
            latents: `[B, D]` float32, one of a scene.

        Returns:
            Densities `[B, P, S]` float32 of at least 0, by the unit of the points, and colours `[B, P, S, 3]` float32
            in [0, 1].
        """
        if self.recomputation is None:
            return self._at(points, directions, latents)
        places = [*directions.shape[:2], points.shape[2]]
        inputs = [tf.ensure_shape(points, [*places, 3]), directions, latents]
        densities, rgb = self.recomputation.in_chunks(
            self._at, inputs, (1, 1, None), places, axis=1, results=((), (3,)), width=self.width
        )
        return densities, rgb

    def _at(self, points: tf.Tensor, directions: tf.Tensor, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        dtype, samples = self.compute_dtype, points.shape[2]
        batch, count = (points.shape[axis] or tf.shape(points)[axis] for axis in (0, 1))
        latents = tf.cast(latents, dtype)

        def applied(layer: keras.layers.Dense, values: tf.Tensor) -> tf.Tensor:
            """One product of matrices."""
            shape = values.shape[-1]
            return tf.reshape(layer(tf.reshape(values, [-1, shape])), [batch, -1, layer.units])

        def modulated(values: tf.Tensor, modulation: keras.layers.Dense) -> tf.Tensor:
            scale, shift = tf.split(modulation(latents)[:, None], 2, axis=-1)
            return tf.nn.relu(values * (1.0 + scale) + shift)

        features = tf.cast(fourier_features(points, self.point_octaves), dtype)
        hidden = tf.reshape(features, [batch, -1, features.shape[-1]])  # [B, P S, F]
        for index, (layer, modulation) in enumerate(zip(self.hidden_layers, self.modulations, strict=True)):
            added = modulated(applied(layer, hidden), modulation)
            hidden = hidden + added if index else added
        densities = tf.nn.softplus(tf.cast(applied(self.density, hidden), tf.float32))
        seen = applied(self.direction_input, tf.cast(fourier_features(directions, self.direction_octaves), dtype))
        towards = tf.repeat(seen, samples, axis=1)  # [B, P S, width / 2]
        colours = modulated(applied(self.colour_hidden, hidden) + towards, self.colour_modulation)
        rgb = tf.sigmoid(tf.cast(applied(self.colour, colours), tf.float32))
        return tf.reshape(densities, [batch, count, samples]), tf.reshape(rgb, [batch, count, samples, 3])


def fourier_features(values: tf.Tensor, octaves: int) -> tf.Tensor:
    """Values `[..., C]`, and sine and cosine of them times pi, 2 pi, 4 pi, ...: `[..., C + 2 * C * octaves]`."""
    features = [values]
    for octave in range(octaves):
        angles = values * (math.pi * 2.0**octave)
        features += [tf.sin(angles), tf.cos(angles)]
    return tf.concat(features, axis=-1)
