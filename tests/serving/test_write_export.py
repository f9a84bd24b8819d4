import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import tensorflow as tf

import simone_tf
from simone_tf.errors import UserError
from simone_tf.serving import write_export as module
from simone_tf.serving.saved_model import load_export
from simone_tf.serving.write_export import check_replaceable, write_export

from lock_owner import writer_of

REPOSITORY = pathlib.Path(__file__).parents[2]
# Exports a small model over an earlier export and kills itself when all is written and nothing is in its place yet.
KILLED = """
import os, signal, sys
import tensorflow as tf
sys.path.insert(0, "tests")
import tiny_export
from simone_tf import files
from simone_tf.serving import write_export
from simone_tf.serving.sizes import sizes_of

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

files._put_in_place = die
model = tiny_export.tiny_model.__wrapped__()
write_export.write_export(sys.argv[1], model, sizes_of(model, 3, (8, 16)), {"step": 8})
"""


def _content(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_killed_export_leaves_the_old_one(tiny_export, tiny_model, tiny_sizes, tmp_path):
    folder = tmp_path / "tiny" / "1"
    shutil.copytree(tiny_export, folder)
    before = _content(folder)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    line = [sys.executable, "-c", KILLED, str(folder)]
    done = subprocess.run(line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    left = set(os.listdir(folder.parent)) - {"1"}
    assert len(left) == 1
    assert (folder.parent / left.pop() / "saved_model.pb").exists()
    assert _content(folder) == before
    assert load_export(folder).description["step"] == 7
    write_export(str(folder), tiny_model, tiny_sizes, {"step": 9})
    assert load_export(folder).description["step"] == 9
    assert os.listdir(folder.parent) == ["1"]


def test_what_is_in_the_folder(tiny_export):
    assert set(_content(tiny_export)) == {
        "saved_model.pb",
        "fingerprint.pb",
        "serving.json",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/tf_serving_warmup_requests",
    }
    description = json.loads((tiny_export / "serving.json").read_text())
    assert description["version"] == simone_tf.__version__
    assert description["chunk_size"] == 370


@pytest.mark.parametrize("failing", ["saved_model.save", "warmup", "serving.json"])
def test_a_full_disk_is_told_and_leaves_the_old_one(
    tiny_export, tiny_model, tiny_sizes, tmp_path, monkeypatch, failing
):
    folder = tmp_path / "tiny" / "1"
    shutil.copytree(tiny_export, folder)
    before = _content(folder)

    def full(*arguments, **keywords):
        if failing == "serving.json":
            raise OSError(28, "No space left on device")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    place = {
        "saved_model.save": (tf.saved_model, "save"),
        "warmup": (module.warmup, "write_warmup_requests"),
        "serving.json": (module, "write_text"),
    }[failing]
    monkeypatch.setattr(*place, full)
    with pytest.raises(UserError, match=r"cannot be written \(No space left"):
        write_export(str(folder), tiny_model, tiny_sizes, {})
    assert _content(folder) == before
    assert os.listdir(folder.parent) == ["1"]


def test_folders_that_are_not_ours_are_refused(tiny_export, tmp_path):
    check_replaceable(str(tmp_path / "new" / "1"))
    check_replaceable(str(tmp_path))
    check_replaceable(str(tiny_export))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        check_replaceable(str(tmp_path / "file"))
    with pytest.raises(UserError, match="not an export of simone_tf"):
        check_replaceable(str(tmp_path))
    with pytest.raises(UserError, match=r"one version in it, such as .*/tiny/2\."):
        check_replaceable(str(tiny_export.parent))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="is a file"):
        check_replaceable(str(tmp_path / "dangling"))


def test_files_that_were_added_are_not_lost(tiny_export, tmp_path):
    folder = shutil.copytree(tiny_export, tmp_path / "1")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds notes\.txt"):
        check_replaceable(str(folder))


def test_a_foreign_saved_model_is_not_replaced(tiny_model, tiny_sizes, tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    before = _content(tmp_path / "other")
    with pytest.raises(UserError, match="not an export of simone_tf"):
        write_export(str(tmp_path / "other"), tiny_model, tiny_sizes, {})
    assert _content(tmp_path / "other") == before


def test_a_model_that_has_diverged_is_not_exported(tiny_model, tiny_sizes, tmp_path):
    variable = tiny_model.variables[0]
    before = variable.numpy().copy()
    variable.assign(before * float("nan"))
    try:
        with pytest.raises(UserError, match="not all finite"):
            write_export(str(tmp_path / "1"), tiny_model, tiny_sizes, {})
    finally:
        variable.assign(before)
    assert os.listdir(tmp_path) == []


def test_of_two_exports_to_a_folder_the_second_is_told(tiny_export, tiny_model, tiny_sizes, tmp_path):
    target = tmp_path / "model" / "1"
    shutil.copytree(tiny_export, target)
    before = _content(target)
    with writer_of(target) as owner:
        with pytest.raises(UserError, match=f"--export_dir=.* is being written by process {owner.pid} on host"):
            write_export(str(target), tiny_model, tiny_sizes, {})
        assert _content(target) == before
