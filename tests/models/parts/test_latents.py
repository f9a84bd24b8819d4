import numpy as np
import tensorflow as tf

from simone_tf.models.parts.latents import LatentHead, Posterior, kl_to_prior


def _posterior():
    rng = np.random.default_rng(1)
    mean, log_scale = rng.normal(size=(2, 4, 6)), rng.uniform(-3, 1, size=(2, 4, 6))
    return Posterior(tf.constant(mean, tf.float32), tf.constant(log_scale, tf.float32))


def test_kl_equals_the_closed_form():
    posterior = _posterior()
    mean, log_scale = (value.numpy().astype(np.float64) for value in posterior)
    expected = 0.5 * np.sum(np.exp(2 * log_scale) + mean**2 - 1 - 2 * log_scale, axis=-1)
    np.testing.assert_allclose(kl_to_prior(posterior), expected, rtol=1e-5)


def test_kl_of_the_prior_is_zero():
    zeros = tf.zeros([1, 3, 5])
    np.testing.assert_allclose(kl_to_prior(Posterior(zeros, zeros)), np.zeros([1, 3]), atol=1e-6)


def test_samples_have_the_posteriors_moments_and_are_stateless():
    posterior = _posterior()
    samples = posterior.sample(20000, tf.constant([1, 2]))
    assert samples.shape == (2, 4, 20000, 6)
    np.testing.assert_allclose(tf.reduce_mean(samples, 2), posterior.mean, atol=0.1)
    np.testing.assert_allclose(tf.math.reduce_std(samples, 2), tf.exp(posterior.log_scale), rtol=0.05)
    np.testing.assert_array_equal(samples, posterior.sample(20000, tf.constant([1, 2])))
    assert not np.allclose(samples, posterior.sample(20000, tf.constant([1, 3])))


def test_head_clips_the_log_scale_and_starts_where_it_is_told():
    head = LatentHead(3, 8, log_scale_range=(-2.0, 1.0), initial_log_scale=-1.5)
    head.build((None, 2, 4))
    np.testing.assert_allclose(head(tf.zeros([1, 2, 4])).log_scale, np.full([1, 2, 3], -1.5))
    head.log_scale.bias.assign([-50.0, 0.0, 50.0])
    np.testing.assert_allclose(head(tf.zeros([1, 2, 4])).log_scale[0, 0], [-2.0, 0.0, 1.0])
