"""The tool of Figure 3, with small models that were not trained and a stand-in for the commands that it starts."""

import importlib.util
import json
import pathlib
import sys
import types

import keras
import numpy as np
import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.view_encoder import ViewEncoder
from simone_tf.models.simone.view_supervised import SIMONeVS

from small_models import SMALL_MODELS
from view_world import SIZE, write_world

ROOT = pathlib.Path(__file__).parents[2]
FRAMES = 3


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("figure3", ROOT / "tools" / "figure3.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_simone_vs():
    encoder = ViewEncoder(
        (6, 6), (2, 2), 4, width=12, first_transformer=Transformer(1, 2, 4, 8),
        second_transformer=Transformer(1, 2, 4, 8), object_head=LatentHead(5, 8),
    )  # fmt: skip
    return SIMONeVS(encoder, PixelDecoder(8, 2), queries=RandomQueries(40), camera=CameraVector())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    world = write_world(tmp_path_factory.mktemp("world"), {"test": 3})
    makers = {
        "SIMONe-VS": small_simone_vs,
        "GQN": SMALL_MODELS["GQN"],
        "NeRF-VAE": SMALL_MODELS["NeRFVAE"],
    }
    found = {}
    for number, (label, make) in enumerate(makers.items()):
        keras.utils.set_random_seed(number)
        model = make()
        model.build((None, FRAMES, *SIZE, 3))
        settings = types.SimpleNamespace(
            held_out_clips=ClipRecords(str(world), "test"),
            num_frames=FRAMES,
            frame_size=SIZE,
            seed=0,
            evaluation_batch_size=2,
            evaluation_chunk_size=None,
        )
        run_dir = tmp_path_factory.mktemp("run")
        scores = {"unseen": {"psnr": {"mean": 20.0 + number}, "ssim": {"mean": 0.5}}}
        (run_dir / "evaluation").mkdir()
        (run_dir / "evaluation" / "metrics.json").write_text(json.dumps({"views": {"sweep": scores}}))
        found[label] = types.SimpleNamespace(model=model, settings=settings, run_dir=str(run_dir), step=7)
    return found


def test_every_scene_has_a_sheet_and_an_animation(tool, runs):
    drawn = list(tool.draw_scenes(runs, 2))
    assert len(drawn) == 2
    for sheet, moving in drawn:
        assert sheet.dtype == moving.dtype == np.uint8
        assert sheet.ndim == 3
        assert len(moving) == 4  # the views of a sweep
    assert np.abs(drawn[0][0].astype(int) - drawn[1][0]).max() > 0


def test_terms_are_those_of_the_training_over_whole_batches(tool, runs):
    terms = {label: tool.trained_terms(run, 2) for label, run in runs.items()}
    assert [set(found) for found in terms.values()] == [
        {"nats_per_pixel", "object_kl"},
        {"nats_per_pixel", "view_kl"},
        {"nats_per_pixel", "scene_kl"},
    ]
    assert all(np.isfinite(list(found.values())).all() for found in terms.values())


def test_the_table_has_a_row_for_each_model(tool, runs):
    terms = {label: {"nats_per_pixel": 1.5, "scene_kl": 12.34} for label in runs}
    lines = tool.table(runs, terms).splitlines()
    assert len(lines) == 5
    assert lines[2] == "| SIMONe-VS | - | - | - | - | 20.00 | 0.500 | 1.500 | scene 12.3 | 7 |"
    assert lines[4].startswith("| NeRF-VAE | - | - | - | - | 22.00")


def test_runs_of_other_scenes_are_told(tool, runs):
    other = types.SimpleNamespace(**vars(runs["GQN"]))
    other.settings = types.SimpleNamespace(**vars(other.settings) | {"frame_size": (8, 8)})
    with pytest.raises(UserError, match="has other frame size than"):
        tool.check_alike(runs | {"GQN": other})
    tool.check_alike(runs)


def test_what_is_missing_is_trained_to_the_first_model_s_likelihood(tool, tmp_path):
    """The stand-in writes down what it is called with, and leaves what the command would."""
    calls = tmp_path / "calls"
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        "import json, pathlib, sys\n"
        f"open({str(calls)!r}, 'a').write(json.dumps(sys.argv[2:]) + '\\n')\n"
        "run = pathlib.Path(sys.argv[3].partition('=')[2])\n"
        "folder = run / 'evaluation' if sys.argv[2].endswith('evaluate') else run\n"
        "folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'metrics.json').write_text('{}')\n"
    )
    run_dirs = {model: str(tmp_path / model) for model in tool.MODELS}
    (tmp_path / "simone_vs").mkdir()
    (tmp_path / "simone_vs" / "metrics.json").write_text("{}")  # Trained already, and not evaluated.
    tool.make_runs(run_dirs, "gin", ["num_steps = 3"], (sys.executable, str(stand_in)))
    called = [json.loads(line) for line in calls.read_text().splitlines()]
    assert [(call[0].rpartition(".")[2], pathlib.Path(call[1]).name) for call in called] == [
        ("evaluate", "simone_vs"),
        ("train", "gqn"),
        ("evaluate", "gqn"),
        ("train", "nerf_vae"),
        ("evaluate", "nerf_vae"),
    ]
    assert "--gin_param=objective = @Geco()" in called[3]
    metrics = tmp_path / "simone_vs" / "evaluation" / "metrics.json"
    assert f"--gin_param=nats_per_pixel_of.metrics = {str(metrics)!r}" in called[3]
    assert called[3][-1] == "--gin_param=num_steps = 3"
    tool.make_runs(run_dirs, "gin", (), ("nothing",))  # All is there.
