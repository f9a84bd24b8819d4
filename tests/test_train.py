"""The whole training command, in this process, on tiny clips; a few calls through a real process."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing import plugin_event_accumulator

from simone_tf import train
from simone_tf.runs.load import load_run

from tiny_run import QUICKSTART, REPOSITORY, RESUMED, SIZE, arguments, assert_same_weights, weights


def test_resume_is_exact(run, resumed):
    assert_same_weights(run, resumed, 3)
    assert_same_weights(run, resumed, 6)
    first, last = weights(run, 3), weights(run, 6)
    moved = [name for name, value in first.items() if not np.array_equal(value, last[name])]
    assert len(moved) > 0.9 * len(first)
    both = [json.loads((folder / "metrics.json").read_text()) for folder in (run, resumed)]
    for metrics in both:
        metrics.pop("session_seconds")
    assert both[0] == both[1]


def test_resume_keeps_the_config_of_the_run(run, resumed):
    assert (resumed / "config.gin").read_text() == (run / "config.gin").read_text()
    half = (resumed.parent / "half" / "config.gin").read_text()
    assert half.replace("num_steps = 3", "num_steps = 6") == (run / "config.gin").read_text()


def test_metrics_and_pictures(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["step"] == 6
    assert metrics["num_clips"] == 3
    assert metrics["seed"] == 0
    assert metrics["frames"] == 2
    assert metrics["resolution"] == [SIZE, SIZE]
    assert metrics["split"] == "test"
    assert -1 <= metrics["video_ari_foreground"] <= 1
    assert 0 < metrics["reconstruction_mse"] < 1
    trained = [name for name in weights(run, 6) if name.startswith("average/averages")]
    assert metrics["parameters"] == sum(weights(run, 6)[name].size for name in trained)
    names = sorted(path.name for path in (run / "pictures").iterdir())
    assert names == sorted(
        f"{kind}_{index}.{ending}"
        for kind in ("decomposition", "recomposition")
        for index in (0, 1)
        for ending in ("gif", "png")
    )
    for name in names:
        with Image.open(run / "pictures" / name) as picture:
            picture.verify()
    assert sorted(path.name for path in (run / "checkpoints").glob("*.index")) == ["ckpt-3.index", "ckpt-6.index"]
    assert json.loads((run / "best" / "best.json").read_text())["metric"] == "video_ari_foreground"
    assert sum(path.name.startswith("events.out.tfevents") for path in run.iterdir()) == 1
    # Nothing temporary is left.
    known = {"best", "checkpoints", "config.gin", "metrics.json", "pictures"}
    assert {path.name for path in run.iterdir() if not path.name.startswith("events")} == known


def test_a_finished_run_prints_its_table_again(resumed, capsys):
    before = weights(resumed, 6)
    train.main([f"--run_dir={resumed}"])
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) > 1}
    assert table["step"][0] in ("6", "6/6")
    assert float(table["video_ari_foreground"][0]) == pytest.approx(
        json.loads((resumed / "metrics.json").read_text())["video_ari_foreground"], abs=1e-4
    )
    after = weights(resumed, 6)
    assert all(np.array_equal(value, after[name]) for name, value in before.items())


def start(flags, **options):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    options = {"stdout": subprocess.PIPE} | options
    return subprocess.Popen(
        [sys.executable, "-m", "simone_tf.train", *flags],
        cwd=REPOSITORY,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore SIGINT; the process under test must not inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def test_the_process_ends_with_code_2_and_one_sentence(tmp_path):
    process = start(arguments(tmp_path / "run", tmp_path / "nowhere"))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert output == ""
    assert "Traceback" not in errors
    told = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1
    assert str(tmp_path / "nowhere") in told[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_saves_and_goes_on(clips, tmp_path, number):
    run_dir = tmp_path / "run"
    endless = ["num_steps = 100000000", "train.log_every = 10", "train.checkpoint_every = 0"]
    process = start(arguments(run_dir, clips, *endless))
    assert process.stdout.readline().startswith("step 10/")
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    # A scheduler that takes the machine away is no failure: all is saved.
    assert process.returncode == (0 if number == signal.SIGTERM else 128 + number)
    assert "Traceback" not in errors
    assert "Interrupted" in errors
    (saved,) = (run_dir / "checkpoints").glob("*.index")
    step = int(saved.stem.removeprefix("ckpt-"))
    assert step >= 10
    assert weights(run_dir, step)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step


def test_a_run_in_float16_goes_on_with_its_scale(clips, tmp_path):
    """Cut while the scale is being found: each step that is skipped halves it, and the optimizer does not count it."""
    params = ("train.precision = 'mixed_float16'", "train.num_pictures = 0", "train.checkpoint_every = 2")
    train.main(arguments(tmp_path / "whole", clips, *params, "num_steps = 24"))
    train.main(arguments(tmp_path / "cut", clips, *params, "num_steps = 2"))
    train.main(arguments(tmp_path / "cut", clips, *params, "num_steps = 24"))
    assert_same_weights(tmp_path / "whole", tmp_path / "cut", 24)
    stored = {name.partition("/.ATTRIBUTES")[0]: value for name, value in weights(tmp_path / "cut", 24).items()}
    skipped = 24 - stored["optimizer/_iterations"]
    assert 2 < skipped < 20
    assert stored["loss_scale/factor"] == 2.0 ** (15 - skipped)


def test_signals_in_a_row_cost_no_step(clips, tmp_path):
    run_dir = tmp_path / "run"
    endless = ["num_steps = 100000000", "train.log_every = 10", "train.checkpoint_every = 0"]
    process = start(arguments(run_dir, clips, *endless))
    assert process.stdout.readline().startswith("step 10/")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.02)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if line.startswith(("Interrupted; ", "Stopping: "))]) in (1, 2)
    (saved,) = (run_dir / "checkpoints").glob("*.index")
    assert int(saved.stem.removeprefix("ckpt-")) >= 10
    assert not list((run_dir / "checkpoints").glob("*temp*"))


def test_steps_that_are_taken_again_are_shown_once(clips, tmp_path):
    """A kill at step 5 of a run whose last checkpoint is that of step 4: steps 4 and 5 were logged, 4 was scored."""
    run_dir = tmp_path / "run"
    params = ("train.log_every = 1", "train.checkpoint_every = 2", "train.evaluate_every = 2", "train.num_pictures = 0")
    train.main(arguments(run_dir, clips, *params, "num_steps = 5"))
    for path in (run_dir / "checkpoints").glob("ckpt-5.*"):
        path.unlink()
    # The evaluation of step 4 was ended as well, when its measures were logged and not yet noted.
    (run_dir / "checkpoints" / "evaluated").write_text("2\n")
    train.main([f"--run_dir={run_dir}", "--gin_param=num_steps = 7"])
    train.main([f"--run_dir={run_dir}"])  # which is at its end
    shown = plugin_event_accumulator.EventAccumulator(str(run_dir))
    shown.Reload()
    tags = shown.Tags()["tensors"]
    steps = {tag: [event.step for event in shown.Tensors(tag)] for tag in tags}
    assert steps["train/loss"] == [1, 2, 3, 4, 5, 6, 7]
    assert steps["evaluation/video_ari_foreground"] == [2, 4, 6, 7]
    assert all(len(set(found)) == len(found) for found in steps.values())


@pytest.mark.parametrize("name", ["a[b]/back\\slash*"])
def test_a_run_in_a_folder_of_any_name_is_that_of_any_other(clips, run, tmp_path, name, monkeypatch):
    """Its data, its gin file and its cache lie in such folders, too."""
    odd = tmp_path / name
    data = shutil.copytree(clips, odd / "data[1]?")
    gin_file = odd / "c{o}[n]fig.gin"
    gin_file.write_text(f"include '{QUICKSTART}'\n")
    monkeypatch.chdir(odd)
    train.main(arguments("run", data, *RESUMED, "num_steps = 3", gin_file=gin_file))
    train.main([f"--run_dir={odd / 'run'}", "--gin_param=num_steps = 6"])
    copied = shutil.copytree(odd / "run", tmp_path / "copied")  # where the test itself finds them
    assert_same_weights(run, copied, 3)
    assert_same_weights(run, copied, 6)
    assert load_run(str(odd / "run")).step == load_run("run").step == 6
    names = sorted(path.name for path in (odd / "run" / "checkpoints").iterdir())
    parts = [f"ckpt-{step}.{end}" for step in (3, 6) for end in ("data-00000-of-00001", "index")]
    assert names == sorted(["checkpoint", "evaluated", *parts])


def test_the_command_needs_no_working_folder(clips, tmp_path, monkeypatch):
    """Includes are found beside the gin file; `train` is what gin knows whether it is run or imported."""
    monkeypatch.chdir(tmp_path)
    assert importlib.import_module("simone_tf.train") is train
    params = ("num_steps = 1", "train.num_pictures = 0", "train.frame_size = 8")  # one number for both sides
    train.main(arguments("run", clips, *params))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["step"] == 1
    assert metrics["resolution"] == [8, 8]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_under_the_output_costs_nothing(clips, tmp_path):
    run_dir = tmp_path / "run"
    params = ("num_steps = 4", "train.log_every = 1", "train.checkpoint_every = 2", "train.num_pictures = 0")
    with open("/dev/full", "w") as full:
        process = start(arguments(run_dir, clips, *params), stdout=full)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "No space left" in errors
    assert json.loads((run_dir / "metrics.json").read_text())["step"] == 4


def test_batches_come_from_a_data_service(clips, tmp_path):
    dispatcher = tf.data.experimental.service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    worker = tf.data.experimental.service.WorkerServer(
        tf.data.experimental.service.WorkerConfig(dispatcher_address=address)
    )
    binding = "training_batches.cache = False"
    train.main([*arguments(tmp_path / "run", clips, binding, "num_steps = 3"), f"--data_service={dispatcher.target}"])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["step"] == 3
    # How the batches came is not what the run is: it goes on without the service.
    train.main([f"--run_dir={tmp_path / 'run'}", "--gin_param=num_steps = 4"])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["step"] == 4
    worker._stop()
    dispatcher._stop()
