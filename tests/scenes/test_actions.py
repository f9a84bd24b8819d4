import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.scenes.actions import DOWN, UP, Action, Track

numbers = st.floats(-5, 5)


def test_a_slide_stays_on_the_floor_and_a_pick_place_goes_over_it():
    times = np.linspace(0, 10, 101)
    slide, turned = Action(2.0, 8.0, (3.0, -1.0)).offset(times)
    assert not slide[:, 2].any()
    assert not turned.any()
    np.testing.assert_allclose(slide[50], [1.5, -0.5, 0.0], atol=1e-12)  # Half way at half time.
    carried, _ = Action(2.0, 8.0, (3.0, -1.0), lift=2.0).offset(times)
    share = (times - 2) / 6
    np.testing.assert_allclose(carried[(share >= UP) & (share <= DOWN), 2], 2.0)
    assert not carried[share < UP, :2].any()
    np.testing.assert_allclose(carried[share > DOWN, :2], np.tile([3.0, -1.0], ((share > DOWN).sum(), 1)))
    np.testing.assert_allclose(carried[share >= 1], slide[share >= 1], atol=1e-12)


@given(x=numbers, y=numbers, lift=st.sampled_from([0.0, 2.5]), turn=numbers)
def test_actions_begin_and_end_at_rest(x, y, lift, turn):
    action = Action(1.0, 5.0, (x, y), lift, turn)
    times = np.linspace(0, 6, 6001)
    moved, turned = action.offset(times)
    assert not moved[times <= 1].any()
    assert not turned[times <= 1].any()
    np.testing.assert_allclose(moved[times >= 5], np.tile([x, y, 0.0], (1001, 1)), atol=1e-12)
    np.testing.assert_allclose(turned[times >= 5], turn)
    speed = np.linalg.norm(np.diff(moved, axis=0), axis=1) / 0.001
    assert np.abs(np.diff(speed)).max() < 0.15  # No jerk: speed goes up and down by little at a time.


def test_a_track_does_one_action_after_the_other():
    track = Track(np.array([1.0, 2.0, 0.5]), math.pi)
    positions, yaw = track.at(np.arange(3.0))
    np.testing.assert_array_equal(positions, np.tile([1.0, 2.0, 0.5], (3, 1)))
    np.testing.assert_array_equal(yaw, math.pi)
    track.actions += [Action(0.0, 2.0, (1.0, 0.0)), Action(3.0, 4.0, turn=1.0), Action(5.0, 7.0, (0.0, -2.0), 3.0)]
    positions, yaw = track.at(np.array([0.0, 1.0, 2.5, 6.0, 9.0]))
    expected = [[1, 2, 0.5], [1.5, 2, 0.5], [2, 2, 0.5], [2, 1, 3.5], [2, 0, 0.5]]
    np.testing.assert_allclose(positions, expected, atol=1e-12)
    np.testing.assert_allclose(yaw - math.pi, [0, 0, 0, 1, 1])
    np.testing.assert_allclose(track.end(), [2, 0, 0.5])


def test_before_its_actions_a_track_is_exactly_still():
    track = Track(np.array([0.1, 0.2, 0.3]), 0.7)
    track.actions.append(Action(4.0, 5.0, (1.0, 1.0), 2.0, 1.0))
    positions, yaw = track.at(np.arange(5.0))
    assert np.ptp(positions, axis=0).max() == 0
    assert np.ptp(yaw) == pytest.approx(0, abs=0)
