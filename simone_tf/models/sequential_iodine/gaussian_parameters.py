"""The numbers that IODINE refines: mean and raw scale of each slot's Gaussian, with what follows in closed form."""

import math

import tensorflow as tf

from simone_tf.models.parts.latents import Posterior, kl_to_prior

# Added to the variance (as OP3 does): without it a scale that was refined far down has a logarithm of minus infinity.
_LEAST_VARIANCE = 1e-5


def posterior_of(parameters: tf.Tensor) -> Posterior:
    """The Gaussian that parameters `[..., 2 D]` stand for: D means, then D raw scales s with variance softplus(s).

    Zeros are a mean of 0 and a standard deviation of sqrt(ln 2) = 0.83.
    """
    mean, raw = tf.split(parameters, 2, axis=-1)
    return Posterior(mean, 0.5 * tf.math.log(tf.math.softplus(raw) + _LEAST_VARIANCE))


def kl_to_fixed_prior(posterior: Posterior, prior_scale: float) -> tf.Tensor:
    """KL(q || N(0, prior_scale^2 I)) in nats, `[B, N]`, of a posterior of `[B, N, D]`."""
    # In units of the prior's scale it is the KL to the unit Gaussian.
    assert posterior.log_scale is not None
    return kl_to_prior(Posterior(posterior.mean / prior_scale, posterior.log_scale - math.log(prior_scale)))


def parameter_gradient(
    parameters: tf.Tensor, noise: tf.Tensor, latent_gradient: tf.Tensor, kl_weight: float, prior_scale: float
) -> tf.Tensor:
    """The gradient of a function of samples, plus `kl_weight` times the KL to the prior, by the parameters.

    Args:
        parameters: `[B, K, 2 D]`.
        noise: `[B or 1, K, D]`, of which the samples are `mean + scale * noise`.
        latent_gradient: `[B, K, D]`, the function's gradient by the samples.
        kl_weight: weight of the KL of every slot.
        prior_scale: standard deviation of the prior.

    Returns:
        `[B, K, 2 D]` float32.
    """
    mean, raw = tf.split(parameters, 2, axis=-1)
    variance = tf.math.softplus(raw) + _LEAST_VARIANCE
    scale = tf.sqrt(variance)
    by_mean = latent_gradient + kl_weight * mean / prior_scale**2
    by_scale = latent_gradient * noise + kl_weight * (scale / prior_scale**2 - 1.0 / scale)
    return tf.concat([by_mean, by_scale * tf.sigmoid(raw) / (2.0 * scale)], axis=-1)
