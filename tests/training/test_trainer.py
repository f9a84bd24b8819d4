"""The loop around the steps: what happens when, and when it stops. The steps themselves are stood in for."""

import json
import re

import pytest

from simone_tf import interrupts
from simone_tf.training.time_limit import LEAST_STEPS, TimeLimit

from stood_in_training import METRICS, Steps, train


def test_every_event_comes_at_its_steps():
    steps = Steps()
    log = train(steps, 23, steps_per_loop=4, log_every=5, evaluate_every=10, checkpoint_every=7)
    assert log.trainer.train() == {"video_ari_foreground": 0.25, "num_clips": 3}
    assert log.starts == [0]
    assert sum(steps.counts) == 23
    assert max(steps.counts) == 4
    assert log.steps_of("log") == [5, 10, 15, 20, 23]
    # What was trained is safe before it is evaluated.
    assert log.steps_of("save") == [7, 10, 14, 20, 21, 23]
    assert log.steps_of("draw") == log.steps_of("best") == log.steps_of("evaluation") == [10, 20, 23]
    kinds = [entry[0] for entry in log.entries if entry[0] != "log"]
    for index in (index for index, kind in enumerate(kinds) if kind == "evaluate"):
        assert kinds[index - 1 : index + 5] == ["save", "evaluate", "evaluation", "draw", "best", "note"]
    assert kinds[-1] == "flush"


def test_a_run_that_goes_on_keeps_the_same_steps():
    log = train(Steps(first=8), 23, steps_per_loop=4, log_every=5, evaluate_every=10, checkpoint_every=7)
    log.trainer.train()
    assert log.starts == [8]
    assert log.steps_of("log") == [10, 15, 20, 23]
    assert log.steps_of("save") == [10, 14, 20, 21, 23]
    assert log.steps_of("draw") == [10, 20, 23]


@pytest.mark.parametrize(
    ("first", "evaluated", "scored"),
    [(10, None, [10, 20, 23]), (10, 0, [10, 20, 23]), (10, 10, [20, 23]), (9, None, [10, 20, 23]), (20, 10, [20, 23])],
)
def test_an_evaluation_that_was_missed_is_made_up_for(first, evaluated, scored):
    log = train(Steps(first=first), 23, evaluated, steps_per_loop=4, evaluate_every=10)
    log.trainer.train()
    assert log.steps_of("best") == log.steps_of("evaluation") == log.steps_of("note") == scored


def test_periods_of_zero_mean_only_at_the_end():
    steps = Steps()
    log = train(steps, 6, steps_per_loop=0, log_every=0, evaluate_every=0, checkpoint_every=0)
    log.trainer.train()
    assert steps.counts == [6]
    assert log.steps_of("log") == log.steps_of("save") == log.steps_of("draw") == [6]


@pytest.mark.parametrize("first", [6, 9])
def test_a_finished_run_is_only_evaluated(first):
    steps = Steps(first=first)
    log = train(steps, 6)
    assert log.trainer.train()["video_ari_foreground"] == 0.25
    assert steps.counts == []
    assert log.steps_of("best") == [first]
    assert log.steps_of("save") == []


@pytest.mark.parametrize(("evaluated", "shown"), [(6, []), (3, [6]), (None, [6])])
def test_what_is_known_of_a_finished_run_is_not_shown_twice(evaluated, shown):
    log = train(Steps(first=6), 6, evaluated)
    log.trainer.train()
    assert log.steps_of("evaluation") == log.steps_of("draw") == shown
    assert log.steps_of("best") == log.steps_of("note") == [6]


def test_an_interrupt_that_got_lost_stops_the_run(monkeypatch):
    steps = Steps()
    log = train(steps, 20, steps_per_loop=4, checkpoint_every=0)
    monkeypatch.setitem(interrupts._state, "over", False)
    monkeypatch.setitem(interrupts._state, "first", None)
    run = steps.run

    def swallow(iterator, count):
        rows = run(iterator, count)
        if int(steps.step.numpy()) == 8:
            interrupts._state["first"] = 2
        return rows

    monkeypatch.setattr(steps, "run", swallow)
    with pytest.raises(KeyboardInterrupt):
        log.trainer.train()
    assert log.steps_of("save") == [8]


def test_what_is_logged(capsys):
    log = train(Steps(bad={4: ("loss", 1.25)}), 4, steps_per_loop=2)
    log.trainer.train()
    values = next(entry[2] for entry in log.entries if entry[0] == "log")
    assert set(values) == {f"train/{name}" for name in METRICS if name != "input_wait_seconds"} | {
        "train/clips_per_second",
        "train/input_wait_share",
        "train/skipped_steps",
    }
    assert values["train/loss"] == 1.25
    assert json.loads(json.dumps(values)) == values  # plain numbers
    evaluated = next(entry[2] for entry in log.entries if entry[0] == "evaluation")
    assert evaluated == {"evaluation/video_ari_foreground": 0.25}
    lines = capsys.readouterr().out.splitlines()
    assert re.match(r"step 4/4  loss 1\.2500  nats/pixel 0\.500  KL object 0\.50 frame 0\.50  \d+ clips/s", lines[0])
    assert lines[1] == "step 4/4  held-out: video_ari_foreground 0.2500"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed")])
def test_output_that_cannot_be_written_costs_nothing(monkeypatch, error):
    class Broken:
        def write(self, text):
            raise error

        def flush(self):
            raise error

        def isatty(self):
            return False

    log = train(Steps(), 8, steps_per_loop=4, log_every=4)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", Broken())
        patch.setattr("sys.stderr", Broken())
        assert log.trainer.train()["num_clips"] == 3
    assert log.steps_of("save") == [8]


def test_a_session_ends_when_its_time_is_over(capsys):
    """A call of the clock is a second: the session has checks at its start, within it and at its end."""
    seconds = iter(range(10**6))
    steps = Steps()
    limit = TimeLimit(100.0, num_checks=4, clock=lambda: float(next(seconds)))
    log = train(steps, 10**6, steps_per_loop=2, log_every=0, evaluate_every=0, checkpoint_every=0, limit=limit)
    assert log.trainer.train()["video_ari_foreground"] == 0.25
    last = sum(steps.counts)
    assert LEAST_STEPS <= last < 100
    scored = log.steps_of("best")
    assert (scored[0], scored[-1]) == (0, last)
    assert len(scored) == 5
    assert list(log.trainer.scores) == scored
    assert log.steps_of("save") == scored[1:]
    assert log.steps_of("log") == scored[1:]
    assert f"step {last} (" in capsys.readouterr().out


def test_a_time_limit_alone_leaves_the_periods_as_they_are():
    steps = Steps()
    limit = TimeLimit(0.0)
    log = train(steps, 1000, steps_per_loop=4, log_every=5, evaluate_every=5, checkpoint_every=7, limit=limit)
    log.trainer.train()
    assert sum(steps.counts) == LEAST_STEPS
    assert log.steps_of("best") == log.steps_of("log") == [5, 10]
    assert log.steps_of("save") == [5, 7, 10]
