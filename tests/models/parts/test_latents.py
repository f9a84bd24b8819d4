import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.latents import LatentHead, Posterior, clip_with_way_back, kl_between, kl_to_prior


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


def _gradient(function, values):
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = tf.reduce_sum(function(values))
    return result, tape.gradient(result, values)


def test_a_posterior_beyond_the_range_comes_back():
    """Its KL, of 992 nats for 32 dimensions at a scale of 2, has a gradient that leads back; here from far outside."""
    head = LatentHead(3, 8, log_scale_range=(-2.0, 1.0))
    head.build((None, 2, 4))
    head.log_scale.bias.assign([-2.5, 0.3, 1.5])
    for _ in range(200):
        with tf.GradientTape() as tape:
            kl = tf.reduce_sum(kl_to_prior(head(tf.zeros([1, 1, 4]))))
        (gradient,) = tape.gradient(kl, [head.log_scale.bias.value])
        head.log_scale.bias.assign_sub(0.05 * gradient)
    np.testing.assert_allclose(head.log_scale.bias, 0.0, atol=1e-3)


@pytest.mark.parametrize("jit", [False, True])
def test_beyond_the_range_the_gradient_of_the_kl_is_that_at_its_bound(jit):
    means = tf.zeros([1, 1, 4])

    def kl(log_scale):
        return kl_to_prior(Posterior(means, clip_with_way_back(log_scale, -10.0, 3.0)))

    values = tf.constant([[[-50.0, -10.5, 3.5, 50.0]]])
    _, gradient = tf.function(lambda values: _gradient(kl, values), jit_compile=jit)(values)
    bounds = np.array([-10.0, -10.0, 3.0, 3.0])
    np.testing.assert_allclose(gradient[0, 0], np.exp(2 * bounds) - 1, rtol=1e-5)


def test_what_would_lead_farther_away_is_held():
    values = tf.constant([-3.0, -3.0, 4.0, 4.0])
    _, gradient = _gradient(lambda x: clip_with_way_back(x, -2.0, 1.0) * [1.0, -1.0, 1.0, -1.0], values)
    np.testing.assert_array_equal(gradient, [0.0, -1.0, 1.0, 0.0])


def test_inside_the_range_and_at_its_bounds_nothing_differs():
    rng = np.random.default_rng(0)
    values = tf.constant(np.concatenate([rng.uniform(-2, 1, 1000), [-2.0, 1.0, 0.0]]), tf.float32)
    weights = tf.constant(rng.normal(size=1003), tf.float32)
    ours, plain = (
        _gradient(lambda x, clip=clip: clip(x, -2.0, 1.0) * weights, values)
        for clip in (clip_with_way_back, tf.clip_by_value)
    )
    np.testing.assert_array_equal(ours[0], plain[0])
    np.testing.assert_array_equal(ours[1], plain[1])


@pytest.mark.parametrize("bias", [50.0, -50.0])
def test_a_model_whose_posteriors_have_left_the_range_is_trained_back(make_simone, bias):
    """Through the whole loss: every log scale of the objects is out of range, and a step brings all nearer."""
    model = make_simone(beta_objects=1.0)
    variable = model.encoder.object_head.log_scale.bias
    variable.assign(tf.fill(variable.shape, bias))
    video = tf.constant(np.random.default_rng(0).random((2, 3, 8, 16, 3)), tf.float32)
    with tf.GradientTape() as tape:
        losses = model.losses(video, tf.constant([1, 2]), tf.constant([3, 4]))
    assert np.isfinite(losses["loss"])
    gradient = tape.gradient(losses["loss"], variable.value).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient * np.sign(bias) > 0).all()


def test_kl_between_two_gaussians_is_the_closed_form():
    rng = np.random.default_rng(0)
    mean, log_scale, prior_mean, prior_log_scale = rng.normal(size=(4, 2, 3, 4, 5))
    scale, prior_scale = np.exp(log_scale), np.exp(prior_log_scale)
    by_hand = np.log(prior_scale / scale) + (scale**2 + (mean - prior_mean) ** 2) / (2 * prior_scale**2) - 0.5
    posterior, prior = (
        Posterior(*(tf.constant(value, tf.float32) for value in pair))
        for pair in ((mean, log_scale), (prior_mean, prior_log_scale))
    )
    found = kl_between(posterior, prior)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, by_hand.sum(-1), rtol=1e-4)
    np.testing.assert_allclose(kl_between(posterior, posterior), np.zeros((2, 3, 4)), atol=1e-6)
    unit = Posterior(tf.zeros([2, 3, 4, 5]), tf.zeros([2, 3, 4, 5]))
    np.testing.assert_allclose(kl_between(posterior, unit), kl_to_prior(posterior), rtol=1e-4)
