"""The best checkpoint, whose replacement is killed or whose note is damaged."""

import os
import shutil

import pytest

from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints, restore_weights

from stored_checkpoints import DATA, NEW, OLD, UNFINISHED, cut, simple_parts


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


def test_a_best_checkpoint_that_is_not_whole_is_no_measure_for_others(tmp_path):
    Checkpoints(tmp_path, simple_parts()).save_if_best(1, {"video_ari_foreground": 0.9})
    cut(tmp_path / "best" / DATA.format(1), 10)
    checkpoints = Checkpoints(tmp_path, simple_parts())
    assert checkpoints.best_value() == float("-inf")
    assert checkpoints.save_if_best(2, {"video_ari_foreground": 0.1})
    assert restore_weights(tmp_path, simple_parts()["model"], best=True)[0] == str(tmp_path / "best" / "ckpt-2")


def test_a_best_value_that_may_not_be_read_costs_the_best_checkpoint_nothing(tmp_path):
    checkpoints = Checkpoints(tmp_path, simple_parts(), best_metric="score")
    checkpoints.save_if_best(1, {"score": 0.5})
    path = tmp_path / "best" / "best.json"
    text = path.read_text()
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    with pytest.raises(UserError, match=r"best\.json: it is a Git LFS pointer, not the file itself: run git lfs pull"):
        checkpoints.save_if_best(2, {"score": 0.1})
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"best\.json cannot be read \(Is a directory\): check its permissions"):
        checkpoints.save_if_best(2, {"score": 0.1})
    path.rmdir()
    path.write_text(text)
    assert (tmp_path / "best" / "ckpt-1.index").exists()
    assert not checkpoints.save_if_best(2, {"score": 0.1})
