"""The decompose command with a model that is given the camera of every frame."""

import json

import numpy as np
import pytest

from simone_tf import decompose, export

from decomposed import done, moving_square
from tiny_run import fails


@pytest.fixture(scope="module")
def colour_export_of_run(colour_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("colour_exports") / "1"
    export.main([f"--run_dir={colour_run}", f"--export_dir={folder}"])
    return folder


@pytest.fixture
def npy(tmp_path):
    np.save(tmp_path / "walk.npy", moving_square(7))
    return tmp_path / "walk.npy"


@pytest.fixture
def camera(tmp_path):
    """The camera of its seven frames, as the run was trained with seven numbers of each."""
    np.save(tmp_path / "camera.npy", np.random.default_rng(0).normal(size=(7, 7)))
    return tmp_path / "camera.npy"


def test_an_export_gives_what_its_run_gives(tmp_path, colour_run, colour_export_of_run, npy, camera):
    models = {"run": f"--run_dir={colour_run}", "export": f"--saved_model={colour_export_of_run}"}
    latents = {}
    for name, flag in models.items():
        content = done(npy, [flag], tmp_path / name, f"--camera={camera}")
        assert (content["frames"], content["camera"]) == (7, str(camera))
        assert content["camera_from"] == "the first frame of every window"
        with np.load(tmp_path / name / "latents.npz") as arrays:
            latents[name] = dict(arrays)
    assert list(latents["run"]) == [
        "window_starts",
        "window_object_ids",
        "object_means",
        "object_log_scales",
        "merged_object_ids",
        "merged_object_means",
        "merged_object_log_scales",
    ]
    for name, value in latents["run"].items():
        np.testing.assert_allclose(value, latents["export"][name], atol=1e-5, err_msg=name)


def test_the_recomposition_is_seen_by_another_camera(tmp_path, colour_run, npy, camera):
    """Of another camera's file the rows of one window are taken, the last held where there are fewer."""
    (tmp_path / "other.json").write_text(json.dumps([[3.0] * 7]))
    flags = [f"--run_dir={colour_run}"], f"--camera={camera}"
    done(npy, flags[0], tmp_path / "still", flags[1])
    content = done(npy, flags[0], tmp_path / "moved", flags[1], f"--camera_from={tmp_path / 'other.json'}")
    assert content["camera_from"] == str(tmp_path / "other.json")
    still, moved = ((tmp_path / name / "recomposition.gif").read_bytes() for name in ("still", "moved"))
    assert still != moved


def test_what_is_wrong_with_the_camera_is_told(tmp_path, colour_run, run, npy, camera, capsys):
    model, out = f"--run_dir={colour_run}", f"--out={tmp_path / 'out'}"
    (tmp_path / "narrow.csv").write_text("1,2\n3,4\n")
    np.save(tmp_path / "short.npy", np.zeros((6, 7)))
    np.save(tmp_path / "long.npy", np.zeros((8, 7)))
    (tmp_path / "text.txt").write_text("hello")
    named = f"--camera={camera}"
    for flags, words in (
        ([model], "is given `camera`, 7 numbers for every frame of the video: name the file"),
        ([model, f"--camera={tmp_path / 'missing.npy'}"], "missing.npy is no camera file, it does not exist"),
        ([model, f"--camera={npy}"], "walk.npy has rows of 192 numbers"),
        ([model, f"--camera={tmp_path / 'narrow.csv'}"], "narrow.csv has rows of 2 numbers"),
        (
            [model, f"--camera={tmp_path / 'short.npy'}"],
            "short.npy: `camera` has 6 rows, the video has more frames",
        ),
        (
            [model, f"--camera={tmp_path / 'long.npy'}"],
            "long.npy: `camera` has 8 rows, the video has 7 frames",
        ),
        ([model, named, f"--camera_from={tmp_path / 'text.txt'}"], "name a file with a row of numbers per frame"),
        ([model, named, f"--camera_from={tmp_path / 'missing.csv'}"], "missing.csv is no camera file"),
        ([model, named, f"--camera_from={tmp_path / 'narrow.csv'}"], "narrow.csv has rows of 2 numbers"),
        ([f"--run_dir={run}", named], "is given no camera, only video: leave the flag out"),
        ([f"--run_dir={run}", f"--camera_from={tmp_path / 'narrow.csv'}"], "name another video"),
    ):
        assert words in fails(capsys, [str(npy), *flags, out], decompose.main), flags
        assert not (tmp_path / "out").exists(), flags
