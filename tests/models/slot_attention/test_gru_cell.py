"""The recurrent cell, against Keras's own and the equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.slot_attention.gru_cell import GRUCell

from slot_attention_oracle import gru, weights

RNG = np.random.default_rng(0)
INPUTS, STATE = RNG.normal(size=(3, 5, 4)).astype(np.float32), RNG.normal(size=(3, 5, 6)).astype(np.float32)


@pytest.fixture
def cell():
    cell = GRUCell(6)
    cell.build((None, 5, 4))
    for variable in cell.variables:
        variable.assign(RNG.normal(size=variable.shape))
    return cell


def test_it_is_keras_cell(cell):
    official = keras.layers.GRUCell(6)
    official.build((None, 4))
    official.set_weights([*cell.get_weights(), *official.get_weights()[3:]])
    expected, _ = official(INPUTS.reshape(15, 4), [STATE.reshape(15, 6)])
    np.testing.assert_allclose(tf.reshape(cell(INPUTS, STATE), [15, 6]), expected, atol=1e-6)


def test_it_is_that_of_the_equations(cell):
    np.testing.assert_allclose(cell(INPUTS, STATE), gru(INPUTS, STATE, *weights(cell)), atol=1e-5)


def test_it_starts_as_keras_cell_does():
    keras.utils.set_random_seed(0)
    cell = GRUCell(64)
    cell.build((None, 64))
    kernel, recurrent, bias = cell.get_weights()
    assert cell.count_params() == 3 * (64 * 64 + 64 * 64 + 2 * 64)
    limit = np.sqrt(6 / (64 + 3 * 64))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(64), atol=1e-5)
    assert not bias.any()


def test_a_state_keeps_its_digits_under_mixed_precision(cell):
    expected = cell(INPUTS, STATE)
    keras.config.set_dtype_policy("mixed_bfloat16")
    again = GRUCell(6)
    again.build((None, 5, 4))
    again.set_weights(cell.get_weights())
    np.testing.assert_array_equal(again(INPUTS, STATE), expected)
