import importlib.util
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.cater import CaterWithMasks
from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.scenes.processes import RenderProcesses

from loaded_tool import load_tool

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "make_dataset.py"


@pytest.fixture(scope="module")
def needs_renderer():
    with RenderProcesses(1) as pool:
        try:
            pool.check()
        except UserError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def main():
    return load_tool("make_dataset").main


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flags(folder, **changes):
    values = {"num_clips": 5, "clips_per_shard": 2, "seed": 3, "workers": 2, "out": folder, **changes}
    return [f"--{name}={value}" for name, value in values.items()]


def command(*arguments, **options):
    """Starts the tool in a process of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, str(TOOL), *arguments], stdout=pipe, stderr=pipe, text=True, **options)


def said(output):
    """The tool's own lines of what came over stderr; TensorFlow adds its own."""
    return [line for line in output.splitlines() if line.startswith("make_dataset: ")]


@pytest.mark.usefixtures("needs_renderer")
def test_makes_a_split_then_finds_it_complete(main, tmp_path, capsys):
    assert main(flags(tmp_path, frames=2, size=32)) == 0
    output = capsys.readouterr().out
    assert "train-00002-of-00003.tfrecord: written, 5 of 5 clips" in output
    assert "made 5 clips (10 frames)" in output
    assert re.search(r", [1-9]\d* frames/s, [1-9]\d* frames per second of a rendering core$", output.strip())
    before = files(tmp_path)
    assert sorted(before) == ["dataset.json", *(f"train-0000{i}-of-00003.tfrecord" for i in range(3))]
    assert json.loads(before["dataset.json"])["splits"]["train"]["height"] == 32
    assert main(flags(tmp_path, frames=2, size=32, workers=1)) == 0
    assert "made 0 clips" in capsys.readouterr().out
    assert files(tmp_path) == before
    assert main(flags(tmp_path)) == 2
    assert files(tmp_path) == before
    assert "frames 2, now 4" in capsys.readouterr().err


@pytest.mark.usefixtures("needs_renderer")
def test_a_killed_run_is_continued_to_the_same_bytes(main, tmp_path):
    settings = {"num_clips": 60, "clips_per_shard": 20}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = command(*flags(killed, **settings))
    deadline = time.monotonic() + 60
    while not (killed / "train-00000-of-00003.tfrecord").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (killed / "train-00000-of-00003.tfrecord").exists()
    assert not (killed / "train-00002-of-00003.tfrecord").exists()
    assert main(flags(killed, **settings)) == 0
    assert main(flags(whole, **settings, workers=1)) == 0
    assert files(killed) == files(whole)


@pytest.mark.usefixtures("needs_renderer")
def test_native_cater_files(main, tmp_path, capsys):
    start = None
    assert main(flags(tmp_path, preset="cater", num_clips=2, clips_per_shard=1, format="cater_with_masks")) == 0
    names = {f"cater_with_masks_train.tfrecords-0000{i}-of-00002" for i in range(2)}
    assert set(files(tmp_path)) == {"dataset.json", *names}
    assert "33 frames of 64x64" in capsys.readouterr().out
    reader = CaterWithMasks(str(tmp_path), "train")
    for shard in reader.files.shards():
        (record,) = reader.files.serialized((shard,))
        clip = reader.parse(record, ("video", "segments", "camera", "object_positions"))
        assert clip["video"].shape == (33, 64, 64, 3)
        assert clip["camera"].shape == (33, 16)
        count = int(tf.reduce_max(clip["segments"]))
        assert 4 <= count <= 10
        present = tf.reduce_any(clip["object_positions"] != 0, axis=(0, 2)).numpy()
        assert present[:count].all()
        # The camera starts at the same pose in every clip.
        camera = clip["camera"].numpy()
        assert start is None or (camera[0] == start).all()
        start = camera[0]


@pytest.mark.usefixtures("needs_renderer")
def test_views_from_all_around_are_a_split_of_the_same_scenes(main, tmp_path, capsys):
    changes = {"preset": "quickstart_views", "num_clips": 3, "split": "test", "workers": 1}
    assert main(flags(tmp_path, **changes, views=5)) == 0
    assert "split 'test_views' is complete, 3 clips of 5 frames of 24x24" in capsys.readouterr().out
    clips, views = (ClipRecords(str(tmp_path), split) for split in ("test", "test_views"))
    assert views.clip_shape() == (5, 24, 24)
    assert views.camera_convention == "yaw_pitch"
    fields = ("object_attributes", "object_positions", "camera")
    for record, other in zip(clips.files.serialized(), views.files.serialized(), strict=True):
        clip, seen = clips.parse(record, fields), views.parse(other, fields)
        np.testing.assert_array_equal(clip["object_attributes"], seen["object_attributes"])
        np.testing.assert_array_equal(clip["object_positions"][0], seen["object_positions"][4])
        yaw = np.arctan2(seen["camera"][:, 3], seen["camera"][:, 4])
        np.testing.assert_allclose(np.cos(yaw - 2 * np.pi * np.arange(5) / 5), -1.0, atol=1e-5)
    before = files(tmp_path)
    assert main(flags(tmp_path, **changes)) == 0
    assert files(tmp_path) == before
    assert main(flags(tmp_path, **changes, views=6)) == 2
    assert "views 5, now 6" in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "objectsroom"}, "choose one of quickstart, objects_room, objects_room_moving, cater"),
        ({"num_clips": 0}, "--num_clips=0 is out of range"),
        ({"views": 0}, "--views=0 is out of range"),
        ({"views": 4, "preset": "cater"}, "Preset 'cater' has no views from all around"),
        ({"views": 4, "format": "cater_with_masks"}, "--views goes with --format=clip"),
        ({"frames": 0}, "--frames=0 is out of range"),
        ({"size": 5000}, "--size=5000 is out of range"),
        ({"seed": -1}, "--seed=-1 is out of range"),
        ({"workers": 0}, "--workers=0 is out of range"),
        ({"split": "../train"}, "letters, digits and underscores"),
        ({"format": "cater_with_masks", "frames": 16}, "--frames=33 only"),
        ({"format": "cater_with_masks", "size": 32}, "--size=64 only"),
        ({"format": "cater_with_masks", "preset": "tetrominoes"}, "preset 'tetrominoes' has none: use --format=clip"),
        ({"size": 6, "preset": "tetrominoes"}, "choose a size of at least 7"),
        ({"views": 4, "preset": "tetrominoes"}, "Preset 'tetrominoes' has no views from all around"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(main, tmp_path, capsys, changes, message):
    out = tmp_path / "out"
    assert main(flags(out, **changes)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


@pytest.mark.usefixtures("needs_renderer")
def test_a_folder_that_cannot_be_made_is_told(main, tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert main(flags(tmp_path / "file" / "set")) == 2
    assert f"{tmp_path}/file/set could not be written (Not a directory)" in capsys.readouterr().err


@pytest.mark.usefixtures("needs_renderer")
def test_a_full_disk_keeps_what_is_finished(tmp_path):
    resource = pytest.importorskip("resource")
    limit = 20_000  # Enough for two clips and the sidecar, too little for ten clips.

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = command(*flags(tmp_path, clips_per_shard=10, num_clips=11), preexec_fn=small_files)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    (line,) = said(errors)
    assert "train-00000-of-00002.tfrecord could not be written (File too large)" in line
    assert set(files(tmp_path)) == {"dataset.json"}


@pytest.mark.parametrize(
    ("preload", "message"),
    [
        ("import sys; sys.modules['mujoco'] = None", "pip install 'simone_tf[scenes]'"),
        (
            "import ctypes, ctypes.util\n"
            "real_find, real_load = ctypes.util.find_library, ctypes.CDLL.__init__\n"
            "ctypes.util.find_library = lambda name: None if 'OSMesa' in name else real_find(name)\n"
            "def load(self, name, *args, **kwargs):\n"
            "    if 'OSMesa' in str(name): raise OSError('libOSMesa.so.8: cannot open shared object file')\n"
            "    real_load(self, name, *args, **kwargs)\n"
            "ctypes.CDLL.__init__ = load\n",
            "apt-get install libosmesa6",
        ),
    ],
    ids=["no_mujoco", "no_osmesa"],
)
def test_a_missing_renderer_is_told(main, tmp_path, monkeypatch, capsys, preload, message):
    if importlib.util.find_spec("mujoco") is None and "apt" in message:
        pytest.skip("MuJoCo is not installed: pip install 'simone_tf[scenes]'")
    # The processes that render run this first.
    (tmp_path / "sitecustomize.py").write_text(preload)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main(flags(tmp_path / "out")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()
