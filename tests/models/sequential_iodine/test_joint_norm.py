import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.sequential_iodine.joint_norm import JointNorm


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (3, 6)])
def test_all_numbers_of_an_element_are_normalised_at_once(shape):
    values = np.random.default_rng(0).normal(3.0, [0.1, 10.0] * (shape[-1] // 2), shape).astype(np.float32)
    layer = JointNorm()
    layer.build((None, *shape[1:]))
    assert [tuple(variable.shape) for variable in layer.variables] == [(shape[-1],)] * 2
    layer.gain.assign(np.arange(1, shape[-1] + 1))
    layer.bias.assign(-np.arange(shape[-1]))
    for value, given in zip(layer(tf.constant(values)).numpy(), values.astype(np.float64), strict=True):
        wanted = (given - given.mean()) / np.sqrt(given.var() + 1e-5)
        wanted = wanted * np.arange(1, shape[-1] + 1) - np.arange(shape[-1])
        np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-4)


def test_frames_of_any_size_share_the_weights():
    layer = JointNorm()
    layer.build((None, 4, 4, 3))
    assert layer(tf.ones([2, 7, 9, 3])).shape == (2, 7, 9, 3)
