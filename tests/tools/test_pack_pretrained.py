"""Packing a run as a pretrained model: it computes what the run does, and nothing of this machine is in it."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from simone_tf.runs.load import load_pretrained, load_run
from simone_tf.runs.pretrained import CARD, CARD_TEXT, CONFIG, WEIGHTS

from loaded_tool import load_tool
from tiny_run import fails

PATH = pathlib.Path(__file__).parents[2] / "tools" / "pack_pretrained.py"


@pytest.fixture(scope="module")
def tool():
    return load_tool("pack_pretrained")


def flags(run, out, *further):
    folders = [f"--gin_param={part}/ClipRecords.data_dir = 'package:quickstart'" for part in ("training", "held_out")]
    return [f"--run_dir={run}", "--name=mine", f"--out={out}", *folders, *further]


@pytest.fixture
def packed(tool, run, tmp_path):
    tool.main(flags(run, tmp_path, "--command=python -m simone_tf.train --gin_file=x.gin", "--notes=Only squares."))
    return tmp_path / "mine"


def test_what_is_packed_computes_what_the_run_does(packed, run):
    video = np.random.default_rng(0).random((2, 2, 8, 8, 3), np.float32)
    original, again = load_run(run), load_pretrained(f"{packed}")
    for wanted, found in zip(original.model.decompose(video)[:4], again.model.decompose(video)[:4], strict=True):
        np.testing.assert_array_equal(wanted.numpy(), found.numpy())
    assert again.step == original.step


def test_the_card_says_where_it_comes_from(packed, run):
    card = json.loads((packed / CARD).read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert card["metrics"]["video_ari_foreground"]["mean"] == metrics["video_ari_foreground"]
    assert card["metrics"]["mse"]["mean"] == metrics["reconstruction_mse"]
    assert card["metrics"]["num_clips"] == 3
    assert card["data"]["training/ClipRecords"] == {"data_dir": "package:quickstart", "split": "train"}
    assert (card["num_frames"], card["frame_size"], card["num_slots"]) == (2, [8, 8], 4)
    text = (packed / CARD_TEXT).read_text()
    for part in ("x.gin", "Only squares.", card["files"][WEIGHTS]["sha256"], "package:quickstart"):
        assert part in text


def test_nothing_of_this_machine_is_packed(packed, run):
    for name in (CARD, CARD_TEXT, CONFIG):
        content = (packed / name).read_text()
        assert str(run) not in content
        assert str(PATH.parent) not in content
    assert sorted(path.name for path in packed.iterdir()) == sorted([CARD, CARD_TEXT, CONFIG, WEIGHTS])


@pytest.mark.parametrize("out", ["models", "deep/models", ""])
def test_the_commands_of_the_card_work(tool, run, tmp_path, monkeypatch, capsys, out):
    """From the folder in which it was packed; where it lies elsewhere, from the folder that holds it."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    tool.main(flags(run, out or tmp_path / "there"))
    if not out:
        monkeypatch.chdir(tmp_path / "there")
    folder = pathlib.Path(out, "mine")
    text = (folder / CARD_TEXT).read_text()
    assert str(tmp_path) not in text + (folder / CARD).read_text()
    (named,) = re.findall(r"--pretrained=(\S+)", text)
    assert load_pretrained(named).step == 6
    (config,) = re.findall(r"--gin_file=(\S+)", json.loads((folder / CARD).read_text())["command"])
    assert pathlib.Path(config).samefile(folder / CONFIG)
    (named,) = re.findall(r"--pretrained=(\S+)", capsys.readouterr().out)
    assert load_pretrained(named).step == 6


def test_a_shipped_model_is_named_by_its_name(tool, run, tmp_path, monkeypatch):
    monkeypatch.setattr(tool.pretrained, "SHIPPED", str(tmp_path))
    tool.main(flags(run, tmp_path))
    assert "--pretrained=mine\n" in (tmp_path / "mine" / CARD_TEXT).read_text()
    assert (
        "--gin_file=simone_tf/pretrained/mine/config.gin "
        in json.loads((tmp_path / "mine" / CARD).read_text())["command"]
    )


def test_a_newer_evaluation_gives_the_metrics(tool, run, tmp_path):
    spread = {"mean": 0.5, "std": 0.25}
    evaluation = {
        "run": {"step": 6, "num_clips": 7, "split": "test"},
        "segmentation": {"video_ari_foreground": spread},
        "reconstruction": {"mse": spread},
    }
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    (copied / "evaluation").mkdir()
    (copied / "evaluation" / "metrics.json").write_text(json.dumps(evaluation))
    tool.main(flags(copied, tmp_path))
    card = json.loads((tmp_path / "mine" / CARD).read_text())
    assert card["metrics"] == {"num_clips": 7, "split": "test", "video_ari_foreground": spread, "mse": spread}
    # An evaluation of another step is not one of these weights.
    evaluation["run"]["step"] = 5
    (copied / "evaluation" / "metrics.json").write_text(json.dumps(evaluation))
    tool.main(flags(copied, tmp_path, "--overwrite"))
    card = json.loads((tmp_path / "mine" / CARD).read_text())
    assert (card["metrics"]["num_clips"], card["metrics"]["video_ari_foreground"] == spread) == (3, False)


def test_mistakes_are_told(tool, run, tmp_path, capsys, monkeypatch):
    out = f"--out={tmp_path}"
    assert "this machine" in fails(capsys, [f"--run_dir={run}", "--name=mine", out], tool.main)
    assert "no name" in fails(capsys, [*flags(run, tmp_path), "--name=../mine"], tool.main)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    for further in ([], ["--overwrite"]):
        assert "there already" in fails(capsys, flags(run, tmp_path, *further), tool.main)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    monkeypatch.setattr(tool, "MAX_BYTES", 1000)
    assert "more than the 1000" in fails(capsys, [*flags(run, tmp_path), "--name=large"], tool.main)
    assert not (tmp_path / "large").exists()


def test_a_run_without_metrics_of_its_step_is_told(tool, run, tmp_path, capsys):
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    (copied / "metrics.json").unlink()
    assert "has no metrics of step 6" in fails(capsys, flags(copied, tmp_path), tool.main)
