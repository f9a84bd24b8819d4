"""GECO in training steps: replicas move it alike, and a run that goes on goes on with it."""

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.parts.objective import Geco
from simone_tf.training.checkpoints import Checkpoints

OPTIONS = {"decay": 0.5, "max_log_step": 1.0}


def make(make_step, strategy):
    return make_step(strategy, model={"objective": Geco(0.5, **OPTIONS)})


def state(step):
    return [variable.numpy() for variable in step.model.objective.variables]


def everything(step):
    return [variable.numpy() for variable in (*step.model.variables, *step.optimizer.variables)]


def test_two_replicas_equal_one(one_replica, two_replicas, make_step, feed, clips):
    steps, rows = [], []
    for strategy in (one_replica, two_replicas):
        steps.append(make(make_step, strategy))
        rows.append(steps[-1].run(feed(strategy, clips, 4), 4))
    for name in ("loss", "multiplier", "missing_nats", "weighted_object_kl"):
        np.testing.assert_allclose(rows[1][name], rows[0][name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(state(steps[1]), state(steps[0]), rtol=1e-4)
    assert len(set(rows[0]["multiplier"].tolist())) == 4
    for variable in steps[1].model.objective.variables:
        first, second = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second)


def test_what_a_step_tells_is_what_it_was_taken_with(one_replica, make_step, feed, clips):
    step = make(make_step, one_replica)
    rows = step.run(feed(one_replica, clips, 4), 3)
    missing, average, weight, log = 0.5 - rows["nats_per_pixel"].astype(np.float64), 0.0, 0.0, 0.0
    for number in range(3):
        np.testing.assert_allclose(rows["multiplier"][number], np.exp(log), rtol=1e-5)
        kl = 0.01 * rows["object_kl"][number] / np.exp(log)
        np.testing.assert_allclose(rows["weighted_object_kl"][number], kl, rtol=1e-4)
        average, weight = 0.5 * average + 0.5 * missing[number], 0.5 * weight + 0.5
        log += np.clip(0.02 * average / weight, -1.0, 1.0)
    np.testing.assert_allclose(step.model.objective.log_multiplier.numpy(), log, rtol=1e-4)


def test_a_restart_changes_nothing(tmp_path, one_replica, make_step, feed, clips):
    whole = make(make_step, one_replica)
    whole.run(feed(one_replica, clips, 4), 6)

    def parts(step):
        return {"model": step.model, "optimizer": step.optimizer, "step": step.step}

    half = make(make_step, one_replica)
    half.run(feed(one_replica, clips, 4), 3)
    Checkpoints(tmp_path, parts(half)).save(3)
    # The target is that of the start, whatever another run's metrics say by now.
    resumed = make_step(one_replica, model={"objective": Geco(0.7, **OPTIONS)})
    Checkpoints(tmp_path, parts(resumed)).restore_latest()
    for value, wanted in zip(state(resumed), state(half), strict=True):
        np.testing.assert_array_equal(value, wanted)
    resumed.run(feed(one_replica, clips, 4), 3)
    for value, wanted in zip(everything(resumed), everything(whole), strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_a_run_without_it_cannot_go_on_with_it(tmp_path, one_replica, make_step, feed, clips):
    plain = make_step(one_replica)
    Checkpoints(tmp_path, {"model": plain.model, "step": plain.step}).save(1)
    other = make(make_step, one_replica)
    with pytest.raises(UserError, match="another architecture"):
        Checkpoints(tmp_path, {"model": other.model, "step": other.step}).restore_latest()
