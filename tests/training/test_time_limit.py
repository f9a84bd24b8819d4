"""The clock of a session: when it ends, when it is scored, and how many steps fit before that."""

import pytest

from simone_tf.training.time_limit import LEAST_STEPS, TimeLimit


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def session(clock, limit, seconds_per_step, first_call=0.0, count=50, check_seconds=0.0):
    """Runs a session as the loop does; the elapsed seconds at its checks, and its calls as (steps, seconds)."""
    checks, calls = [], []
    while True:
        steps = limit.steps_that_fit(count)
        seconds = steps * seconds_per_step + (0.0 if calls else first_call)
        clock.now += seconds
        limit.took(steps, seconds)
        calls.append((steps, seconds))
        is_over = limit.is_over()
        if limit.check_is_due():
            checks.append(limit.elapsed)
            clock.now += check_seconds
            limit.was_scored(check_seconds)
        if is_over:
            return checks, calls


def test_a_session_takes_its_time_and_is_scored_evenly():
    clock = Clock()
    limit = TimeLimit(80.0, num_checks=8, clock=clock)
    checks, calls = session(clock, limit, seconds_per_step=0.1, first_call=4.0)
    assert checks == pytest.approx([10, 20, 30, 40, 50, 60, 70, 80], abs=0.2)
    assert limit.elapsed == pytest.approx(80.0, abs=0.2)
    assert calls[0][0] == 1  # Nothing is known of how long a step takes.
    assert max(steps for steps, _ in calls) == 50


def test_slow_steps_are_not_taken_many_at_a_time():
    clock = Clock()
    limit = TimeLimit(120.0, clock=clock)
    checks, calls = session(clock, limit, seconds_per_step=9.0, first_call=20.0)
    assert checks == []
    assert 120.0 <= limit.elapsed < 120.0 + 9.0
    assert all(steps * 9.0 <= 120.0 for steps, _ in calls)


def test_a_short_session_takes_steps_all_the_same():
    """Also where compiling took longer than all its time."""
    clock = Clock()
    limit = TimeLimit(1.0, num_checks=8, clock=clock)
    _, calls = session(clock, limit, seconds_per_step=2.0, first_call=30.0)
    assert sum(steps for steps, _ in calls) == LEAST_STEPS


def test_slow_checks_do_not_use_up_the_session():
    clock = Clock()
    limit = TimeLimit(100.0, num_checks=8, clock=clock)
    checks, calls = session(clock, limit, seconds_per_step=0.1, check_seconds=10.0)
    assert len(checks) == 3  # after 12.5 s, and then at least three times as long as a check takes
    assert sum(seconds for _, seconds in calls) >= 70.0


def test_without_checks_the_clock_asks_for_none():
    clock = Clock()
    limit = TimeLimit(5.0, clock=clock)
    clock.now += 100.0
    assert not limit.check_is_due()
    limit.was_scored(1.0)
    assert not limit.check_is_due()
