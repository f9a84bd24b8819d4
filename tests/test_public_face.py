"""What `import simone_tf` offers: every name is there, says what it takes, and is listed; nothing is loaded before."""

import pathlib
import re
import subprocess
import sys

import pytest

import simone_tf

from tiny_run import REPOSITORY

TAKE_ARRAYS = (
    "GQN",
    "MONet",
    "NeRFVAE",
    "SIMONe",
    "SIMONeVS",
    "SegmentationScores",
    "SequentialIODINE",
    "SlotAttention",
    "VideoDecomposition",
    "image_quality",
    "overlap_scores",
    "static_ari",
    "static_ari_foreground",
    "video_ari",
    "video_ari_foreground",
    "write_shard",
)
GIVE_ARRAYS = ("CaterWithMasks", "GQNRooms", "MOVi", "Tetrominoes", "training_batches")


def python(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("name", simone_tf.__all__)
def test_every_name_is_there_and_documented(name):
    assert getattr(simone_tf, name).__doc__.strip()


@pytest.mark.parametrize("name", TAKE_ARRAYS + GIVE_ARRAYS)
def test_what_takes_or_gives_arrays_says_their_shapes(name):
    assert re.search(r"\[(B|T|F|H|N|\d+)(, [A-Z\d]\w*)*\]", getattr(simone_tf, name).__doc__)


def test_the_list_in_the_docs_is_the_list():
    rows = re.findall(r"^\| `(\w+)` \| .+ \|$", (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    assert sorted(rows) == simone_tf.__all__


def test_import_alone_loads_nothing():
    loaded = python(
        "import sys, simone_tf, simone_tf.scenes, simone_tf.runs.flags, simone_tf.config.gin_files\n"
        "dir(simone_tf)\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    assert loaded == ["False", "False"]


def test_names_come_when_they_are_asked_for():
    assert python("import sys, simone_tf; simone_tf.SIMONe; print('tensorflow' in sys.modules)") == ["True"]
    assert {"SIMONe", "load_run", "__version__"} <= set(dir(simone_tf))
    with pytest.raises(AttributeError, match="no attribute 'SIMON'"):
        _ = simone_tf.SIMON


@pytest.mark.parametrize("command", ["train", "evaluate", "export", "decompose"])
def test_help_costs_no_tensorflow(command):
    code = (
        f"import sys\nfrom simone_tf import {command}\n"
        f"try: {command}.main(['--help'])\n"
        "except SystemExit as end: print('code', end.code, 'tensorflow' in sys.modules)"
    )
    assert python(code)[-3:] == ["code", "0", "False"]


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("train", ["--run_dir=nowhere", "--gin_file=gin/quickstart.gin", "--gin_param=SIMON.alpha = 1"]),
        ("train", ["--run_dir=nowhere", "--gin_file=gin/quickstart.gin", "--gin_param=num_stpes = 1"]),
        ("train", ["--run_dir=nowhere"]),
        ("evaluate", []),
        ("export", ["--pretrained=quickstart"]),
        ("decompose", ["docs/cater.png"]),
    ],
)
def test_what_flags_and_names_alone_tell_costs_no_tensorflow(command, flags):
    code = (
        f"import sys\nfrom simone_tf import {command}\nfrom simone_tf.errors import UserError\n"
        f"try: {command}.main({flags})\n"
        "except UserError: print('told', 'tensorflow' in sys.modules)"
    )
    assert python(code) == ["told", "False"]
    assert not (pathlib.Path(REPOSITORY) / "nowhere").exists()


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_misspelt_binding_of_a_run_costs_no_tensorflow(command, run, tmp_path):
    flags = [f"--run_dir={run}", "--gin_param=PixelDecodr.hidden_size = 1"]
    flags += [f"--export_dir={tmp_path / '1'}"] if command == "export" else []
    code = (
        f"import sys\nfrom simone_tf import {command}\nfrom simone_tf.errors import UserError\n"
        f"try: {command}.main({flags})\n"
        "except UserError as error: print('tensorflow' in sys.modules, error)"
    )
    words = python(code)
    assert words[0] == "False"
    assert "PixelDecoder?" in words


@pytest.mark.parametrize("backend", ["jax", "torch", "no such thing"])
def test_keras_of_another_backend_is_no_matter(backend):
    code = "import os, simone_tf; print(os.environ['KERAS_BACKEND'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"KERAS_BACKEND": backend}, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("tensorflow\n", 0)
