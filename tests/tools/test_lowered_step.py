"""A step goes out as StableHLO, trains in JAX without TensorFlow, and comes back as a run."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.npz import save_npz
from simone_tf.runs import lowered_step
from simone_tf.runs.build import build_step
from simone_tf.runs.settings import read_settings
from simone_tf.serving.serving_json import FILE as OTHER_FILE
from tools import import_state, lower_step

from tiny_run import QUICKSTART, REPOSITORY, fails

pytest.importorskip("jax")

STEPS = 20
RUNNER = REPOSITORY / "tools" / "run_lowered_step.py"
# The runner in a process in which TensorFlow and this library cannot be imported.
ALONE = """
import runpy, sys
sys.modules["tensorflow"] = sys.modules["simone_tf"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(*flags):
    command = [sys.executable, "-c", ALONE, str(RUNNER), *map(str, flags)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The quickstart's step, its first batches in a file, and what TensorFlow's XLA makes of them."""
    folder = tmp_path_factory.mktemp("lowered")
    lower_step.main([f"--gin_file={QUICKSTART}", f"--out={folder / 'step'}"])
    settings = read_settings([str(QUICKSTART)])
    batches = settings.batches(
        settings.clips, batch_size=16, num_frames=4, frame_size=(24, 24), seed=0, fields=("video",)
    )
    clips = np.stack([np.rint(batch["video"].numpy() * 255) for batch in batches.take(STEPS)]).astype(np.uint8)
    np.savez(folder / "clips.npz", video=clips.reshape(-1, *clips.shape[2:]))
    step = build_step(tf.distribute.get_strategy(), settings)
    run = lowered_step.step_function(step, lowered_step.input_shapes(step, settings))
    expected = np.stack([run(tf.constant(batch)).numpy() for batch in clips])
    state = {name: variable.numpy() for name, variable in lowered_step.state_variables(step).items()}
    return folder, expected, state


@pytest.fixture(scope="module")
def trained(exported):
    folder, _, _ = exported
    flags = (folder / "step", f"--clips={folder / 'clips.npz'}", f"--out={folder / 'trained'}", "--in_order")
    for steps in (12, STEPS):  # the second goes on from what the first left
        result = run_alone(*flags, f"--steps={steps}", "--steps_per_call=8")
        assert result.returncode == 0, result.stderr
    return folder / "trained"


def test_the_steps_are_those_of_tensorflow(exported, trained):
    folder, expected, state = exported
    manifest = json.loads((folder / "step" / "manifest.json").read_text())
    with np.load(trained / "measures.npz") as file:
        assert file["names"].tolist() == manifest["measures"]
        values = file["values"]
    loss = manifest["measures"].index("loss")
    np.testing.assert_allclose(values[:, loss], expected[:, loss], atol=1e-4)
    assert abs(expected[0, loss] - expected[-1, loss]) > 0.1  # It does learn meanwhile.
    with np.load(trained / "state.npz") as file:
        assert set(file.files) == set(state)
        assert file["step"] == STEPS
        for name, value in state.items():
            np.testing.assert_allclose(file[name], value, atol=2e-3, err_msg=name)


def test_train_goes_on_from_what_comes_back(exported, trained, tmp_path, capsys):
    folder, _, _ = exported
    run_dir = tmp_path / "run"
    import_state.main([f"--lowered={folder / 'step'}", f"--trained={trained}", f"--run_dir={run_dir}"])
    with np.load(trained / "state.npz") as file:
        stored = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"ckpt-{STEPS}"))
        name = "average/updates/.ATTRIBUTES/VARIABLE_VALUE"
        assert stored.get_tensor(name) == file["average/updates"] == STEPS
    assert "holds files already" in fails(
        capsys,
        [f"--lowered={folder / 'step'}", f"--trained={trained}", f"--run_dir={run_dir}"],
        import_state.main,
    )
    train.main(
        [f"--run_dir={run_dir}"]
        + [
            f"--gin_param={name} = {value}"
            for name, value in {
                "train.num_steps": STEPS + 2,
                "WarmupCosine.decay_steps": 20000,
                "train.num_held_out_clips": 4,
                "train.num_pictures": 0,
            }.items()
        ]
    )
    assert f"from {run_dir / 'checkpoints' / f'ckpt-{STEPS}'}" in capsys.readouterr().out
    assert json.loads((run_dir / "metrics.json").read_text())["step"] == STEPS + 2


def test_clips_are_drawn_once_an_epoch_and_noise_can_be_trained_on(exported, tmp_path):
    folder, _, _ = exported
    flags = ("--random_clips", f"--out={tmp_path / 'out'}", "--steps=2", "--mirror", "--reverse_time")
    result = run_alone(folder / "step", *flags, "--permute_colours")
    assert result.returncode == 0, result.stderr
    assert "2 steps" in result.stdout


def test_the_runners_mistakes_are_told(exported, tmp_path):
    folder, _, _ = exported
    np.savez(tmp_path / "short.npz", video=np.zeros([3, 4, 24, 24, 3], np.uint8))
    np.savez(tmp_path / "small.npz", video=np.zeros([30, 4, 16, 16, 3], np.uint8))
    for clips, words in (("short.npz", "has 3 clips"), ("small.npz", "wanted is uint8"), ("none.npz", "No such file")):
        result = run_alone(folder / "step", f"--clips={tmp_path / clips}", "--steps=1", f"--out={tmp_path / 'o'}")
        assert result.returncode == 1
        assert words in result.stderr
        assert "Traceback" not in result.stderr


def test_a_state_that_does_not_fit_is_told_and_changes_nothing(exported, trained, tmp_path, capsys):
    folder, _, state = exported
    (tmp_path / "measures.npz").write_bytes((trained / "measures.npz").read_bytes())
    flags = [f"--lowered={folder / 'step'}", f"--trained={tmp_path}", f"--run_dir={tmp_path / 'run'}"]
    wrong = {
        "names": {name: value for name, value in state.items() if name != "step"},
        "shape": state | {"step": np.zeros(2, np.int64)},
        "not finite": state | {"average/mask_normalization.scale": np.float32(np.nan)},
    }
    for name, values in wrong.items():
        save_npz(tmp_path / "state.npz", values)
        assert "state.npz is not the state of this step" in fails(capsys, flags, import_state.main), name
    (tmp_path / "state.npz").write_bytes(b"no state")
    assert "is not the state of this step" in fails(capsys, flags, import_state.main)
    assert not (tmp_path / "run").exists()


def test_nothing_of_anybody_else_is_overwritten(tmp_path, capsys):
    (tmp_path / OTHER_FILE).write_text("{}")
    flags = [f"--gin_file={QUICKSTART}", f"--out={tmp_path}"]
    assert "holds files that are no lowered step" in fails(capsys, flags, lower_step.main)
    assert os.listdir(tmp_path) == [OTHER_FILE]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("gin_file", "num_frames"), [("cater", 16), ("scenes", 8)])
def test_larger_models_are_lowered_too(gin_file, num_frames, precision):
    """The paper's size, and the one that is meant for many kinds of scenes."""
    settings = read_settings(
        [str(REPOSITORY / "gin" / "simone" / f"{gin_file}.gin")],
        [f"train.precision = '{precision}'", "train.batch_size = 1"],
    )
    settings = dataclasses.replace(settings, jit_compile=False, microbatch_size=None)
    step = build_step(tf.distribute.get_strategy(), settings)
    shapes = lowered_step.input_shapes(step, settings)
    text, order = lowered_step.lowered(step, shapes)
    assert shapes["video"] == (1, num_frames, 64, 64, 3)
    assert len(order) == len(lowered_step.state_variables(step))
    assert "stablehlo.rng_bit_generator" in text
    assert "custom_call" not in text
    assert not re.search(r"= \"?mhlo\.", text)  # no operation of another dialect
    assert ("bf16" in text) == (precision == "mixed_bfloat16")
