"""8 bits to numbers in [0, 1] and back: one way each, in NumPy and in TensorFlow to the last bit."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.clip import pixels_as_float
from simone_tf.pictures.pixels import as_float, as_uint8

ALL = np.arange(256, dtype=np.uint8)


def test_every_level_becomes_the_same_number_in_numpy_and_tensorflow():
    floats = as_float(ALL)
    assert floats.dtype == np.float32
    assert (floats[0], floats[255]) == (0.0, 1.0)
    np.testing.assert_array_equal(floats, pixels_as_float(tf.constant(ALL)).numpy())
    np.testing.assert_array_equal(floats, (tf.cast(ALL, tf.float32) * (1.0 / 255.0)).numpy())
    np.testing.assert_allclose(floats, ALL / 255, atol=1e-7)


def test_every_level_comes_back():
    np.testing.assert_array_equal(as_uint8(as_float(ALL)), ALL)
    assert as_uint8(ALL) is ALL


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_every_size_are_rounded_alike(dtype):
    numbers = np.random.default_rng(0).uniform(-0.1, 1.1, (5, 7, 3)).astype(dtype)
    wanted = np.rint(np.clip(numbers.astype(np.float32), 0, 1) * np.float32(255))
    np.testing.assert_array_equal(as_uint8(numbers), wanted.astype(np.uint8))


def test_what_is_out_of_range_is_clipped():
    numbers = np.array([-1.0, 0.0, 0.5, 1.0, 7.0, np.nan, np.inf, -np.inf, 1e300])
    assert as_uint8(numbers).tolist() == [0, 0, 128, 255, 255, 0, 255, 0, 255]
