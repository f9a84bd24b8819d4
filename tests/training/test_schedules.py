"""Learning rates by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.schedules import WarmupCosine, WarmupHalving


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


def test_halving_goes_on_from_the_first_step_through_the_warmup():
    """By hand, at a peak of 0.8, 4 steps of warm-up and a halving in 2: peak * share * 0.5 ** (step / 2)."""
    root = math.sqrt(0.5)
    table = {0: 0.2, 1: 0.4 * root, 2: 0.6 * 0.5, 3: 0.8 * 0.5 * root, 4: 0.8 * 0.25, 6: 0.8 * 0.125, 10: 0.8 / 32}
    np.testing.assert_allclose(rates(WarmupHalving(0.8, 4, 2), table), list(table.values()), rtol=1e-6)


def test_slot_attentions_rates():
    """4e-4, 10,000 steps of warm-up, halved in 100,000."""
    table = {0: 4e-8, 4_999: 2e-4 * 0.965943, 9_999: 4e-4 * 0.933040, 100_000: 2e-4, 300_000: 5e-5, 500_000: 1.25e-5}
    np.testing.assert_allclose(rates(WarmupHalving(), table), list(table.values()), rtol=1e-5)


def test_halving_without_a_warmup_starts_at_the_peak():
    np.testing.assert_allclose(rates(WarmupHalving(0.4, 0, 10), [0, 10, 20]), [0.4, 0.2, 0.1], rtol=1e-6)


def test_halving_in_a_graph_and_from_its_config():
    schedule = WarmupHalving(0.3, 5, 50)
    again = WarmupHalving.from_config(schedule.get_config())
    assert rates(again, range(0, 60, 7)) == rates(schedule, range(0, 60, 7))
    rate = tf.function(schedule)(tf.constant(3, tf.int64))
    assert (rate.dtype, rate.shape) == (tf.float32, ())
    np.testing.assert_allclose(rate, schedule(3), rtol=1e-6)


def test_no_steps_in_which_to_halve_are_refused():
    with pytest.raises(UserError, match=r"WarmupHalving\.halving_steps is 0: it must be a whole number of at least 1"):
        WarmupHalving(halving_steps=0)
