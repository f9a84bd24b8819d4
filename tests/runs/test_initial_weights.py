"""A fresh run starts from trained weights, and says what does not fit."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.runs.load import load_pretrained, load_run

from tiny_run import arguments, fails

STILL = ("num_steps = 1", "learning_rate = 0.0", "train.num_pictures = 0")


def started(clips, run_dir, source, *params):
    flags = arguments(run_dir, clips, *STILL, f"train.initialize_from = '{source}'", *params)
    train.main(flags)
    return flags


def stored(run_dir, part):
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / "ckpt-1"))
    names = sorted(name for name in reader.get_variable_to_shape_map() if name.startswith(part))
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.parametrize("decay", ["0.998", "None"])
def test_the_averaged_weights_of_a_run_are_what_it_starts_from(run, clips, tmp_path, decay, capsys):
    expected = load_run(str(run)).model.get_weights()
    started(clips, tmp_path / "new", run, f"train.average_decay = {decay}")
    assert f"Starting from the weights of {run}, trained for 6 steps." in capsys.readouterr().out
    new = load_run(str(tmp_path / "new"))
    assert new.step == 1
    for name, value, other in zip(new.model.variables, new.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-6, err_msg=name.path)
    assert any("average" in name for name in stored(tmp_path / "new", "average")) == (decay != "None")


def test_a_pretrained_model_is_one_too(clips, tmp_path):
    expected = load_pretrained("quickstart").model.get_weights()
    sizes = {
        "Encoder.feature_map": "(2, 2)",
        "Encoder.slot_grid": "(2, 2)",
        "Encoder.conv_channels": 32,
        "Encoder.width": 64,
        "Transformer.num_heads": 4,
        "Transformer.head_size": 16,
        "Transformer.mlp_size": 256,
        "LatentHead.latent_size": 16,
        "LatentHead.hidden_size": 256,
        "PixelDecoder.hidden_size": 64,
        "PixelDecoder.num_hidden_layers": 4,
    }
    params = [f"{name} = {value}" for name, value in sizes.items()]
    started(clips, tmp_path / "new", "pretrained:quickstart", *params)  # frames of 8 pixels, not of 24
    for value, other in zip(load_run(str(tmp_path / "new")).model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(value, other, atol=1e-6)


def test_going_on_does_not_start_again(run, clips, tmp_path, capsys):
    flags = started(clips, tmp_path / "new", run)
    capsys.readouterr()
    train.main([flag.replace("num_steps = 1", "num_steps = 2") for flag in flags])
    assert "Starting from" not in capsys.readouterr().out
    text = fails(capsys, [flag.replace(str(run), "elsewhere") for flag in flags])
    assert "train.initialize_from" in text


@pytest.mark.parametrize(
    ("source", "params", "words"),
    [
        ("pretrained:nothing", (), "there is no such model"),
        ("runs/none", (), "no run folder"),
        ("{run}", ("PixelDecoder.hidden_size = 9",), "shape"),
        ("{run}", ("PixelDecoder.num_hidden_layers = 3",), "shape"),
        ("pretrained:quickstart", (), "quickstart/weights.npz holds the weights of another model"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(run, clips, tmp_path, capsys, source, params, words):
    source = source.format(run=run)
    flags = arguments(tmp_path / "new", clips, *STILL, f"train.initialize_from = '{source}'", *params)
    text = fails(capsys, flags)
    assert f"train.initialize_from = '{source}' cannot be used" in text
    assert words in text
    assert not list((tmp_path / "new").glob("checkpoints/*"))
