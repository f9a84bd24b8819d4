"""The loop around the steps when something goes wrong: bad numbers, interrupts, data that cannot be read."""

import contextlib
import os
import signal

import pytest
import tensorflow as tf

from simone_tf import interrupts
from simone_tf.errors import UserError
from simone_tf.training import trainer
from simone_tf.training.loss_scale import LossScale
from simone_tf.training.step_watch import BatchFault

from stood_in_training import Steps, train

WATCHED = ("loss", "nats_per_pixel", "object_kl", "frame_kl", "gradient_norm", "update_norm")


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


def test_finding_the_scale_of_a_loss_is_no_fault():
    for last, ends in ((6, False), (7, True)):
        steps = Steps(bad={number: ("gradient_norm", NAN) for number in range(1, last + 1)})
        steps.loss_scale = LossScale(8.0)  # 3 halvings, and 3 steps more
        log = train(steps, 8, max_skipped_steps=3)
        with pytest.raises(UserError, match="Step 1: gradient_norm is nan") if ends else contextlib.nullcontext():
            log.trainer.train()


def test_one_more_in_a_row_ends_the_run_and_names_the_clips():
    asked = []

    def explain(step):
        asked.append(step)
        return BatchFault("train-00000 record 7", is_of_weights=False)

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


def test_where_the_weights_are_at_fault_no_checkpoint_is_promised():
    fault = BatchFault("as it is with every clip", is_of_weights=True)
    bad = {number: ("loss", NAN) for number in (6, 7, 8)}
    log = train(Steps(bad=bad), 20, steps_per_loop=4, checkpoint_every=4, explain_batch=lambda step: fault)
    with pytest.raises(UserError) as caught:
        log.trainer.train()
    assert str(caught.value) == (
        "Step 6: loss is nan (as it is with every clip) and training stopped: the weights are no longer good, and "
        "those of ckpt-4 may be as they are. Start anew in another --run_dir with a lower learning rate or a longer "
        "warm-up."
    )


@pytest.mark.parametrize("name", ["reconstruction_mse", "cater/reconstruction_mse"])
def test_a_model_that_draws_nothing_finite_is_no_result(monkeypatch, name):
    """A run that goes on from such weights may come to its last step before too many steps are skipped."""
    bad = {number: ("loss", NAN) for number in range(17, 21)}
    log = train(Steps(first=16, bad=bad), 20, steps_per_loop=4, max_skipped_steps=10)
    monkeypatch.setattr(log.trainer, "evaluate", lambda: {"video_ari_foreground": 0.25, name: NAN})
    with pytest.raises(
        UserError, match=rf"^Step 20: {name} of the held-out clips is nan and training stopped: the wei"
    ):
        log.trainer.train()
    assert log.steps_of("save") == [20]
    assert log.steps_of("best") == log.steps_of("note") == []


def test_an_interrupted_run_is_saved_as_far_as_it_came(capsys):
    log = train(Steps(interrupt_at=6), 20, steps_per_loop=4)
    with pytest.raises(KeyboardInterrupt):
        log.trainer.train()
    assert log.steps_of("save") == [8]  # the loop in which it came was finished by TensorFlow
    assert capsys.readouterr().out.endswith("Saved at step 8: ckpt-8\n")


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


def test_what_is_waited_for_is_watched_while_steps_are_taken(monkeypatch):
    asked = []

    @contextlib.contextmanager
    def watched(waiting_since, tell, open_files):
        asked.append((waiting_since, open_files, callable(tell)))
        yield
        asked.append("ended")

    monkeypatch.setattr(trainer, "input_watched", watched)
    steps = Steps()
    train(steps, 4, open_files=list).trainer.train()
    assert asked == [(steps.waiting_since, list, True), "ended"]
