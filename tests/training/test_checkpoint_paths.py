"""Checkpoints under names that a pattern would read otherwise: kept, found, restored, and only their own deleted."""

import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints, restore_weights

# Below the folder of the test: where the run is, and a neighbour that the name, taken for a pattern, would mean.
ODD = {
    "br[1]": "br1",
    "b?": "bb",
    "b*": "banana",
    "back\\slash": "backslash",
    "open[": "open",
    "[!a]b": "cb",
    "{a,b}": "a",
    "parent[ab]/below": "parenta/below",
    "a\\[b\\]/r": "a[b]/r",
    b"\xff\xfe".decode("utf-8", "surrogateescape"): "other",
}


def parts_of(value):
    dense = keras.layers.Dense(4)
    dense.build((None, 3))
    for variable in dense.variables:
        variable.assign(np.full(variable.shape, value, np.float32))
    return {"model": dense, "step": tf.Variable(int(value), dtype=tf.int64)}


def values_of(parts):
    return {float(variable.numpy().ravel()[0]) for variable in parts["model"].variables} | {int(parts["step"].numpy())}


@pytest.mark.parametrize("odd", ODD)
def test_a_run_of_any_name_goes_on_and_deletes_only_its_own(tmp_path, odd):
    run, neighbour = tmp_path / odd, tmp_path / ODD[odd]
    run.mkdir(parents=True)
    Checkpoints(tmp_path / "made", parts_of(9)).save(1)
    neighbour.parent.mkdir(exist_ok=True, parents=True)
    shutil.copytree(tmp_path / "made", neighbour)
    shutil.copytree(tmp_path / "made", neighbour / "best", dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in neighbour.rglob("*") if path.is_file()}

    for step in (1, 2, 3):  # a session each
        parts = parts_of(0)
        checkpoints = Checkpoints(run, parts, keep=2)
        restored = checkpoints.restore_latest()
        assert restored == (str(run / "checkpoints" / f"ckpt-{step - 1}") if step > 1 else None)
        assert values_of(parts) == {step - 1}
        for variable in (*parts["model"].variables, parts["step"]):
            variable.assign_add(tf.ones_like(variable))
        checkpoints.save(step)
        assert checkpoints.save_if_best(step, {"video_ari_foreground": step / 10})
    names = sorted(path.name for path in (run / "checkpoints").glob("*.index"))
    assert names == ["ckpt-2.index", "ckpt-3.index"]
    for best, folder in ((False, "checkpoints"), (True, "best")):
        fresh = parts_of(0)
        assert restore_weights(run, fresh["model"], best=best) == (str(run / folder / "ckpt-3"), 3)
        assert values_of(fresh) == {3.0, 0}
    assert {path: path.read_bytes() for path in neighbour.rglob("*") if path.is_file()} == before
    assert sorted(os.listdir(run)) == ["best", "checkpoints"]


def test_the_working_folder_may_have_any_name(tmp_path, monkeypatch):
    (tmp_path / "w[1]").mkdir()
    monkeypatch.chdir(tmp_path / "w[1]")
    Checkpoints("run", parts_of(4)).save(4)
    for run_dir in ("run", os.path.join("..", "w[1]", "run"), str(tmp_path / "w[1]" / "run")):
        parts = parts_of(0)
        assert Checkpoints(run_dir, parts).restore_latest() == os.path.join(run_dir, "checkpoints", "ckpt-4")
        assert values_of(parts) == {4}
    monkeypatch.chdir("run")
    parts = parts_of(0)
    Checkpoints(".", parts).restore_latest()
    assert values_of(parts) == {4}


def test_a_link_to_a_folder_of_any_name(tmp_path):
    (tmp_path / "run[1]").mkdir()
    (tmp_path / "link").symlink_to("run[1]")
    Checkpoints(tmp_path / "link", parts_of(4)).save_if_best(4, {"video_ari_foreground": 0.1})
    fresh = parts_of(0)
    assert restore_weights(tmp_path / "run[1]", fresh["model"], best=True)[1] == 4


def test_messages_name_the_folder_as_it_is_called(tmp_path, monkeypatch):
    run = tmp_path / "r[1]"
    Checkpoints(run, parts_of(1)).save(1)

    def refuse(manager, **keywords):
        raise tf.errors.ResourceExhaustedError(None, None, f"{manager.directory}/ckpt-2.index; No space left on device")

    monkeypatch.setattr(tf.train.CheckpointManager, "save", refuse)
    checkpoints = Checkpoints(run, parts_of(2))
    folder = run / "checkpoints"
    with pytest.raises(UserError) as caught:
        checkpoints.save(2)
    assert str(caught.value).startswith(
        f"{folder}: the checkpoint could not be written ({folder}/ckpt-2.index; No space"
    )
    with pytest.raises(UserError, match="could not be written") as caught:
        checkpoints.save_if_best(2, {"video_ari_foreground": 1.0})
    assert "/proc" not in str(caught.value)
    assert str(caught.value).startswith(f"{run / 'best'}: ")
