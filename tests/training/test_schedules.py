"""Learning rates by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.training.schedules import WarmupCosine


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_constant_by_default():
    np.testing.assert_allclose(rates(WarmupCosine(3e-4), [0, 1, 10**6]), [3e-4] * 3, rtol=1e-6)


def test_warmup_rises_linearly_to_the_peak_and_the_first_step_is_not_lost():
    np.testing.assert_allclose(rates(WarmupCosine(0.4, 4), range(6)), [0.1, 0.2, 0.3, 0.4, 0.4, 0.4], rtol=1e-6)


def test_cosine_falls_from_the_end_of_the_warmup_to_the_final_fraction():
    schedule = WarmupCosine(2.0, warmup_steps=10, decay_steps=110, final_fraction=0.1)
    # A quarter, half and three quarters of the way down; then it stays.
    fractions = [(1 + math.cos(angle)) / 2 for angle in (0, math.pi / 4, math.pi / 2, 3 * math.pi / 4, math.pi)]
    expected = [2.0 * (0.1 + 0.9 * fraction) for fraction in fractions]
    np.testing.assert_allclose(rates(schedule, [10, 35, 60, 85, 110]), expected, rtol=1e-5)
    np.testing.assert_allclose(rates(schedule, [111, 10**6]), [0.2, 0.2], rtol=1e-5)
    np.testing.assert_allclose(rates(schedule, [0, 4, 9]), [0.2, 1.0, 2.0], rtol=1e-5)


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_the_rate_is_float32_in_a_graph_too(dtype):
    schedule = WarmupCosine(1.0, 2, 10)
    rate = tf.function(schedule)(tf.constant(1, dtype))
    assert (rate.dtype, rate.shape) == (tf.float32, ())
    np.testing.assert_allclose(rate, schedule(1), rtol=1e-6)


def test_config_makes_the_same_schedule():
    schedule = WarmupCosine(0.3, 5, 50, 0.2)
    again = WarmupCosine.from_config(schedule.get_config())
    assert rates(again, range(0, 60, 7)) == rates(schedule, range(0, 60, 7))
