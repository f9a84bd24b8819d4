"""What several workers agree on, their answers played back; real ones train in tests/test_train_workers.py."""

import os
import signal
import threading
import types

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import interrupts
from simone_tf.errors import LostWorkerError, UserError
from simone_tf.training import workers as module
from simone_tf.training.workers import Workers


@pytest.fixture
def alone():
    return Workers(tf.distribute.get_strategy())


@pytest.fixture
def two(monkeypatch):
    """Worker 0 of 2; `rows` are what worker 1 gives: seconds, signal, values."""
    workers = Workers(tf.distribute.get_strategy())
    workers.count, workers._addresses = 2, {0: "127.0.0.1:1", 1: "127.0.0.1:2"}
    workers._others = {1: "127.0.0.1:2"}
    workers.rows = []

    def gathered(row):
        other = workers.rows.pop(0) if workers.rows else [0.0, 0.0]
        return tf.constant(np.stack([row.numpy(), np.pad(other, (0, len(row) - len(other)))]))

    workers._gathered = gathered
    interrupts.install("what was done is being saved")
    return workers


def test_one_process_has_nobody_to_ask(alone):
    assert (alone.count, alone.index, alone.is_chief) == (1, 0, True)
    alone.meet()
    assert alone.agreed(3.0, -1.0) == [3.0, -1.0]
    assert alone.agreed() == []
    assert alone.is_alike(5.0)
    assert alone.clock() < alone.clock()
    alone.stop_if_asked()
    alone.part()
    with pytest.raises(KeyboardInterrupt), alone.in_step(), alone.apart():
        raise KeyboardInterrupt
    with pytest.raises(tf.errors.UnavailableError), alone.losses_told():
        raise tf.errors.UnavailableError(None, None, "of a data service")


def test_replicas_of_one_process_are_no_workers():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert Workers(strategy).count == 1


def test_the_greatest_of_each_value_counts_and_the_clock_stands_still_between(two):
    two.rows = [[500.0, 0.0, 3.0, -2.0], [600.0, 0.0, 1.0, -1.0]]
    assert two.agreed(1.0, -1.0) == [3.0, -1.0]
    assert two.clock() == two.clock() == 500.0
    assert two.agreed(1.0, -1.0) == [1.0, -1.0]
    assert two.clock() == 600.0
    two.rows = [[1.0, 0.0, 5.0, -5.0], [1.0, 0.0, 6.0, -6.0]]
    assert two.is_alike(5.0)
    assert not two.is_alike(5.0)


def test_a_signal_to_another_worker_stops_this_one_as_well(two):
    two.rows = [[1.0, 0.0], [2.0, float(signal.SIGTERM)]]

    def work():
        for _ in range(2):
            two.agreed()
            two.stop_if_asked()

    with pytest.raises(KeyboardInterrupt), two.in_step():
        work()
    assert two.rows == []
    assert interrupts.exit_code() == 128 + signal.SIGTERM


def test_a_signal_to_this_worker_waits_until_all_know(two):
    done = []

    def work():
        os.kill(os.getpid(), signal.SIGTERM)
        two.stop_if_asked()  # The others do not know yet.
        done.append("step")
        two.agreed()
        two.stop_if_asked()
        done.append("another")

    with pytest.raises(KeyboardInterrupt), two.in_step():
        work()
    assert done == ["step"]


def test_a_signal_ends_what_the_chief_does_apart_and_then_stops_all(two):
    done = []

    def work():
        with two.apart():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("evaluated to the end")
        done.append("others told")
        two.agreed()
        two.stop_if_asked()

    with pytest.raises(KeyboardInterrupt), two.in_step():
        work()
    assert done == ["others told"]


def test_errors_of_collectives_are_told_as_a_loss_where_a_worker_is_gone(two, monkeypatch):
    monkeypatch.setattr(module, "first_gone", lambda others, seconds: 1)
    told = r"Worker 1 of 2 \(127.0.0.1:2\) is gone.*same command on all workers"
    with pytest.raises(LostWorkerError, match=told), two.losses_told():
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted")
    with pytest.raises(tf.errors.DataLossError), two.losses_told():
        raise tf.errors.DataLossError(None, None, "of this worker's own")
    monkeypatch.setattr(module, "first_gone", lambda others, seconds: None)
    with pytest.raises(tf.errors.UnavailableError), two.losses_told():
        raise tf.errors.UnavailableError(None, None, "and all are there")


def test_what_listens_and_is_no_worker_is_told_in_time(two, monkeypatch, capsys):
    codes, ended = [], threading.Event()
    monkeypatch.setattr(module, "wait_for", lambda others, seconds: None)
    monkeypatch.setattr(two, "_watch", types.SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), ended.set()))
    monkeypatch.setattr(two, "agreed", lambda: ended.wait(30))
    two.meet(0.2)
    assert codes == [2]
    assert "each of 127.0.0.1:1, 127.0.0.1:2 is a worker of this job" in capsys.readouterr().err


def test_a_worker_that_does_not_come_up_is_named(two, monkeypatch, capsys):
    monkeypatch.setattr(module, "wait_for", lambda others, seconds: next(iter(others)))
    with pytest.raises(UserError, match=r"worker 1 does not answer at 127.0.0.1:2 within 600 seconds"):
        two.meet()
    assert capsys.readouterr().out.startswith("Worker 0 of 2 (127.0.0.1:1)")
