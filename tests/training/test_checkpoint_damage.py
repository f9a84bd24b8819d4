"""Checkpoints on a disk that died half way: damaged files are told, and what is whole goes on."""

import os
import shutil

import keras
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints, restore_weights

# What a killed `files.replacing_folder` leaves: a folder that was being written, the whole new one, the old one.
UNFINISHED, NEW, OLD = ".best.abc.tmp", ".best.abc.tmp.new", ".best.abc.tmp.old"


@pytest.mark.parametrize("left", [(NEW, OLD), (NEW,), ("best", OLD), ("best", NEW)])
def test_a_kill_while_the_best_is_replaced_loses_none(tmp_path, left):
    """`best` and `NEW` are the newer here, wherever both they and the older `OLD` are there."""
    values = {OLD: 0.5, NEW: 0.6, "best": 0.6}
    for folder in left:
        checkpoints = Checkpoints(tmp_path / folder, simple_parts())
        checkpoints.save_if_best(1, {"video_ari_foreground": values[folder]})
        os.replace(tmp_path / folder / "best", tmp_path / "made")
        shutil.rmtree(tmp_path / folder)
        os.replace(tmp_path / "made", tmp_path / folder)
    later = Checkpoints(tmp_path, simple_parts())
    assert later.best_value() == 0.6
    assert restore_weights(tmp_path, simple_parts()["model"], best=True)[0] == str(tmp_path / "best" / "ckpt-1")
    assert later.save_if_best(2, {"video_ari_foreground": 0.7})
    assert os.listdir(tmp_path) == ["best"]


def test_a_kill_while_the_new_best_is_written_keeps_the_old(tmp_path):
    checkpoints = Checkpoints(tmp_path, simple_parts())
    checkpoints.save_if_best(1, {"video_ari_foreground": 0.5})
    os.replace(tmp_path / "best", tmp_path / OLD)
    shutil.copytree(tmp_path / OLD, tmp_path / UNFINISHED)
    os.remove(tmp_path / UNFINISHED / "best.json")
    os.remove(tmp_path / UNFINISHED / "ckpt-1.index")
    later = Checkpoints(tmp_path, simple_parts())
    assert restore_weights(tmp_path, simple_parts()["model"], best=True)[0] == str(tmp_path / "best" / "ckpt-1")
    assert later.save_if_best(2, {"video_ari_foreground": 0.6})
    assert os.listdir(tmp_path) == ["best"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"value": "much"}', '{"value": null}'])
def test_a_damaged_note_of_the_best_value_counts_as_none(tmp_path, content):
    checkpoints = Checkpoints(tmp_path, simple_parts())
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "best.json").write_text(content)
    assert checkpoints.best_value() == float("-inf")
    assert checkpoints.save_if_best(2, {"video_ari_foreground": -0.5})


def simple_parts():
    dense = keras.layers.Dense(40)
    dense.build((None, 30))
    return {"model": dense, "step": tf.Variable(0, dtype=tf.int64)}


@pytest.fixture
def stored(tmp_path):
    """The folder of checkpoints 1 and 2 of simple parts."""
    parts = simple_parts()
    for step in (1, 2):
        parts["step"].assign(step)
        Checkpoints(tmp_path / "run", parts).save(step)
    return tmp_path / "run" / "checkpoints"


def restored_step(folder):
    parts = simple_parts()
    Checkpoints(folder.parent, parts).restore_latest()
    return int(parts["step"].numpy())


def cut(path, count):
    path.write_bytes(path.read_bytes()[:count])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["ckpt-2.data-00000-of-00001", "ckpt-2.index"])
@pytest.mark.parametrize(
    "damage",
    [lambda path: cut(path, 0), lambda path: cut(path, path.stat().st_size - 9), flip],
    ids=["empty", "cut", "flipped"],
)
def test_a_damaged_checkpoint_is_told_and_the_one_before_goes_on(stored, file, damage):
    damage(stored / file)
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    with pytest.raises(UserError) as caught:
        restored_step(stored)
    message = str(caught.value)
    assert message.startswith(str(stored / "ckpt-2"))
    assert "damaged" in message
    assert "\n" not in message
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
    for path in stored.glob("ckpt-2.*"):  # as the message says
        path.unlink()
    assert restored_step(stored) == 1


def test_a_checkpoint_without_its_data_is_told(stored):
    (stored / "ckpt-2.data-00000-of-00001").unlink()
    with pytest.raises(UserError, match="damaged"):
        restored_step(stored)


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
