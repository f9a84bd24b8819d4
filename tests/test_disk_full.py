"""Tests of the commands on a disk that is really full: what is told, what is left, and that a run goes on with room."""

import os
import shutil

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from simone_tf import export, train
from simone_tf.files import read_json
from simone_tf.runs import training_run
from simone_tf.training import checkpoints

from tiny_run import assert_same_weights, fails

LEFT = 8192  # bytes, which hold no checkpoint of the tiny model


@pytest.fixture
def halfway(small_disk, resumed):
    """A run folder, on a small disk, after three of six steps."""
    return shutil.copytree(resumed.parent / "half", small_disk.folder / "run")


def go_on(run_dir):
    return [f"--run_dir={run_dir}", "--gin_param=num_steps = 6"]


def curve(run_dir):
    """The steps whose scores are in TensorBoard."""
    events = EventAccumulator(os.fspath(run_dir), size_guidance={"tensors": 0}).Reload()
    return [event.step for event in events.Tensors("evaluation/video_ari_foreground")]


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_checkpoint(halfway, run, small_disk, monkeypatch, capsys, when):
    look = checkpoints.check_room

    def filled(*arguments):
        if when == "before":
            small_disk.leave(LEFT)
            look(*arguments)
        else:  # by somebody else, after there was room
            look(*arguments)
            small_disk.leave(LEFT)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "check_room", filled)
        told = fails(capsys, go_on(halfway))
    assert f"{halfway}/checkpoints: the checkpoint could not be written" in told
    assert ("are free" if when == "before" else "No space left") in told
    assert "free space" in told
    assert tf.train.latest_checkpoint(os.fspath(halfway / "checkpoints")).endswith("ckpt-3")
    assert_same_weights(halfway, halfway, 3)  # all of it can be read
    small_disk.empty()
    train.main(go_on(halfway))
    assert_same_weights(halfway, run, 6)
    assert curve(halfway) == curve(run)  # none lost, none twice


def test_summaries_wait(halfway, run, small_disk, capsys):
    """They leave what there is to the checkpoints; nothing is cut in two."""
    small_disk.leave(4 * 2**20)
    train.main(go_on(halfway))
    assert capsys.readouterr().err.count("TensorBoard summaries are not written (the disk is almost full") == 1
    assert_same_weights(halfway, run, 6)
    assert curve(halfway) == [step for step in curve(run) if step <= 3]


def test_metrics(halfway, run, small_disk, monkeypatch, capsys):
    def full(path, metrics):
        small_disk.leave(0)
        write(path, metrics)

    before, write = (halfway / "metrics.json").read_bytes(), training_run.write_json
    with monkeypatch.context() as patch:
        patch.setattr(training_run, "write_json", full)
        assert f"--run_dir={halfway} cannot be written (" in fails(capsys, go_on(halfway))
    assert (halfway / "metrics.json").read_bytes() == before
    small_disk.empty()
    train.main(go_on(halfway))
    assert_same_weights(halfway, run, 6)
    measured, whole = (read_json(folder / "metrics.json", 2**20) for folder in (halfway, run))
    assert measured["step"] == 6
    assert measured["video_ari_foreground"] == whole["video_ari_foreground"]


def test_an_export(run, small_disk, capsys):
    folder = small_disk.folder / "model" / "1"
    flags = [f"--run_dir={run}", f"--export_dir={folder}"]
    export.main(flags)
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree(folder)
    for left in (0, LEFT, sum(map(len, written.values())) // 2):
        small_disk.leave(left)
        assert "cannot be written" in fails(capsys, flags, export.main)
        assert not folder.exists()
        assert not any(small_disk.folder.rglob("*variables*"))
    small_disk.empty()
    export.main(flags)
    small_disk.leave(LEFT)
    assert f"{folder} cannot be written" in fails(capsys, flags, export.main)
    assert set(written) == {path for path in folder.rglob("*") if path.is_file()}  # the earlier one is as it was
