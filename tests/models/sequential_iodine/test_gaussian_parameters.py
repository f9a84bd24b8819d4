import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from simone_tf.models.sequential_iodine.gaussian_parameters import (
    kl_to_fixed_prior,
    parameter_gradient,
    posterior_of,
)

tfd = tfp.distributions
B, K, D = 2, 3, 4


def _parameters(seed=0):
    return tf.random.stateless_normal([B, K, 2 * D], [seed, 0], stddev=2.0)


def test_zeros_are_the_authors_prior():
    mean, log_scale = posterior_of(tf.zeros([1, 1, 2 * D]))
    np.testing.assert_array_equal(mean, np.zeros((1, 1, D)))
    np.testing.assert_allclose(tf.exp(log_scale), np.full((1, 1, D), math.sqrt(math.log(2.0))), rtol=1e-4)


def test_the_variance_is_the_softplus_of_the_raw_scale_and_never_0():
    raw = np.array([-200.0, -3.0, 0.5, 60.0])
    _, log_scale = posterior_of(tf.constant(np.concatenate([np.zeros(4), raw])[None, None], tf.float32))
    np.testing.assert_allclose(np.exp(2 * log_scale.numpy()), np.log1p(np.exp(raw))[None, None] + 1e-5, rtol=1e-4)


@pytest.mark.parametrize("prior_scale", [1.0, math.sqrt(math.log(2.0)), 2.0])
def test_kl_is_that_to_the_prior_in_float64_and_of_tfp(prior_scale):
    posterior = posterior_of(_parameters())
    kl = kl_to_fixed_prior(posterior, prior_scale)
    assert kl.shape == (B, K)
    mean, scale = posterior.mean.numpy().astype(np.float64), np.exp(posterior.log_scale.numpy().astype(np.float64))
    by_hand = np.log(prior_scale / scale) + (scale**2 + mean**2) / (2 * prior_scale**2) - 0.5
    np.testing.assert_allclose(kl, by_hand.sum(-1), rtol=1e-5)
    prior = tfd.MultivariateNormalDiag(tf.zeros([D]), tf.fill([D], prior_scale))
    np.testing.assert_allclose(kl, tfd.kl_divergence(posterior.distribution(), prior), rtol=1e-4)


@pytest.mark.parametrize("prior_scale", [1.0, 0.7])
def test_the_gradient_is_that_of_automatic_differentiation(prior_scale):
    parameters, noise = _parameters(1), tf.random.stateless_normal([1, K, D], [2, 0])

    def function(latents):
        return tf.reduce_sum(tf.sin(latents) * latents)

    with tf.GradientTape() as tape:
        tape.watch(parameters)
        posterior = posterior_of(parameters)
        latents = posterior.mean + tf.exp(posterior.log_scale) * noise
        whole = function(latents) + 0.3 * tf.reduce_sum(kl_to_fixed_prior(posterior, prior_scale))
    wanted = tape.gradient(whole, parameters)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        value = function(latents)
    by_latents = tape.gradient(value, latents)
    found = parameter_gradient(parameters, noise, by_latents, 0.3, prior_scale)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
