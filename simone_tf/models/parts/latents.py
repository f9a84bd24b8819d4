"""Object and frame latents: the posterior heads, the unit Gaussian prior, and reparameterised samples."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class Posterior(NamedTuple):
    """Parameters of a diagonal Gaussian over latents `[B, N, D]` float32 (N is K objects or T frames), or more axes."""

    mean: tf.Tensor
    log_scale: tf.Tensor | None  # natural logarithm of the standard deviation; None: a point, not a distribution

    def distribution(self) -> tfp.distributions.Distribution:
        """The posterior `q` as a TFP distribution: batch shape `[B, N]`, event shape `[D]`."""
        return tfd.MultivariateNormalDiag(self.mean, tf.exp(self.log_scale))

    def sample(self, num_samples: int, seed: tf.Tensor) -> tf.Tensor:
        """Reparameterised samples, one per decoded query where `num_samples` is the number of queries.

        Args:
            num_samples: number of samples of each latent.
            seed: `[2]` int32 stateless seed (`keras.random` would draw the same noise on every replica).

        Returns:
            `[B, N, num_samples, D]` float32.
        """
        batch, count, size = tf.shape(self.mean)[0], self.mean.shape[1], self.mean.shape[2]
        noise = tf.random.stateless_normal([batch, count, num_samples, size], seed)
        return self.mean[:, :, None] + tf.exp(self.log_scale)[:, :, None] * noise


def prior(size: int) -> tfp.distributions.Distribution:
    """The paper's unit Gaussian prior (section 3.1) over one latent of `size` dimensions."""
    return tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))


def kl_to_prior(posterior: Posterior) -> tf.Tensor:
    """KL(q || N(0, I)) in nats, `[B, N]` float32."""
    return tfd.kl_divergence(posterior.distribution(), prior(posterior.mean.shape[-1]))


def kl_between(posterior: Posterior, prior: Posterior) -> tf.Tensor:
    """KL(q || p) in nats of two diagonal Gaussians, `[B, N]` float32 of parameters `[B, N, D]`, or more axes."""
    log_scale, prior_log_scale = posterior.log_scale, prior.log_scale
    assert log_scale is not None  # A point is no Gaussian.
    assert prior_log_scale is not None
    ratio = log_scale - prior_log_scale
    apart = (posterior.mean - prior.mean) * tf.exp(-prior_log_scale)
    return tf.reduce_sum(0.5 * (tf.exp(2.0 * ratio) + tf.square(apart) - 1.0) - ratio, axis=-1)


def clip_with_way_back(values: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """`tf.clip_by_value`, of which a gradient that leads back into the range is kept beyond its bounds.

    Without it what once left the range would stay there for good: neither the KL nor the likelihood could move it. A
    gradient that leads farther away is 0 as ever, so that nothing drifts off.

    Args:
        values: float32 of any shape.
        low, high: the bounds; between them, and at them, values and gradients pass unchanged.
    """

    @tf.custom_gradient
    def clip(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # A step goes against the gradient: a negative one raises the value.
            away = ((values > high) & (upstream < 0)) | ((values < low) & (upstream > 0))
            return tf.where(away, tf.zeros_like(upstream), upstream)

        return tf.clip_by_value(values, low, high), gradient

    return clip(values)


class LatentHead(keras.layers.Layer):
    """`mlp_o` / `mlp_f` of section 3.2: one hidden ReLU layer, then the mean and log scale of the posterior.

    Args:
        latent_size: dimensions of the latent (recovered from reproductions: 32).
        hidden_size: hidden units (recovered: 1024).
        log_scale_range: the log scale is clipped to this range (`clip_with_way_back`; recovered: -10 to 3); it has
            exploded early in training without.
        initial_log_scale: log scale at initialisation; below 0 the latents carry more signal than noise from the start.
    """

    def __init__(
        self,
        latent_size: int = 32,
        hidden_size: int = 1024,
        log_scale_range: tuple[float, float] = (-10.0, 3.0),
        initial_log_scale: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.latent_size = latent_size
        self.log_scale_range = log_scale_range
        self.hidden = keras.layers.Dense(hidden_size, activation="relu", name="hidden")
        self.mean = keras.layers.Dense(latent_size, name="mean")
        self.log_scale = keras.layers.Dense(
            latent_size, bias_initializer=keras.initializers.Constant(initial_log_scale), name="log_scale"
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.hidden.build(input_shape)
        hidden_shape = (*input_shape[:-1], self.hidden.units)
        self.mean.build(hidden_shape)
        self.log_scale.build(hidden_shape)

    def call(self, features: tf.Tensor) -> Posterior:
        """Turns `[B, N, C]` features into a `Posterior` of `[B, N, latent_size]` float32."""
        hidden = self.hidden(features)
        low, high = self.log_scale_range
        log_scale = clip_with_way_back(tf.cast(self.log_scale(hidden), tf.float32), low, high)
        return Posterior(mean=tf.cast(self.mean(hidden), tf.float32), log_scale=log_scale)
