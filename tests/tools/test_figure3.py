"""The tool of Figure 3, with small models that were not trained and a stand-in for the commands that it starts."""

import json
import pathlib
import sys
import types
import xml.etree.ElementTree as ElementTree

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.models.parts.camera_vector import CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.view_encoder import ViewEncoder
from simone_tf.models.simone.view_supervised import SIMONeVS

from loaded_tool import load_tool
from small_models import SMALL_MODELS
from view_world import SIZE, write_world

ROOT = pathlib.Path(__file__).parents[2]
FRAMES = 3


@pytest.fixture(scope="module")
def tool():
    return load_tool("figure3")


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
    trained = {label: [run, run] for label, run in runs.items()}
    terms = {
        label: [{"nats_per_pixel": 1.5, "scene_kl": 12.34}, {"nats_per_pixel": 1.7, "scene_kl": 12.34}]
        for label in trained
    }
    lines = tool.table(trained, terms).splitlines()
    assert len(lines) == 5
    sweep = "20.00 ± 0.00 | 0.500 ± 0.000"
    assert lines[2] == f"| SIMONe-VS | - | - | - | - | {sweep} | 1.600 ± 0.141 | scene 12.3 ± 0.0 | 2 | 7 |"
    assert lines[4].startswith("| NeRF-VAE | - | - | - | - | 22.00")
    one = tool.table({"GQN": [runs["GQN"]]}, {"GQN": [{}]}).splitlines()
    assert one[2] == "| GQN | - | - | - | - | 21.00 | 0.500 | - | - | 1 | 7 |"


def test_rate_and_distortion_are_those_of_the_runs_and_of_their_way(tool, runs):
    run = runs["GQN"]
    with tf.summary.create_file_writer(run.run_dir).as_default():
        for step in (1, 2, 3):
            tf.summary.scalar("train/nats_per_pixel", 0.5 * step, step=step)
            tf.summary.scalar("train/view_kl", 10.0 * step, step=step)
    svg = tool.rate_distortion({"GQN": [run]}, {"GQN": [{"nats_per_pixel": 1.5, "view_kl": 30.0}]})
    assert tool._way(run) == [(10.0, -0.5), (20.0, -1.0), (30.0, -1.5)]
    root = ElementTree.fromstring(svg)
    (line,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    circle = next(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert line.get("points").split()[-1] == f"{circle.get('cx')},{circle.get('cy')}"


def test_the_page_holds_everything(tool):
    sheet = np.zeros((4, 4, 3), np.uint8)
    html = tool.page([(sheet, sheet[None])] * 2, "| model | PSNR |\n|---|---|\n| <GQN> | 21.00 |\n", "<svg/>")
    assert html.count("data:image/png;base64,") == html.count("data:image/gif;base64,") == 2
    assert "<td>&lt;GQN&gt;</td><td>21.00</td>" in html
    assert "http" not in html  # nothing is fetched


def test_runs_of_other_scenes_are_told(tool, runs):
    other = types.SimpleNamespace(**vars(runs["GQN"]))
    other.settings = types.SimpleNamespace(**vars(other.settings) | {"frame_size": (8, 8)})
    with pytest.raises(UserError, match="has other frame size than"):
        tool.check_alike([runs["SIMONe-VS"], other])
    tool.check_alike(list(runs.values()))


STAND_IN = """
import json, pathlib, sys
flags = dict(flag.split("=", 1) for flag in sys.argv[3:] if "=" in flag and not flag.startswith("--gin_param"))
run = pathlib.Path(flags["--run_dir"])
open(CALLS, "a").write(json.dumps(sys.argv[2:]) + "\\n")
if sys.argv[2].endswith("train"):
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "ckpt-3.index").touch()
    (run / "config.gin").write_text("")
    (run / "metrics.json").write_text('{"step": 8000}')
else:
    (run / "evaluation").mkdir()
    (run / "evaluation" / "metrics.json").write_text("{}")
"""


def test_what_is_missing_is_trained_to_the_first_model_s_likelihood(tool, tmp_path):
    """The stand-in writes down what it is called with, and leaves what the command would."""
    calls, out = tmp_path / "calls", tmp_path / "out"
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(f"CALLS = {str(calls)!r}\n{STAND_IN}")
    gin_dir = str(ROOT / "gin")
    given = {"gqn": ["some/run"]}
    program = (sys.executable, str(stand_in))
    made = tool.make_runs(str(out), [4, 5], gin_dir, ["num_steps = 3"], None, given, program)
    assert made == {
        "simone_vs": [str(out / "simone_vs" / f"seed_{seed}") for seed in (4, 5)],
        "gqn": ["some/run"],
        "nerf_vae": [str(out / "nerf_vae" / f"seed_{seed}") for seed in (4, 5)],
    }
    called = [json.loads(line) for line in calls.read_text().splitlines()]
    names = [(call[0].rpartition(".")[2], "nerf_vae" in " ".join(call)) for call in called]
    assert names == [(name, is_nerf) for is_nerf in (False, True) for _ in (4, 5) for name in ("train", "evaluate")]
    target = out / "simone_vs" / "seed_4" / "evaluation" / "metrics.json"
    for call in called:
        assert ("--gin_param=objective = @Geco()" in call) == (call in (called[4], called[6]))
    assert f"--gin_param=nats_per_pixel_of.metrics = {str(target)!r}" in called[6]
    assert "--gin_param=train.seed = 5" in called[6]
    assert "--gin_param=num_steps = 3" in called[6]


def test_a_training_that_fails_is_told(tool, tmp_path):
    program = (sys.executable, "-c", "import sys; sys.exit('no disk')")
    with pytest.raises(UserError, match="1 of 1 runs of SIMONe-VS failed"):
        tool.make_runs(str(tmp_path / "out"), [0], str(ROOT / "gin"), program=program)
