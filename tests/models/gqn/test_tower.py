"""The tower beside NumPy, and its weights counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.gqn.tower import Tower

import numpy_networks


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("coordinates", [False, True])
def test_it_is_the_network_by_numpy(pooled, coordinates):
    layer = Tower(6, pooled, coordinates)
    layer.build((None, 8, 12, 3), (None, 7))
    for number, variable in enumerate(layer.variables):
        variable.assign(0.4 * tf.random.stateless_normal(variable.shape, [4, number]))
    generator = np.random.default_rng(0)
    frames, viewpoints = generator.uniform(size=(3, 8, 12, 3)), generator.normal(size=(3, 7))
    found = layer(tf.constant(frames, tf.float32), tf.constant(viewpoints, tf.float32))
    assert found.shape == (3, layer.size)
    maps = numpy_networks.tower(layer, frames, viewpoints)
    assert maps.shape == (3, 2, 3, 6)
    if pooled:
        maps = np.broadcast_to(maps.mean((1, 2), keepdims=True), maps.shape)
    np.testing.assert_allclose(layer.as_map(found), maps, atol=1e-4, rtol=1e-4)


def test_its_weights_are_those_of_the_paper_s_size():
    """1.96 M."""
    layer = Tower()
    layer.build((None, 64, 64, 3), (None, 7))
    image = (4 * 3 * 256 + 256) + (9 * 256 * 128 + 128) + (4 * 128 * 256 + 256) + (4 * 256 * 256 + 256)
    posed = (9 * 263 * 128 + 128) + (9 * 128 * 256 + 256) + (9 * 263 * 256 + 256) + (256 * 256 + 256)
    assert layer.count_params() == image + posed == 1_962_368


def test_frames_that_do_not_divide_are_told():
    with pytest.raises(UserError, match=r"Tower .* frames have 64x30 pixels: choose multiples of 4"):
        Tower().build((None, 64, 30, 3), (None, 7))


def test_a_wrong_value_is_told():
    with pytest.raises(UserError, match=r"^Tower.channels is 1"):
        Tower(1)
    with pytest.raises(UserError, match=r"^Tower.pooled is 2"):
        Tower(6, pooled=2)
    with pytest.raises(UserError, match=r"^Tower.coordinates is None"):
        Tower(6, coordinates=None)
