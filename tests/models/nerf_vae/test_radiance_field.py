"""The field beside NumPy; the latent has a say in every layer, the direction in the colour alone."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.nerf_vae.radiance_field import RadianceField, fourier_features

import numpy_networks

B, P, S, D = 2, 3, 4, 5


def make(**options):
    field = RadianceField(6, 3, 2, 1, **options)
    field.build((None, D))
    for number, variable in enumerate(field.variables):
        variable.assign(0.5 * tf.random.stateless_normal(variable.shape, [4, number]))
    return field


def inputs(seed=0):
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(B, P, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return rng.uniform(-1, 1, (B, P, S, 3)), directions, rng.normal(size=(B, D))


def tensors(*values):
    return [tf.constant(value, tf.float32) for value in values]


def test_it_is_the_network_by_numpy():
    field, values = make(), inputs()
    densities, rgb = field(*tensors(*values))
    wanted_densities, wanted_rgb = numpy_networks.radiance(field, *values)
    assert densities.shape == (B, P, S)
    assert rgb.shape == (B, P, S, 3)
    np.testing.assert_allclose(densities, wanted_densities, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(rgb, wanted_rgb, atol=1e-4)
    assert (densities.numpy() >= 0).all()


def test_features_of_a_place():
    found = fourier_features(tf.constant([[0.5, -0.25]]), 2)
    angles = np.pi * np.array([0.5, -0.25])
    wanted = [0.5, -0.25, *np.sin(angles), *np.cos(angles), *np.sin(2 * angles), *np.cos(2 * angles)]
    np.testing.assert_allclose(found, [wanted], atol=1e-6)


def test_density_does_not_depend_on_the_direction():
    field, (points, directions, latents) = make(), inputs()
    one, other = (field(*tensors(points, towards, latents)) for towards in (directions, -directions))
    np.testing.assert_array_equal(one[0], other[0])
    assert np.abs(one[1] - other[1]).max() > 1e-3


def test_the_latent_enters_every_layer():
    field, values = make(), inputs()
    for modulation in (*field.modulations, field.colour_modulation):
        before = field(*tensors(*values))
        modulation.kernel.assign(-modulation.kernel)
        after = field(*tensors(*values))
        assert max(np.abs(a - b).max() for a, b in zip(before, after, strict=True)) > 1e-3


@pytest.mark.parametrize(("option", "value"), [("width", 1), ("num_layers", 0), ("point_octaves", -1)])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^RadianceField.{option} is "):
        RadianceField(**{option: value})
