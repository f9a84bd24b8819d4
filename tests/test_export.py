"""The export command: what a run becomes, and every run that cannot become one."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import export
from simone_tf.runs.load import load_pretrained, load_run
from simone_tf.runs.pretrained import find_pretrained, read_card
from simone_tf.serving.saved_model import load_export

from tiny_run import fails


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports") / "tiny" / "1"
    export.main([f"--run_dir={run}", f"--export_dir={folder}", "--chunk_size=50"])
    return folder


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def test_the_export_computes_what_the_run_does(run, exported):
    model = load_run(str(run)).model
    video = tf.random.stateless_uniform([3, 2, 8, 8, 3], [1, 2])
    found = load_export(exported).loaded.signatures["segment_soft"](video=video)
    np.testing.assert_allclose(found["slot_masks"], model.decompose(video).slot_masks, atol=1e-5)


def test_the_description_says_what_was_trained(run, exported, clips):
    description = json.loads((exported / "serving.json").read_text())
    assert (description["step"], description["checkpoint"]) == (6, "checkpoints/ckpt-6")
    assert (description["num_frames"], description["frame_size"]) == (2, [8, 8])
    assert description["metrics"] == json.loads((run / "metrics.json").read_text())
    assert description["training_data"] == {"reader": "ClipRecords", "data_dir": str(clips), "split": "train"}
    assert "PixelDecoder.hidden_size = 8" in description["config"]
    assert description["chunk_size"] == 50


def test_the_best_checkpoint(run, tmp_path, capsys):
    export.main([f"--run_dir={run}", f"--export_dir={tmp_path / 'named'}", "--best"])
    description = json.loads((tmp_path / "named" / "serving.json").read_text())
    best = json.loads((run / "best" / "best.json").read_text())
    assert description["checkpoint"] == f"best/ckpt-{best['step']}"
    assert "must be named by a version number" in capsys.readouterr().out


def test_how_to_serve_it_is_told(run, exported, capsys):
    export.main([f"--run_dir={run}", f"--export_dir={exported}", "--chunk_size=50"])
    told = capsys.readouterr().out
    assert f"--model_name=tiny --model_base_path={exported.parent}" in told
    assert os.listdir(exported.parent) == ["1"]


def test_a_set_that_is_shipped_goes_by_its_name(copied, tmp_path):
    text = (copied / "config.gin").read_text()
    lines = [
        "training/ClipRecords.data_dir = 'package:quickstart'" if "training/ClipRecords.data_dir" in line else line
        for line in text.splitlines()
    ]
    (copied / "config.gin").write_text("\n".join(lines))
    (copied / "metrics.json").unlink()
    export.main([f"--run_dir={copied}", f"--export_dir={tmp_path / '1'}"])
    description = json.loads((tmp_path / "1" / "serving.json").read_text())
    assert description["training_data"]["data_dir"] == "package:quickstart"
    assert description["metrics"] is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--export_dir=x"], "--run_dir is missing"),
        (["--run_dir=x"], "--export_dir is missing"),
        (["--run_dir=gs://x", "--export_dir=x"], "is an address"),
        (["--run_dir=x", "--export_dir=gs://x"], "is an address"),
        (["--run_dir=x", "--export_dir=x", "--chunk_size=0"], "--chunk_size=0 is out of range"),
        (["--run_dir=x", "--export_dir=x", "--chunk_size=2147483648"], "--chunk_size=2147483648 is out of range"),
        (["--run_dir=nowhere", "--export_dir=x"], "nowhere"),
        (["--run_dir=x", "--pretrained=quickstart", "--export_dir=x"], "leave one out"),
        (["--pretrained=nothing", "--export_dir=x"], "there is no such model"),
        (["--pretrained=quickstart"], "--export_dir is missing"),
    ],
)
def test_mistakes_in_flags(flags, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in fails(capsys, flags, main=export.main)
    assert os.listdir(tmp_path) == []


def _damage(name):
    def change(run_dir):
        path = run_dir / "checkpoints" / name
        path.write_bytes(path.read_bytes()[:100])

    return change


def _replace(old, new):
    def change(run_dir):
        path = run_dir / "config.gin"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run_dir: shutil.rmtree(run_dir / "checkpoints"), "holds no checkpoint"),
        (lambda run_dir: (run_dir / "config.gin").unlink(), "config.gin"),
        (_damage("ckpt-6.data-00000-of-00001"), "is damaged"),
        (_damage("ckpt-6.index"), "is damaged"),
        (_replace("PixelDecoder.num_hidden_layers = 2", "PixelDecoder.num_hidden_layers = 3"), "another architecture"),
        (_replace("PixelDecoder.hidden_size = 8", "PixelDecoder.hidden_size = 9"), "another architecture"),
        (lambda run_dir: (run_dir / "metrics.json").write_text('{"a": '), "metrics.json cannot be read"),
    ],
)
def test_runs_that_cannot_be_exported(copied, exported, change, words, capsys):
    before = (exported / "serving.json").read_bytes()
    change(copied)
    assert words in fails(capsys, [f"--run_dir={copied}", f"--export_dir={exported}"], main=export.main)
    assert (exported / "serving.json").read_bytes() == before
    assert os.listdir(exported.parent) == ["1"]


def test_the_run_itself_is_not_overwritten(copied, capsys):
    before = sorted(os.listdir(copied))
    flags = [f"--run_dir={copied}", f"--export_dir={copied}"]
    assert "not an export of simone_tf" in fails(capsys, flags, main=export.main)
    assert sorted(os.listdir(copied)) == before


def test_a_folder_that_cannot_be_made_is_told(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    flags = [f"--run_dir={run}", f"--export_dir={tmp_path / 'file' / '1'}"]
    assert "cannot be written" in fails(capsys, flags, main=export.main)


def test_a_pretrained_model_is_exported_with_its_card(tmp_path):
    export.main(["--pretrained=quickstart", f"--export_dir={tmp_path / '1'}"])
    written = load_export(str(tmp_path / "1"))
    pretrained = load_pretrained("quickstart")
    video = np.random.default_rng(0).random([1, 4, 24, 24, 3], np.float32)
    means = written.loaded.signatures["encode"](video=tf.constant(video))["object_means"]
    np.testing.assert_allclose(means, pretrained.model.encode(video)["object"].mean, atol=1e-5)
    card = read_card(find_pretrained("quickstart"))
    assert written.description["metrics"] == card["metrics"]
    assert written.description["step"] == card["step"]


def test_a_run_of_another_model_is_exported_as_any(colour_run, tmp_path):
    export.main([f"--run_dir={colour_run}", f"--export_dir={tmp_path / '1'}"])
    written = load_export(str(tmp_path / "1"))
    rng = np.random.default_rng(0)
    batch = {"video": rng.random((2, 2, 8, 8, 3), np.float32), "camera": rng.random((2, 2, 7), np.float32)}
    found = written.loaded.signatures["segment_soft"](**{name: tf.constant(value) for name, value in batch.items()})
    np.testing.assert_allclose(
        found["slot_masks"], load_run(str(colour_run)).model.decompose(batch).slot_masks, atol=1e-5
    )
    assert written.description["given"] == {"camera": 7}
    assert (written.description["step"], written.description["object_latent_size"]) == (4, 5)
