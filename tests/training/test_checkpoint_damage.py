"""Checkpoints on a disk that died half way: damaged files are told, and what is whole goes on."""

import os
import re

import pytest
import tensorflow as tf
from tensorflow.python.lib.io import file_io
from tensorflow.python.ops import gen_io_ops

from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints, restore_weights

from stored_checkpoints import DATA, INDEX, contents, cut, flip, restored_step, simple_parts, zero

NOT_WHOLE = {
    "index of no bytes": (INDEX, lambda path: cut(path, 0), "its index file is empty"),
    "index of one byte": (INDEX, lambda path: cut(path, 1), "cut off"),
    "index without its end": (INDEX, lambda path: cut(path, path.stat().st_size - 9), "cut off"),
    "index of zeros": (INDEX, zero, "cut off or overwritten"),
    "index that begins with zeros": (INDEX, lambda path: zero(path, 0, 40), "a checksum in it does not match"),
    "index with another byte": (INDEX, flip, "a checksum in it does not match"),
    "no data": (DATA, os.remove, "its data file is missing"),
    "data of no bytes": (DATA, lambda path: cut(path, 0), r"has 0 bytes, its index speaks of \d{4}"),
    "data without its last byte": (DATA, lambda path: cut(path, path.stat().st_size - 1), r"\d{4} bytes"),
}


@pytest.mark.parametrize("kind", NOT_WHOLE)
def test_what_is_not_whole_does_not_count_and_the_one_before_goes_on(stored, kind, capsys):
    name, damage, words = NOT_WHOLE[kind]
    damage(stored / name.format(2))
    before = contents(stored)
    assert restored_step(stored) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{stored / 'ckpt-2'} is not whole (")
    assert line.endswith("): it does not count, ckpt-1 is taken.")
    assert re.search(words, line)
    after = contents(stored)
    assert {name for name in before if after.get(name) != before[name]} == {"checkpoint"}
    # The run goes on, and its next checkpoint takes the place.
    parts = simple_parts()
    checkpoints = Checkpoints(stored.parent, parts)
    checkpoints.restore_latest()
    parts["step"].assign(2)
    checkpoints.save(2)
    capsys.readouterr()
    assert restored_step(stored) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", NOT_WHOLE)
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_first_checkpoint_that_is_not_whole_starts_afresh(tmp_path, kind, is_listed, capsys):
    """A disk that fills while the first index is written leaves a part of it, and no list yet."""
    name, damage, words = NOT_WHOLE[kind]
    folder = tmp_path / "checkpoints"
    Checkpoints(tmp_path, simple_parts()).save(5)
    if not is_listed:
        (folder / "checkpoint").unlink()
    damage(folder / name.format(5))
    before = contents(folder)
    assert restored_step(folder) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(words, line)
    assert line.endswith("it does not count, there is no other.")
    assert {key: value for key, value in before.items() if key != "checkpoint"} == contents(folder)
    Checkpoints(tmp_path, simple_parts()).save(5)
    capsys.readouterr()
    assert Checkpoints(tmp_path, simple_parts()).latest == str(folder / "ckpt-5")
    assert capsys.readouterr().err == ""


def test_several_that_are_not_whole_are_one_line(stored, capsys):
    for step in (3, 4):
        (stored / INDEX.format(step)).write_bytes(b"")
    assert restored_step(stored) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "ckpt-4 is not whole (its index file is empty), nor is 1 before it" in line


def test_an_older_one_that_is_not_whole_is_no_matter(stored, capsys):
    cut(stored / INDEX.format(1), 100)
    assert restored_step(stored) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", [flip, zero, lambda path: zero(path, 0, 30)], ids=["flipped", "zeros", "hole"])
def test_bytes_that_a_checksum_denies_are_told_and_the_one_before_goes_on(stored, damage):
    damage(stored / DATA.format(2))
    before = contents(stored)
    with pytest.raises(
        UserError, match=r"its bytes are not those that were written .*; move the files ckpt-2\.\*"
    ) as caught:
        restored_step(stored)
    message = str(caught.value)
    assert message.startswith(str(stored / "ckpt-2"))
    assert "\n" not in message
    assert contents(stored) == before
    for path in stored.glob("ckpt-2.*"):  # as the message says
        path.rename(stored.parent / path.name)
    assert restored_step(stored) == 1


REFUSED = (
    tf.errors.PermissionDeniedError(None, None, "ckpt-2.index; Permission denied"),
    tf.errors.NotFoundError(None, None, "no such file"),
    tf.errors.UnavailableError(None, None, "the network is down"),
    OSError(5, "Input/output error"),
)


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: type(error).__name__)
def test_what_cannot_be_read_is_not_called_damaged(stored, monkeypatch, error):
    def refuse(*arguments, **keywords):
        raise error

    monkeypatch.setattr(tf.train.Checkpoint, "restore", refuse)
    for read in (restored_step, lambda folder: restore_weights(folder.parent, simple_parts()["model"])):
        with pytest.raises(UserError, match=r"ckpt-2 cannot be read \(.*says nothing against what is in it") as caught:
            read(stored)
        assert not re.search("delete|remove|move|damaged", str(caught.value))


@pytest.mark.parametrize("name", [INDEX.format(2), "checkpoints"])
def test_a_file_that_may_not_be_read_does_not_start_the_run_afresh(stored, monkeypatch, name):
    """Nothing is known of it then, least of all that it does not count."""

    def refusing(call):
        def called(path, *arguments, **keywords):
            if os.path.basename(path) == name:
                raise PermissionError(13, "Permission denied", str(path))
            return call(path, *arguments, **keywords)

        return called

    before = contents(stored)
    monkeypatch.setattr("builtins.open", refusing(open))
    monkeypatch.setattr(os, "listdir", refusing(os.listdir))
    with pytest.raises(UserError, match=rf"{name} cannot be read \(Permission denied\).*make it readable") as caught:
        Checkpoints(stored.parent, simple_parts())
    assert "delete" not in str(caught.value)
    monkeypatch.undo()
    assert contents(stored) == before


def test_weights_are_read_from_the_newest_that_was_finished(stored, capsys):
    for step in (3, 4):
        (stored / INDEX.format(step)).write_bytes(b"")
    before = contents(stored)
    assert restore_weights(stored.parent, simple_parts()["model"]) == (str(stored / "ckpt-2"), 2)
    assert contents(stored) == before
    assert "nor is 1 before it: it does not count, ckpt-2 is taken" in capsys.readouterr().err


def test_weights_that_were_whole_once_are_not_exchanged_for_older_ones(stored, capsys):
    cut(stored / INDEX.format(2), 50)
    before = contents(stored)
    with pytest.raises(UserError, match=r"ckpt-2 is damaged: .*; put its files back, or train on"):
        restore_weights(stored.parent, simple_parts()["model"])
    assert contents(stored) == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", [os.remove, lambda path: cut(path, 100)], ids=["missing", "cut"])
def test_weights_whose_data_is_lost_are_told_and_not_exchanged_for_older_ones(stored, damage):
    damage(stored / DATA.format(2))
    with pytest.raises(UserError, match=r"ckpt-2 is damaged: its data file .* put its files back, or train on"):
        restore_weights(stored.parent, simple_parts()["model"])


def test_leftovers_of_killed_saves_are_removed_and_nothing_else(stored, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("kept")
    (stored / "ckpt-3_temp").mkdir()
    (stored / "ckpt-3_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (stored / "ckpt-12_temp").mkdir()
    (stored / ("checkpoint.tmp" + "0123456789abcdef" * 2)).write_text("half")
    kept = ["my_ckpt-3_temp", "ckpt-3_temporary", "ckpt-x_temp", "checkpoint.tmp", "checkpoint.tmp" + "g" * 32]
    kept += ["checkpoint.tmp" + "a" * 31, "notes.txt"]
    for name in kept:
        (stored / name).write_text("mine")
    (stored / "ckpt-4_temp").symlink_to(elsewhere)
    (stored.parent / "ckpt-5_temp").mkdir()
    names = {path.name for path in stored.iterdir()}
    gone = {"ckpt-3_temp", "ckpt-12_temp", "checkpoint.tmp" + "0123456789abcdef" * 2}
    restore_weights(stored.parent, simple_parts()["model"])  # which only reads
    assert {path.name for path in stored.iterdir()} == names
    assert restored_step(stored) == 2
    assert {path.name for path in stored.iterdir()} == names - gone
    assert (elsewhere / "file").read_text() == "kept"
    assert (stored.parent / "ckpt-5_temp").is_dir()


class Killed(BaseException):
    """Nothing runs behind it that would run after an error."""


@pytest.mark.parametrize("place", ["list", "merge"])
def test_tensorflow_leaves_what_is_taken_for_a_leftover(stored, monkeypatch, place):
    """What is on the disk in the middle of a save, by TensorFlow's own names."""

    def killed(*arguments, **keywords):
        raise Killed

    names = {path.name for path in stored.iterdir()}
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable([1.0])), str(stored), 3)
    with monkeypatch.context() as patch:
        patch.setattr(file_io, "rename_v2", killed)
        patch.setattr(file_io, "rename", killed)
        if place == "merge":
            patch.setattr(gen_io_ops, "merge_v2_checkpoints", killed)
        with pytest.raises(Killed):
            manager.save(checkpoint_number=7)
    new = {path.name for path in stored.iterdir()} - names
    left = {"list": r"checkpoint\.tmp.+", "merge": "ckpt-7_temp"}[place]
    assert [name for name in new if re.fullmatch(left, name)]
    Checkpoints(stored.parent, simple_parts())
    new = {path.name for path in stored.iterdir()} - names
    assert not [name for name in new if not re.fullmatch(r"ckpt-7\.(index|data-\d{5}-of-\d{5})", name)]


def test_a_run_none_of_whose_checkpoints_is_whole_is_not_started_afresh(stored):
    """As after a copy that was broken off: what has more than its first checkpoint has been trained for long."""
    for path in stored.glob("*.data*"):
        cut(path, 100)
    before = contents(stored)
    with pytest.raises(UserError, match=r"None of the 2 checkpoints in .* is whole \(ckpt-2: .*put their files back"):
        restored_step(stored)
    assert contents(stored) == before
