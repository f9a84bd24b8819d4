"""The encoder beside NumPy: views by themselves, their mean, a posterior."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.nerf_vae.ray_encoder import RayEncoder
from simone_tf.models.parts.latents import LatentHead

import numpy_networks

SHAPE = (2, 3, 8, 12, 3)


def make():
    layer = RayEncoder((3, 4), 3, 6, LatentHead(2, 5))
    layer.build((None, *SHAPE[2:]))
    for number, variable in enumerate(layer.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, [4, number]))
    return layer


def inputs():
    return np.random.default_rng(0).uniform(-1, 1, (3, *SHAPE))


def test_it_is_the_network_by_numpy():
    layer, values = make(), inputs()
    posterior = layer(*(tf.constant(value, tf.float32) for value in values))
    features = np.concatenate(list(values), -1).reshape(-1, 8, 12, 9)
    for part in layer.convolutions:
        features = numpy_networks.relu(numpy_networks.convolution(features, *numpy_networks.weights_of(part), stride=2))
    kernel, bias = numpy_networks.weights_of(layer.view)
    views = numpy_networks.relu(features.reshape(6, -1) @ kernel + bias)
    mean = views.reshape(2, 3, -1).mean(1)
    (kernel, bias), means, scales = (
        numpy_networks.weights_of(part) for part in (layer.head.hidden, layer.head.mean, layer.head.log_scale)
    )
    hidden = numpy_networks.relu(mean @ kernel + bias)
    np.testing.assert_allclose(posterior.mean, hidden @ means[0] + means[1], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(posterior.log_scale, hidden @ scales[0] + scales[1], atol=1e-4, rtol=1e-4)


def test_views_are_a_set_of_any_number():
    layer, values = make(), tf.constant(inputs(), tf.float32)
    whole = layer(*tf.unstack(values))
    turned = layer(*tf.unstack(tf.gather(values, [2, 0, 1], axis=2)))
    np.testing.assert_allclose(turned.mean, whole.mean, atol=1e-5)
    twice = layer(*tf.unstack(tf.concat([values, values], axis=2)))
    np.testing.assert_allclose(twice.mean, whole.mean, atol=1e-5)
    one = layer(*tf.unstack(values[:, :, :1]))
    assert one.mean.shape == whole.mean.shape


@pytest.mark.parametrize(("option", "value"), [("channels", ()), ("kernel_size", 0), ("view_size", 1.5)])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^RayEncoder.{option} is "):
        RayEncoder(**{option: value})
