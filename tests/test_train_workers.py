"""Two workers, as processes of this machine: what they train, and what becomes of it when one is stopped or killed.

All jobs are started by tools/launch_local.py. The environment variable ALL_KILLS=1 kills either worker at every place.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal

import pytest
import tensorflow as tf

from simone_tf.training.distribution import make_strategy
from simone_tf.training.time_limit import LEAST_STEPS

from tiny_run import weights
from worker_runs import difference, ended, job, started, train_here, write_config

SAME = 1e-5
"""The greatest difference of weights, moments and averages: sums of the same numbers in another order."""
STEPS = 6
KILLS = [
    (worker, place, step)
    for place, step in (("step", 2), ("checkpoint", 4), ("measured", 6))
    for worker in (1, 0)
    if os.environ.get("ALL_KILLS") or (worker, place) in ((1, "step"), (0, "checkpoint"), (1, "measured"))
]


@pytest.fixture(scope="module")
def gin_file(tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("workers"))


@pytest.fixture(scope="module")
def one(gin_file, tmp_path_factory):
    """A run of one process."""
    run_dir = tmp_path_factory.mktemp("one") / "run"
    train_here(gin_file, run_dir, STEPS, tf.distribute.get_strategy())
    return run_dir


def nothing_is_left(run_dir):
    names = {path.name for path in run_dir.iterdir() if not path.name.startswith("events.out")}
    return names == {"best", "checkpoints", "config.gin", "metrics.json", "pictures"}


def test_two_workers_train_what_one_does(gin_file, one, tmp_path):
    run_dir = tmp_path / "run"
    done = job(gin_file, run_dir, STEPS)
    assert done.code == 0, done.lines
    print(f"\ntwo workers: {difference(one, run_dir, STEPS):.1e}")
    assert difference(one, run_dir, 2) < SAME
    assert difference(one, run_dir, STEPS) < SAME
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (one, run_dir)]
    assert metrics[1].keys() == metrics[0].keys()
    assert metrics[1]["reconstruction_mse"] == pytest.approx(metrics[0]["reconstruction_mse"], abs=SAME)
    # The chief tells and writes for all.
    (line,) = done.of(1)
    assert line.startswith("Worker 1 of 2 (127.0.0.1:")
    assert any(line.startswith(f"step {STEPS}/{STEPS}  held-out") for line in done.of(0))
    assert sum(path.name.startswith("events.out") for path in run_dir.iterdir()) == 1
    assert nothing_is_left(run_dir)


def test_a_checkpoint_moves_between_one_device_two_replicas_and_two_workers(gin_file, tmp_path):
    alone, replicas = tf.distribute.get_strategy(), make_strategy(devices=["CPU:0", "CPU:1"])
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    train_here(gin_file, whole, 10, alone)
    train_here(gin_file, moved, 2, alone)
    done = job(gin_file, moved, 4)
    assert done.code == 0, done.lines
    assert f"Going on from {moved / 'checkpoints' / 'ckpt-2'}." in done.of(0)
    train_here(gin_file, moved, 6, replicas)
    assert job(gin_file, moved, 8).code == 0
    train_here(gin_file, moved, 10, alone)
    for step in (4, 6, 8, 10):
        print(f"\nmoved, step {step}: {difference(whole, moved, step):.1e}")
        assert difference(whole, moved, step) < SAME


def test_a_run_that_is_stopped_and_killed_again_and_again_is_the_one_that_was_not(gin_file, one, tmp_path):
    run_dir = tmp_path / "run"
    # The scheduler ends one worker: all save and end as one process does.
    done = job(gin_file, run_dir, STEPS, fault="1:step:0:TERM")
    assert done.code == 0, done.lines
    for worker in (0, 1):
        assert any(line.startswith("Interrupted; what was saved so far is kept") for line in done.of(worker))
    assert sorted(path.stem for path in (run_dir / "checkpoints").glob("*.index")) == ["ckpt-1"]
    for worker, place, step in KILLS:
        copy = run_dir if len(KILLS) == 3 else shutil.copytree(run_dir, tmp_path / f"{worker}_{place}")
        done = job(gin_file, copy, STEPS, fault=f"{worker}:{place}:{step}:KILL")
        code, killed_at = done.end_of(worker)
        assert code == 128 + signal.SIGKILL, done.lines
        code, ended_at = done.end_of(1 - worker)
        print(f"\n{place}: worker {1 - worker} ended {ended_at - killed_at:.1f} s after worker {worker} was killed")
        assert code == 1
        assert ended_at - killed_at < 60
        (told,) = (line for line in done.of(1 - worker) if line.startswith("Error: "))
        assert told.startswith(f"Error: Worker {worker} of 2 (127.0.0.1:")
        assert "start the same command on all workers again" in told
        assert not any("Traceback" in line for _, line in done.lines)
        if copy != run_dir:
            assert job(gin_file, copy, STEPS).code == 0
            print(f"restarted: {difference(one, copy, STEPS):.1e}")
            assert difference(one, copy, STEPS) < SAME
    done = job(gin_file, run_dir, STEPS)
    assert done.code == 0, done.lines
    print(f"stopped and killed: {difference(one, run_dir, STEPS):.1e}")
    assert difference(one, run_dir, STEPS) < SAME
    assert nothing_is_left(run_dir)


def test_ctrl_c_stops_all_and_leaves_no_process(gin_file, tmp_path):
    run_dir = tmp_path / "run"
    process = started(gin_file, run_dir, 10**6, "--gin_param=train.evaluate_every = 0")
    for line in process.stdout:
        if line.startswith("[0] step 3/"):
            break
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.code == done.end_of(0)[0] == done.end_of(1)[0] == 128 + signal.SIGINT, done.lines
    newest = max(int(path.stem.removeprefix("ckpt-")) for path in (run_dir / "checkpoints").glob("*.index"))
    assert newest >= 3
    assert weights(run_dir, newest)["step/.ATTRIBUTES/VARIABLE_VALUE"] == newest
    assert not (run_dir / ".workers").exists()
    left = [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(run_dir) in _text_of(path)]
    assert not left


def test_the_service_of_tf_data_feeds_both_and_their_time_ends_at_the_same_step(gin_file, tmp_path):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=dispatcher.target.split("://")[1]))
    run_dir = tmp_path / "run"
    params = ("train.max_minutes = 0.05", "train.evaluate_every = 0", "train.checkpoint_every = 0")
    flags = [f"--data_service={dispatcher.target}", *(f"--gin_param={param}" for param in params)]
    done = job(gin_file, run_dir, 10**6, *flags)
    assert done.code == 0, done.lines
    assert json.loads((run_dir / "metrics.json").read_text())["step"] >= LEAST_STEPS
    worker._stop()
    dispatcher._stop()


def _text_of(path):
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""
