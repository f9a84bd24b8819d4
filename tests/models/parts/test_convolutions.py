"""Convolutions keep to their layout and sizes, whatever Keras is set to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.convolutions import build_in_turn, convolution, halving_convolutions


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_halving_convolutions_halve_rows_and_columns_rounded_up(data_format):
    before = keras.config.image_data_format()
    keras.config.set_image_data_format(data_format)
    try:
        layers = halving_convolutions((4, 6), 3)
        assert build_in_turn(layers, (None, 9, 12, 5)) == (None, 3, 3, 6)
        values = tf.ones([2, 9, 12, 5])
        for layer in layers:
            values = layer(values)
    finally:
        keras.config.set_image_data_format(before)
    assert values.shape == (2, 3, 3, 6)
    assert [layer.name for layer in layers] == ["conv_0", "conv_1"]
    assert float(tf.reduce_min(values)) >= 0.0


def test_a_convolution_of_one_pixel_is_a_product_of_matrices():
    layer = convolution(3, 1, "mix")
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32)
    found = layer(values)
    np.testing.assert_allclose(found, values @ layer.kernel.numpy()[0, 0], rtol=1e-4, atol=1e-5)
    assert float(tf.reduce_min(found)) < 0.0  # no activation unless one is asked for
