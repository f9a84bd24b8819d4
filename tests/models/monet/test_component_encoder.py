"""The component encoder beside NumPy, and its weights counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.monet.component_encoder import ComponentEncoder
from simone_tf.models.parts.latents import LatentHead

import numpy_networks


@pytest.mark.parametrize("frame", [(8, 16), (7, 5)])
def test_it_is_the_network_by_numpy(frame):
    layer = ComponentEncoder((3, 4, 5), head=LatentHead(2, 6))
    layer.build((None, *frame, 3))
    for number, variable in enumerate(layer.variables):
        variable.assign(0.5 * tf.random.stateless_normal(variable.shape, [4, number]))
    generator = np.random.default_rng(0)
    frames, log_masks = generator.uniform(size=(3, *frame, 3)), np.log(generator.uniform(0.01, 1, size=(3, 4, *frame)))
    posterior = layer(tf.constant(frames, tf.float32), tf.constant(log_masks, tf.float32))
    assert posterior.mean.shape == posterior.log_scale.shape == (3, 4, 2)
    for slot in range(4):
        mean, log_scale = numpy_networks.component_posterior(layer, frames, log_masks[:, slot])
        np.testing.assert_allclose(posterior.mean[:, slot], mean, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(posterior.log_scale[:, slot], np.clip(log_scale, -10, 3), atol=1e-4, rtol=1e-4)


def test_its_weights_are_those_of_the_paper_s_size():
    """0.34 M."""
    layer = ComponentEncoder()
    layer.build((None, 64, 64, 3))
    convolutions = (9 * 4 * 32 + 32) + (9 * 32 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 64 + 64)
    assert layer.count_params() == convolutions + (4 * 4 * 64 * 256 + 256) + (256 * 32 + 32) == 336480


@pytest.mark.parametrize(("option", "value"), [("channels", (4, 2.5)), ("kernel_size", "3")])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^ComponentEncoder.{option} is "):
        ComponentEncoder(**{option: value})
