"""A training that is killed and told to end ends as one that was left in peace; what is not the same is told."""

import json
import shutil

import pytest
import tensorflow as tf

from simone_tf.errors import UserError

from loaded_tool import load_tool


@pytest.fixture(scope="module")
def tool():
    return load_tool("crash_test")


@pytest.fixture(scope="module")
def out(tool, tmp_path_factory):
    """The tool's own run with three endings; it raises where the two runs differ."""
    out = tmp_path_factory.mktemp("crash") / "out"
    tool.main([f"--out={out}", "--kills=2", "--terms=1"])
    return out


def test_killed_runs_end_as_one_that_was_left_in_peace(tool, out):
    assert tool.differences(out / "whole", out / "killed") == []
    # A session each: three that were ended, and the last one.
    assert len(list((out / "killed").glob("events.out.tfevents.*"))) == 4
    assert json.loads((out / "killed" / "metrics.json").read_text())["step"] == 160


@pytest.fixture
def copy(out, tmp_path):
    shutil.copytree(out / "killed", tmp_path / "copy")
    return tmp_path / "copy"


def test_another_score_is_told(tool, out, copy):
    metrics = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").write_text(json.dumps(metrics | {"video_ari": 0.5, "session_seconds": 0.0}))
    assert tool.differences(out / "whole", copy) == ["metrics.json: video_ari"]


def test_a_step_that_is_shown_twice_is_told(tool, out, copy):
    with tf.summary.create_file_writer(str(copy)).as_default():
        tf.summary.scalar("train/loss", 0.0, step=160)
    assert set(tool.differences(out / "whole", copy)) == {
        "TensorBoard: steps of train/loss",
        "TensorBoard: train/loss",
    }


def test_other_weights_and_what_is_left_over_are_told(tool, out, copy):
    (copy / "checkpoints" / "ckpt-170_temp").mkdir()
    path = next((copy / "checkpoints").glob("ckpt-160.data*"))
    for name in ("ckpt-160.index", path.name):
        shutil.copy(copy / "checkpoints" / name.replace("160", "150"), copy / "checkpoints" / name)
    found = tool.differences(out / "whole", copy)
    assert any(sentence.startswith("weights: model") for sentence in found)
    assert "weights: step/.ATTRIBUTES/VARIABLE_VALUE" in found
    assert found[-1].startswith("left over: ")


@pytest.mark.parametrize("name", ["kills", "terms"])
def test_counts_below_0_are_told(tool, tmp_path, name):
    with pytest.raises(UserError, match=f"--{name}=-1 is out of range: choose 0 or more"):
        tool.main([f"--out={tmp_path / 'new'}", f"--{name}=-1"])
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_there_is_not_written_into(tool, tmp_path):
    with pytest.raises(UserError, match="is there already"):
        tool.main([f"--out={tmp_path}"])
