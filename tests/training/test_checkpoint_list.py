"""The list of a run's checkpoints, and their folder: damaged, gone, refused or of another place."""

import os
import shutil

import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints, restore_weights

from stored_checkpoints import NEW, restored_step, simple_parts


@pytest.mark.parametrize("content", [b"", bytes(range(256)), b"model_checkpoint_path: 5", None])
def test_a_damaged_list_of_checkpoints_does_not_start_the_run_afresh(stored, content):
    if content is None:
        (stored / "checkpoint").unlink()
    else:
        (stored / "checkpoint").write_bytes(content)
    assert restored_step(stored) == 2
    parts = simple_parts()
    Checkpoints(stored.parent, parts, keep=2).save(13)
    assert sorted(path.name for path in stored.glob("*.index")) == ["ckpt-13.index", "ckpt-2.index"]
    assert tf.train.latest_checkpoint(stored) == str(stored / "ckpt-13")


def test_checkpoints_that_are_all_gone_do_not_start_the_run_afresh(stored):
    for path in stored.glob("*.index"):
        path.unlink()
    with pytest.raises(UserError, match="ckpt-2 is damaged"):
        restored_step(stored)


def test_leftovers_of_a_save_that_was_killed_are_passed_over(stored):
    (stored / "ckpt-3_temp").mkdir()
    (stored / "ckpt-3.data-00000-of-00001").write_bytes(b"half")
    assert restored_step(stored) == 2


def test_a_first_save_that_was_killed_starts_afresh(stored):
    for path in stored.iterdir():
        if not path.name.startswith("ckpt-1.data"):
            path.unlink()
    assert restored_step(stored) == 0


def test_a_folder_of_checkpoints_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(UserError, match="could not be written") as caught:
        Checkpoints(tmp_path, simple_parts()).save(1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", ["listdir", "replace"])
def test_a_folder_that_the_system_refuses_is_told(stored, monkeypatch, call):
    """As a folder without permission, or one on a disk mounted to be read only."""
    (stored.parent / NEW).mkdir()
    (stored.parent / NEW / "best.json").write_text("{}")

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(UserError, match="Permission denied") as caught:
        Checkpoints(stored.parent, simple_parts())
    assert str(stored.parent) in str(caught.value)


@pytest.mark.parametrize("place", ["{old}/checkpoints/", "runs/old/checkpoints/", "./", "../elsewhere/"])
def test_a_list_with_paths_of_another_place_means_the_files_beside_it(tmp_path, place):
    """A copied run must neither read nor delete what lies where it was made."""
    old, copy = tmp_path / "old", tmp_path / "copy"
    parts = simple_parts()
    checkpoints = Checkpoints(old, parts, keep=2)
    for step in (1, 2):
        parts["step"].assign(step)
        checkpoints.save(step)
    shutil.copytree(old, copy)
    before = sorted(path.name for path in (old / "checkpoints").iterdir())
    listed = (copy / "checkpoints" / "checkpoint").read_text()
    (copy / "checkpoints" / "checkpoint").write_text(listed.replace(': "ckpt', f': "{place.format(old=old)}ckpt'))
    parts["step"].assign(7)
    copied = Checkpoints(copy, parts, keep=2)
    assert copied.restore_latest() == str(copy / "checkpoints" / "ckpt-2")
    assert parts["step"].numpy() == 2
    copied.save(3)
    assert sorted(path.name for path in (old / "checkpoints").iterdir()) == before
    assert sorted(path.stem for path in (copy / "checkpoints").glob("*.index")) == ["ckpt-2", "ckpt-3"]


def test_a_newer_checkpoint_that_the_list_does_not_name_is_told(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path, simple_parts())
    for step in (3, 6):
        checkpoints.save(step)
    path = tmp_path / "checkpoints" / "checkpoint"
    path.write_text('model_checkpoint_path: "ckpt-3"\nall_model_checkpoint_paths: "ckpt-3"\n')
    assert restore_weights(tmp_path, simple_parts()["model"])[0].endswith("ckpt-3")
    told = "ckpt-6 is not in the list of checkpoints beside it (the file checkpoint): ckpt-3, the newest in the list"
    assert told in capsys.readouterr().err
    assert Checkpoints(tmp_path, simple_parts()).latest.endswith("ckpt-3")
    assert told in capsys.readouterr().err
