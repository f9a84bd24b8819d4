"""`decompose --adapt`: what is written, what goes on from it, and every misuse in one sentence."""

import json
import os

import numpy as np
import pytest

from simone_tf import decompose, evaluate, export, train
from simone_tf.cli import command
from simone_tf.long_videos.video_outputs import ADAPTED
from simone_tf.runs.load import load_run
from simone_tf.training.step import TrainingStep

from decomposed import WRITTEN, done, moving_square
from tiny_run import fails

SHORT = "--adapt=0.001"


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "walk.npy", moving_square(12))
    return tmp_path / "walk.npy"


@pytest.fixture
def camera(tmp_path):
    np.save(tmp_path / "camera.npy", np.random.default_rng(0).normal(size=(12, 7)))
    return f"--camera={tmp_path / 'camera.npy'}"


def adapted(npy, run, out, *further):
    decompose.main([str(npy), f"--run_dir={run}", f"--out={out}", SHORT, *further])
    names = set(os.listdir(out))
    assert names - {"overlay.mp4", "recomposition.mp4"} == WRITTEN | {ADAPTED}
    return json.loads((out / "decomposition.json").read_text())


def latents(out):
    with np.load(out / "latents.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_what_is_written_goes_on(tmp_path, colour_run, npy, camera, capsys):
    out, model = tmp_path / "out", tmp_path / "out" / ADAPTED
    facts = adapted(npy, colour_run, out, camera)["model"]
    assert facts["source"] == str(model)
    assert facts["adapted"]["from"] == str(colour_run)
    assert facts["adapted"]["held_out_frames"] == [10, 11]
    assert facts["adapted"]["after"]["nats_per_pixel"] >= facts["adapted"]["before"]["nats_per_pixel"]
    assert facts["adapted"]["steps"] == load_run(str(model)).step
    assert capsys.readouterr().out.count(f"{model} holds the model") == 1
    wanted = latents(out)

    # By --run_dir the same comes out, in another folder and in the same one, in which the model stays.
    done(npy, [f"--run_dir={model}"], tmp_path / "again", camera)
    assert "holds an earlier decomposition" in fails(
        capsys, [str(npy), f"--run_dir={model}", f"--out={out}", camera], decompose.main
    )
    decompose.main([str(npy), f"--run_dir={model}", f"--out={out}", camera, "--overwrite"])
    for other in (tmp_path / "again", out):
        assert set(latents(other)) == set(wanted)
        for name, value in latents(other).items():
            np.testing.assert_array_equal(value, wanted[name], err_msg=name)
    assert "adapted" not in json.loads((out / "decomposition.json").read_text())["model"]

    export.main([f"--run_dir={model}", f"--export_dir={tmp_path / 'export' / '1'}"])
    evaluate.main([f"--run_dir={model}", "--num_probe_clips=0", "--num_pictures=1"])
    measured = json.loads((model / "evaluation" / "metrics.json").read_text())["reconstruction"]
    assert measured["nats_per_pixel"]["mean"] == pytest.approx(facts["adapted"]["after"]["nats_per_pixel"], abs=1e-4)
    still = ("train.num_steps = 1", "Adam.learning_rate = 0.0", "train.num_pictures = 0")
    start = [f"--gin_param={param}" for param in (*still, f"train.initialize_from = '{model}'")]
    train.main([f"--gin_file={colour_run.parent / 'colours.gin'}", f"--run_dir={tmp_path / 'trained'}", *start])
    wanted = load_run(str(model)).model.get_weights()
    for value, other in zip(load_run(str(tmp_path / "trained")).model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-6)


def test_the_same_command_goes_on_after_an_interrupt(tmp_path, colour_run, npy, camera, capsys, monkeypatch):
    take, out = TrainingStep.run, tmp_path / "out"

    def interrupted(self, iterator, count):
        rows = take(self, iterator, count)
        if int(self.step.numpy()) >= 3:
            raise KeyboardInterrupt
        return rows

    flags = [str(npy), f"--run_dir={colour_run}", f"--out={out}", SHORT, camera]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "run", interrupted)
        with pytest.raises(SystemExit) as caught:
            command.run(lambda: decompose.main(flags), interrupted="nothing was written")
    assert caught.value.code == 130
    step = load_run(str(out / ADAPTED)).step
    line = capsys.readouterr().err.splitlines()[-1]
    wanted = f"{out / ADAPTED} holds the model after {step} steps, the same command goes on from there"
    assert line == f"Interrupted; {wanted}."
    assert os.listdir(out) == [ADAPTED]

    adapted(npy, colour_run, out, camera)
    assert f"Going on from {out / ADAPTED}" in capsys.readouterr().out


def test_an_interrupt_after_the_training_names_the_model(tmp_path, colour_run, npy, camera, monkeypatch):
    def interrupted(*arguments, **further):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr("simone_tf.long_videos.write_decomposition.write_decomposition", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        decompose.main([str(npy), f"--run_dir={colour_run}", f"--out={out}", SHORT, camera])
    told = f"the video is not taken apart, {out / ADAPTED} holds the model: go on with --run_dir={out / ADAPTED}"
    assert str(caught.value) == told
    monkeypatch.undo()
    decompose.main([str(npy), f"--run_dir={out / ADAPTED}", f"--out={out}", camera])
    assert set(os.listdir(out)) - {"overlay.mp4", "recomposition.mp4"} == WRITTEN | {ADAPTED}


def test_an_interrupt_before_the_training_leaves_nothing(tmp_path, colour_run, npy, camera, monkeypatch):
    def interrupted(*arguments, **further):
        raise KeyboardInterrupt

    monkeypatch.setattr("simone_tf.long_videos.own_clips.write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        decompose.main([str(npy), f"--run_dir={colour_run}", f"--out={tmp_path / 'out'}", SHORT, camera])
    assert str(caught.value) == ""  # The command says that nothing was written.
    assert sorted(os.listdir(tmp_path)) == ["camera.npy", "walk.npy"]


def test_cuts_are_found_before_the_training(tmp_path, colour_run, npy, camera, capsys):
    decompose.main(
        [str(npy), f"--run_dir={colour_run}", f"--out={tmp_path / 'out'}", SHORT, camera, "--no_cuts", "--fit=pad"]
    )
    sidecar = json.loads((tmp_path / "out" / ADAPTED / "clips" / "dataset.json").read_text())
    assert sidecar["splits"]["train"]["generator"]["scenes"] == [0, 12]
    assert sidecar["splits"]["train"]["generator"]["fit"] == "pad"
    capsys.readouterr()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "-inf", "abc", "", "1e999", "2 min", "1,5"])
def test_a_time_that_is_none(minutes, colour_run, npy, tmp_path, capsys):
    flags = [str(npy), f"--run_dir={colour_run}", f"--out={tmp_path / 'out'}", f"--adapt={minutes}"]
    told = fails(capsys, flags, decompose.main)
    assert told.startswith(f"Error: --adapt={minutes} is no time to train for: give minutes, a number above 0")
    assert os.listdir(tmp_path) == ["walk.npy"]


def test_what_it_does_not_go_with(tmp_path, colour_run, npy, capsys):
    out = f"--out={tmp_path / 'out'}"
    np.save(tmp_path / "one.npy", moving_square(1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("x")
    for video, flags, words in (
        (npy, [f"--saved_model={tmp_path / 'export'}", out], "--adapt=0.001 goes with --run_dir or --pretrained"),
        (npy, [f"--run_dir={colour_run}", "--best", out], "--adapt=0.001 starts from the newest checkpoint"),
        (npy, [out], "No model is named"),
        (npy, [f"--run_dir={colour_run}", out], "--camera=FILE"),
        (npy, [f"--run_dir={colour_run}", f"--out={tmp_path / 'full'}"], "holds other files"),
        (npy, [f"--run_dir={colour_run}", f"--out={tmp_path / 'file'}"], "is a file: name a folder"),
        (npy, ["--pretrained=nothing", out], "there is no such model"),
        (npy, [f"--run_dir={tmp_path}", out], "holds no run"),
        (tmp_path / "missing.mp4", [f"--run_dir={colour_run}", out], "missing.mp4 does not exist"),
        (tmp_path / "one.npy", ["--pretrained=quickstart", out], "--adapt=0.001: no scene of"),
    ):
        told = fails(capsys, [str(video), *flags, SHORT], decompose.main)
        assert words in told, flags
        assert not (tmp_path / "out").exists(), flags
