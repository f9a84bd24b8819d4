"""The loop around the steps: what happens when, and when it stops. The steps themselves are stood in for."""

import json
import os
import re
import signal
import types

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import interrupts
from simone_tf.errors import UserError
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.step import STEP_METRICS
from simone_tf.training.time_limit import LEAST_STEPS, TimeLimit
from simone_tf.training.trainer import Trainer

METRICS = (*SIMONe.loss_terms, *STEP_METRICS)
WATCHED = ("loss", "nats_per_pixel", "object_kl", "frame_kl", "gradient_norm", "update_norm")


class Steps:
    """Stands in for `TrainingStep`; `bad` maps a step's number (from 1) to a measure and its value."""

    model = types.SimpleNamespace(loss_terms=SIMONe.loss_terms)

    def __init__(self, first=0, bad=None, interrupt_at=None, finite=True, fails_at=None):
        self.fails_at = fails_at
        self.step = tf.Variable(first, dtype=tf.int64)
        self.bad = bad or {}
        self.interrupt_at = interrupt_at
        self.finite = finite
        self.counts = []
        self.num_skipped = 0
        self.waiting_since = lambda: 0.0

    def run(self, iterator, count):
        assert iterator == "batches"
        first = int(self.step.numpy())
        if self.fails_at is not None and first < self.fails_at <= first + count:
            self.step.assign(self.fails_at - 1)
            raise tf.errors.DataLossError(None, None, "a damaged record")
        self.step.assign_add(count)
        self.num_skipped += sum(first < number <= first + count for number in self.bad)
        self.counts.append(count)
        if self.interrupt_at is not None and first < self.interrupt_at <= first + count:
            raise KeyboardInterrupt
        rows = {name: np.full(count, 0.5, np.float32) for name in METRICS}
        for number, (name, value) in self.bad.items():
            if first < number <= first + count:
                rows[name][number - first - 1] = value
        return rows

    def is_finite(self):
        return self.finite


class Log:
    """Stands in for checkpoints, summaries, evaluation and pictures, and writes down what is asked of them."""

    def __init__(self, evaluated=None):
        self.entries = []
        self.latest = None
        self.evaluated = evaluated
        self.fault = None

    def save(self, step):
        self.entries.append(("save", step))
        self.latest = f"ckpt-{step}"

    def note_evaluated(self, step):
        self.entries.append(("note", step))
        self.evaluated = step

    def evaluated_step(self):
        return self.evaluated

    def save_if_best(self, step, metrics):
        self.entries.append(("best", step, metrics["video_ari_foreground"]))

    def scalars(self, step, values):
        kind = "log" if "train/loss" in values else "evaluation"
        self.entries.append((kind, step, dict(values)))

    def flush(self):
        self.entries.append(("flush",))

    def evaluate(self):
        self.entries.append(("evaluate",))
        if self.fault:
            raise self.fault
        return {"video_ari_foreground": 0.25, "num_clips": 3}

    def draw(self, step):
        self.entries.append(("draw", step))

    def steps_of(self, kind):
        return [entry[1] for entry in self.entries if entry[0] == kind]


def train(steps, num_steps, evaluated=None, **periods):
    log = Log(evaluated)
    starts = []

    def make_iterator(step):
        starts.append(step)
        return "batches"

    trainer = Trainer(steps, log, log, make_iterator, log.evaluate, log.draw, num_steps, 8, **periods)
    log.trainer, log.starts = trainer, starts
    return log


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


@pytest.mark.parametrize("name", WATCHED)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_bad_number_stops_the_run(name, value):
    log = train(Steps(bad={6: (name, value), 7: ("loss", float("nan"))}), 20, steps_per_loop=4, checkpoint_every=4)
    with pytest.raises(UserError, match=rf"Step 6: {name} is {value}.*go on from ckpt-4\.") as caught:
        log.trainer.train()
    assert "\n" not in str(caught.value)
    assert log.steps_of("save") == [4]
    assert log.steps_of("best") == []


NAN = float("nan")


def test_bad_numbers_are_skipped_up_to_a_limit(capsys):
    bad = {number: ("gradient_norm", NAN) for number in (3, 4, 6, 7)}
    log = train(Steps(bad=bad), 8, steps_per_loop=4, log_every=2, max_skipped_steps=2)
    log.trainer.train()
    assert log.steps_of("save") == [8]
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.endswith("the step is skipped.")]
    assert told == [f"Step {number}: gradient_norm is nan, the step is skipped." for number in bad]
    values = {entry[1]: entry[2] for entry in log.entries if entry[0] == "log"}
    assert values[8]["train/skipped_steps"] == 4
    # Of the steps 3 and 4 there is nothing to show, of 5 and 6 the first.
    assert 4 not in values
    assert values[6]["train/gradient_norm"] == 0.5


def test_one_more_in_a_row_ends_the_run_and_names_the_clips():
    asked = []

    def explain(step):
        asked.append(step)
        return "train-00000 record 7"

    bad = {number: ("loss", NAN) for number in (2, 6, 7, 8, 9)}
    log = train(
        Steps(bad=bad),
        20,
        steps_per_loop=4,
        checkpoint_every=4,
        max_skipped_steps=2,
        explain_batch=explain,
    )
    with pytest.raises(UserError) as caught:
        log.trainer.train()
    assert str(caught.value).startswith(
        "Step 6: loss is nan, and so for the 2 steps after it, which were all skipped (train-00000 record 7) and "
        "training stopped; "
    )
    assert asked == [5]  # the batch after 5 steps
    assert log.steps_of("save") == [4]


def test_an_interrupted_run_is_saved_as_far_as_it_came():
    log = train(Steps(interrupt_at=6), 20, steps_per_loop=4)
    with pytest.raises(KeyboardInterrupt):
        log.trainer.train()
    assert log.steps_of("save") == [8]  # the loop in which it came was finished by TensorFlow


def test_steps_in_which_an_interrupt_came_are_logged_before_it_is_raised(monkeypatch):
    """They are saved, so that a run that goes on would not log them."""
    steps = Steps()
    log = train(steps, 20, steps_per_loop=4, log_every=4)
    taken = steps.run

    def interrupted(iterator, count):
        rows = taken(iterator, count)
        if int(steps.step.numpy()) == 8:
            os.kill(os.getpid(), signal.SIGINT)
        return rows

    monkeypatch.setattr(steps, "run", interrupted)
    interrupts.install("nothing")
    with pytest.raises(KeyboardInterrupt):
        log.trainer.train()
    assert log.steps_of("log") == [4, 8]
    assert log.steps_of("save") == [8]


def test_an_interrupted_run_is_not_saved_with_bad_weights():
    log = train(Steps(interrupt_at=6, finite=False), 20, steps_per_loop=4, checkpoint_every=4)
    with pytest.raises(KeyboardInterrupt):
        log.trainer.train()
    assert log.steps_of("save") == [4]


def test_a_bad_number_before_the_first_checkpoint_promises_none():
    log = train(Steps(bad={3: ("loss", float("nan"))}), 20, steps_per_loop=4, checkpoint_every=4)
    with pytest.raises(UserError, match=r"Step 3: .*no checkpoint was saved yet"):
        log.trainer.train()


@pytest.mark.parametrize(("fails_at", "saved"), [(15, [4, 8, 12, 14]), (2, [1]), (1, []), (13, [4, 8, 12, 12])])
def test_data_that_cannot_be_read_costs_no_step(fails_at, saved):
    log = train(Steps(fails_at=fails_at), 20, steps_per_loop=4, checkpoint_every=4)
    with pytest.raises(tf.errors.DataLossError):
        log.trainer.train()
    assert log.steps_of("save") == saved


def test_data_that_cannot_be_read_does_not_save_bad_weights():
    log = train(Steps(fails_at=6, finite=False), 20, steps_per_loop=4, checkpoint_every=4)
    with pytest.raises(tf.errors.DataLossError):
        log.trainer.train()
    assert log.steps_of("save") == [4]


def test_an_evaluation_that_fails_costs_no_step_and_is_not_noted():
    log = train(Steps(), 20, steps_per_loop=4, checkpoint_every=0, evaluate_every=6)
    log.fault = UserError("no such file")
    with pytest.raises(UserError, match="no such file"):
        log.trainer.train()
    assert log.steps_of("save") == [6]
    assert log.evaluated is None


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
