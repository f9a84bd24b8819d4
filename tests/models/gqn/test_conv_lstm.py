"""The convolutional LSTM beside NumPy."""

import numpy as np
import tensorflow as tf

from simone_tf.models.gqn.conv_lstm import ConvLSTMCell

import numpy_networks


def make(channels, kernel_size, inputs):
    cell = ConvLSTMCell(channels, kernel_size)
    cell.build((None, 3, 4, inputs))
    for number, variable in enumerate(cell.variables):
        variable.assign(0.5 * tf.random.stateless_normal(variable.shape, [4, number]))
    return cell


def test_two_steps_by_numpy():
    layer, generator = make(5, 3, 2), np.random.default_rng(0)
    hidden = cell = np.zeros((2, 3, 4, 5))
    found = [tf.zeros([2, 3, 4, 5])] * 2
    for _ in range(2):
        inputs = generator.normal(size=(2, 3, 4, 2))
        hidden, cell = numpy_networks.conv_lstm(layer, inputs, hidden, cell)
        found = layer(tf.constant(inputs, tf.float32), *found)
        np.testing.assert_allclose(found[0], hidden, atol=1e-5)
        np.testing.assert_allclose(found[1], cell, atol=1e-5)


def test_a_cell_is_kept_from_the_start():
    layer = ConvLSTMCell(2, 3)
    layer.build((None, 3, 4, 2))
    cell = tf.ones([1, 3, 4, 2])
    _, after = layer(tf.zeros([1, 3, 4, 2]), tf.zeros_like(cell), cell)
    np.testing.assert_allclose(after, np.full((1, 3, 4, 2), 1 / (1 + np.exp(-1))), rtol=1e-5)
