import numpy as np
import tensorflow_probability as tfp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from simone_tf.long_videos.posterior_pool import pool, pool_with_spread

GRID = np.linspace(-12, 12, 20001)
gaussians = st.lists(st.tuples(st.floats(-3, 3), st.floats(-1.5, 0.7), st.floats(0.1, 5)), min_size=1, max_size=5).map(
    lambda rows: np.array(rows, np.float32).T
)


def moments(density):
    density = density / trapezoid(density, GRID)
    mean = trapezoid(density * GRID, GRID)
    return mean, np.sqrt(trapezoid(density * np.square(GRID - mean), GRID))


def log_probs(means, log_scales):
    normal = tfp.distributions.Normal(means[:, None].astype(np.float64), np.exp(log_scales.astype(np.float64))[:, None])
    return normal.log_prob(GRID).numpy()


@settings(deadline=None)
@given(gaussians)
def test_the_pool_is_the_weighted_geometric_mean_of_the_densities(values):
    means, log_scales, weights = values
    density = np.exp((weights[:, None] / weights.sum() * log_probs(means, log_scales)).sum(0))
    mean, log_scale = pool(means[:, None], log_scales[:, None], weights)
    np.testing.assert_allclose((mean[0], np.exp(log_scale[0])), moments(density), rtol=1e-3, atol=1e-3)


def test_the_same_posterior_twice_is_no_more_certain():
    mean, log_scale = pool(np.full((2, 3), 0.5), np.full((2, 3), -1.0), np.array([1.0, 4.0]))
    np.testing.assert_allclose(mean, 0.5)
    np.testing.assert_allclose(log_scale, -1.0)


def test_a_certain_window_says_more():
    mean, _ = pool(np.array([[0.0], [1.0]]), np.log([[1.0], [0.5]]), np.ones(2))
    np.testing.assert_allclose(mean, 0.8)


@settings(deadline=None)
@given(gaussians)
def test_with_equal_scales_the_spread_is_that_of_the_mixture(values):
    means, log_scales, weights = values
    log_scales = np.full_like(log_scales, log_scales[0])
    density = (weights[:, None] / weights.sum() * np.exp(log_probs(means, log_scales))).sum(0)
    mean, log_scale = pool_with_spread(means[:, None], log_scales[:, None], weights)
    np.testing.assert_allclose((mean[0], np.exp(log_scale[0])), moments(density), rtol=1e-3, atol=1e-3)


def test_points_are_pooled_by_their_weights():
    for pooled in (pool, pool_with_spread):
        mean, log_scale = pooled(np.array([[0.0], [1.0]]), None, np.array([1.0, 3.0]))
        np.testing.assert_allclose(mean, 0.75)
        assert log_scale is None
