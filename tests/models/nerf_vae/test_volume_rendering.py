"""Volume rendering against cases with a formula, and its gradients where there is nothing and where there is a wall."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.nerf_vae.volume_rendering import (
    composited,
    interval_edges,
    resampled,
    span_inside,
    stratified,
)


@pytest.mark.parametrize("density", [0.0, 0.3, 2.0, 20.0])
@pytest.mark.parametrize("is_noisy", [False, True])
def test_a_homogeneous_slab_lets_through_what_the_law_says(density, is_noisy):
    """exp(-s d), wherever the points lie; and what it emits is the rest."""
    near, far, count = tf.constant([[0.4]]), tf.constant([[2.1]]), 16
    noise = tf.random.stateless_uniform([1, count], [1, 2]) if is_noisy else None
    edges = interval_edges(stratified(near, far, count, noise), near, far)
    rgb = tf.broadcast_to([0.2, 0.5, 0.9], [1, count, 3])
    seen = composited(tf.fill([1, count], density), rgb, edges)
    passed = np.exp(-density * 1.7)
    np.testing.assert_allclose(seen.passed, [passed], atol=1e-4)
    np.testing.assert_allclose(seen.rgb, [(1 - passed) * np.array([0.2, 0.5, 0.9])], atol=1e-4)


def test_a_slab_of_which_a_ray_crosses_a_part():
    """A density that begins in the middle: intervals end halfway between points, so here exactly at the slab."""
    near, far = tf.constant([[0.0]]), tf.constant([[4.0]])
    distances = stratified(near, far, 64, None)
    densities = tf.where((distances > 1.0) & (distances < 2.5), 1.3, 0.0)
    seen = composited(densities, tf.ones([1, 64, 3]), interval_edges(distances, near, far))
    np.testing.assert_allclose(seen.passed, [np.exp(-1.3 * 1.5)], atol=1e-4)


def test_by_hand():
    rng = np.random.default_rng(0)
    densities, rgb = rng.uniform(0, 3, (2, 5)), rng.uniform(0, 1, (2, 5, 3))
    edges = np.sort(rng.uniform(0, 2, (2, 6)), -1)
    weights, left = np.zeros((2, 5)), np.ones(2)
    for number in range(5):
        alpha = 1 - np.exp(-densities[:, number] * (edges[:, number + 1] - edges[:, number]))
        weights[:, number], left = left * alpha, left * (1 - alpha)
    seen = composited(*(tf.constant(value, tf.float32) for value in (densities, rgb, edges)))
    np.testing.assert_allclose(seen.weights, weights, atol=1e-5)
    np.testing.assert_allclose(seen.passed, left, atol=1e-5)
    np.testing.assert_allclose(seen.rgb, (weights[..., None] * rgb).sum(-2), atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(seen.weights, -1) + seen.passed, np.ones(2), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e3, 1e10, 1e30])
@pytest.mark.parametrize("place", ["all", "first", "last"])
def test_values_and_gradients_are_finite_in_emptiness_and_behind_walls(value, place):
    densities = np.full((1, 8), value, np.float32) if place == "all" else np.zeros((1, 8), np.float32)
    densities[:, {"all": slice(None), "first": 0, "last": -1}[place]] = value
    densities, rgb = tf.constant(densities), tf.random.stateless_uniform([1, 8, 3], [1, 2])
    edges = tf.linspace([0.0], [2.0], 9, axis=-1)
    with tf.GradientTape() as tape:
        tape.watch([densities, rgb])
        seen = composited(densities, rgb, edges)
        loss = tf.reduce_sum(tf.square(seen.rgb)) + tf.reduce_sum(seen.passed)
    assert np.isfinite(loss)
    for gradient in tape.gradient(loss, [densities, rgb]):
        assert np.isfinite(gradient).all()


def test_emptiness_has_a_gradient():
    """Else a field that starts empty would stay so."""
    densities, edges = tf.zeros([1, 4]), tf.linspace([0.0], [2.0], 5, axis=-1)
    with tf.GradientTape() as tape:
        tape.watch(densities)
        loss = tf.reduce_sum(composited(densities, tf.ones([1, 4, 3]), edges).rgb)
    np.testing.assert_allclose(tape.gradient(loss, densities), np.full((1, 4), 1.5), rtol=1e-5)


def test_points_lie_one_in_each_part():
    near, far = tf.constant([[1.0], [0.0]]), tf.constant([[3.0], [8.0]])
    np.testing.assert_allclose(stratified(near, far, 4, None), [[1.25, 1.75, 2.25, 2.75], [1, 3, 5, 7]], rtol=1e-6)
    noise = tf.random.stateless_uniform([2, 4], [3, 4])
    parts = (stratified(near, far, 4, noise) - near) / (far - near) * 4
    np.testing.assert_array_equal(np.floor(parts), [[0, 1, 2, 3]] * 2)
    np.testing.assert_allclose(parts - np.arange(4), noise, atol=1e-5)


def test_points_are_drawn_where_the_weights_are():
    edges = tf.constant([[0.0, 1.0, 2.0, 4.0]])
    found = resampled(edges, tf.constant([[0.0, 3.0, 1.0]]), 400, None).numpy()[0]
    assert (np.diff(found) >= 0).all()
    # Between the weights 0, 3 and 1: three quarters of all lie in [1, 2], a quarter in [2, 4].
    np.testing.assert_allclose(np.histogram(found, [0, 1, 2, 4])[0] / 400, [0, 0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(found, np.interp((np.arange(400) + 0.5) / 400, [0, 0, 0.75, 1], [0, 1, 2, 4]), atol=0.01)


def test_without_weights_points_are_drawn_evenly():
    edges = tf.constant([[0.0, 1.0, 2.0, 3.0, 4.0]])
    found = resampled(edges, tf.zeros([1, 4]), 8, None)
    np.testing.assert_allclose(found, [np.arange(0.25, 4, 0.5)], atol=1e-4)


def test_no_gradient_leads_through_where_points_are_drawn():
    edges, weights = tf.constant([[0.0, 1.0, 2.0]]), tf.constant([[0.3, 0.7]])
    with tf.GradientTape() as tape:
        tape.watch([edges, weights])
        found = tf.reduce_sum(resampled(edges, weights, 3, None))
    assert tape.gradient(found, [edges, weights]) == [None, None]


def test_a_ray_is_looked_at_between_the_walls_that_it_meets():
    low, high = (-1.0, -2.0, 0.0), (1.0, 2.0, 3.0)
    origins = tf.constant([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [-5.0, 0.0, 1.0], [-5.0, 0.0, 1.0], [0.0, 0.0, 5.0]])
    directions = tf.constant([[1.0, 0, 0], [0, 0, -1.0], [1.0, 0, 0], [-1.0, 0, 0], [0, 0.6, -0.8]])
    near, far = (value.numpy()[:, 0] for value in span_inside(origins, directions, low, high))
    np.testing.assert_allclose(near, [0.0, 0.0, 4.0, near[3], 2.5], atol=1e-5)
    np.testing.assert_allclose(far[[0, 1, 2]], [1.0, 1.0, 6.0], atol=1e-5)
    np.testing.assert_allclose(far[4], 2.0 / 0.6, rtol=1e-5)
    assert near[3] == far[3] == 0.0  # It looks away: nothing of it lies inside.
