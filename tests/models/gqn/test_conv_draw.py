"""The generator beside NumPy, with and without the view to infer from, and when a prior is said."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.gqn.conv_draw import ConvDraw

import numpy_networks

N, ROWS, COLUMNS, C, D = 2, 2, 3, 4, 7
SEED = tf.constant([5, 6])


def make(num_steps=3, **options):
    layer = ConvDraw(num_steps, hidden_channels=5, latent_channels=2, canvas_channels=4, kernel_size=3, **options)
    layer.build((None, ROWS, COLUMNS, C), (None, D))
    for number, variable in enumerate(layer.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, [4, number]))
    return layer


def inputs():
    generator = np.random.default_rng(0)
    shapes = (N, ROWS, COLUMNS, C), (N, D), (N, 4 * ROWS, 4 * COLUMNS, 3)
    return [generator.normal(size=shape) for shape in shapes]


def noises(num_steps):
    shape = [N, ROWS, COLUMNS, 2]
    return [tf.random.stateless_normal(shape, tf.random.fold_in(SEED, step)).numpy() for step in range(num_steps)]


def assert_gaussians(found, wanted):
    assert len(found) == len(wanted)
    for gaussian, parameters in zip(found, wanted, strict=True):
        for value, by_hand in zip(gaussian, parameters, strict=True):
            np.testing.assert_allclose(value, by_hand, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shares_cores", [False, True])
@pytest.mark.parametrize("is_seen", [False, True])
@pytest.mark.parametrize("is_noisy", [False, True])
@pytest.mark.parametrize("coordinates", [False, True])
def test_it_is_the_network_by_numpy(shares_cores, is_seen, is_noisy, coordinates):
    layer, (representation, viewpoints, images) = make(shares_cores=shares_cores, coordinates=coordinates), inputs()
    assert len(layer.cores) == (1 if shares_cores else 3)
    arguments = [representation, viewpoints, images if is_seen else None]
    tensors = [None if value is None else tf.constant(value, tf.float32) for value in arguments]
    drawn = layer(*tensors, SEED if is_noisy else None)
    rgb, priors, posteriors = numpy_networks.drawn_views(layer, *arguments, noises(3) if is_noisy else None)
    np.testing.assert_allclose(drawn.rgb, rgb, atol=1e-4, rtol=1e-4)
    assert_gaussians(drawn.priors, priors)
    assert_gaussians(drawn.posteriors, posteriors)


def test_places_go_through_an_mlp_before_the_steps_by_numpy():
    layer, values = make(coordinates=True, scene_layers=(6, 9)), inputs()
    assert layer.cores[0].generator.gates.kernel.shape[2] == 9 + 2 + 5
    drawn = layer(*(tf.constant(value, tf.float32) for value in values), SEED)
    rgb, priors, posteriors = numpy_networks.drawn_views(layer, *values, noises(3))
    np.testing.assert_allclose(drawn.rgb, rgb, atol=1e-4, rtol=1e-4)
    assert_gaussians(drawn.priors, priors)
    assert_gaussians(drawn.posteriors, posteriors)


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_prior_is_said_before_its_latents_are_drawn(is_seen):
    """Other noise makes other latents in every step: the first prior cannot know, the second has to."""
    layer, (representation, viewpoints, images) = make(), [tf.constant(value, tf.float32) for value in inputs()]
    images = images if is_seen else None
    one, other = (layer(representation, viewpoints, images, tf.constant([seed, 0])).priors for seed in (1, 2))
    np.testing.assert_array_equal(one[0].mean, other[0].mean)
    np.testing.assert_array_equal(one[0].log_scale, other[0].log_scale)
    for step in (1, 2):
        assert np.abs(one[step].mean - other[step].mean).max() > 1e-3


def test_a_prior_knows_nothing_of_the_view_but_by_latents_before_it():
    layer, (representation, viewpoints, images) = make(), [tf.constant(value, tf.float32) for value in inputs()]
    seen, blind = layer(representation, viewpoints, images), layer(representation, viewpoints)
    np.testing.assert_array_equal(seen.priors[0].mean, blind.priors[0].mean)
    assert np.abs(seen.posteriors[0].mean - blind.priors[0].mean).max() > 1e-3


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("num_steps", 0),
        ("hidden_channels", 2.5),
        ("latent_channels", "3"),
        ("kernel_size", 0),
        ("shares_cores", 1),
        ("coordinates", None),
        ("scene_layers", 8),
        ("scene_layers", (8, 0)),
    ],
)
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^ConvDraw.{option} is "):
        ConvDraw(**{option: value})
