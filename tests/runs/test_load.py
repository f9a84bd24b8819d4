"""A run read back: the model says of a clip what it said at the end of the training."""

import json
import shutil

import numpy as np
import pytest

from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.runs.load import load_run

from tiny_run import weights


def test_scores_are_those_of_the_end_of_the_training(run):
    trained = load_run(str(run))
    assert trained.step == 6
    assert trained.checkpoint == str(run / "checkpoints" / "ckpt-6")
    settings = trained.settings
    batches = evaluation_batches(
        settings.held_out_clips,
        batch_size=settings.evaluation_batch_size,
        num_frames=settings.num_frames,
        fields=("video", "segments"),
    )
    scores = HeldOut(trained.model, batches, settings.evaluation_chunk_size).evaluate()
    metrics = json.loads((run / "metrics.json").read_text())
    for name, value in scores.items():
        assert metrics[name] == pytest.approx(value, abs=1e-6), name


def test_the_averaged_weights_are_in_the_model(run):
    stored = weights(run, 6)
    averages = [stored[name] for name in stored if name.startswith("average/averages")]
    held = [variable.numpy() for variable in load_run(str(run)).model.trainable_variables]
    assert len(averages) == len(held)
    for value in held:
        assert any(np.array_equal(value, average) for average in averages if average.shape == value.shape)


def test_the_best_checkpoint_can_be_chosen(run):
    assert load_run(str(run), best=True).checkpoint.startswith(str(run / "best"))


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("PixelDecoder.num_hidden_layers = 3", "another architecture"),
        # One layer less: everything the model has is found in the checkpoint, which holds more.
        ("PixelDecoder.num_hidden_layers = 1", "another architecture"),
        ("PixelDecoder.hidden_size = 9", "another architecture"),
        ("PixelDecoder.hiden_size = 9", "hiden_size"),
    ],
)
def test_another_model_is_refused(run, binding, words):
    with pytest.raises(UserError, match=words):
        load_run(str(run), [binding])


def test_a_run_without_checkpoints_is_told(run, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=rf"^{folder} holds no run \(no config\.gin\): name the folder of"):
            load_run(str(folder))
    shutil.copy(run / "config.gin", tmp_path)
    with pytest.raises(UserError, match="holds no checkpoint"):
        load_run(str(tmp_path))


def test_a_half_written_checkpoint_is_told(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    data = tmp_path / "run" / "checkpoints" / "ckpt-6.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        load_run(str(tmp_path / "run"))


@pytest.mark.parametrize("content", [None, b"", b"model_checkpoint_path: 5"])
def test_the_newest_checkpoint_that_is_left_is_read(run, tmp_path, content):
    """As where a damaged one was moved out of the way; and with a list that is gone or damaged."""
    copied = shutil.copytree(run, tmp_path / "run")
    present = sorted(int(path.stem.split("-")[1]) for path in (copied / "checkpoints").glob("ckpt-*.index"))
    for path in (copied / "checkpoints").glob(f"ckpt-{present[-1]}.*"):
        path.unlink()
    if content is not None:
        (copied / "checkpoints" / "checkpoint").write_bytes(content)
    before = {path.name: path.read_bytes() for path in (copied / "checkpoints").iterdir()}
    assert load_run(str(copied)).step == present[-2]
    assert {path.name: path.read_bytes() for path in (copied / "checkpoints").iterdir()} == before
