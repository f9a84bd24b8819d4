"""Measures on disk: what is kept, what is measured again, and what is refused."""

import json
import zipfile

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.evaluation.clip_store import ClipStore

KEY = {"step": 1, "shards": [["a", 3]]}


def clips(first, end):
    return [{"mse": np.float32(number), "latents": np.full((2, 3), number)} for number in range(first, end)]


def filled(folder, *ends):
    store = ClipStore(str(folder), KEY)
    for end in ends:
        store.append(clips(store.count(), end))
    return store


def test_clips_come_back_in_order_and_as_they_were(tmp_path):
    store = filled(tmp_path, 2, 5)
    for read in (store, ClipStore(str(tmp_path), KEY)):
        assert read.count() == 5
        loaded = read.load()
        np.testing.assert_array_equal(loaded["mse"], np.arange(5, dtype=np.float32))
        np.testing.assert_array_equal(loaded["latents"][:, 1, 2], np.arange(5))
        assert loaded["latents"].shape == (5, 2, 3)


def test_fewer_clips_than_there_are_and_single_names(tmp_path):
    store = filled(tmp_path, 2, 4, 6)
    loaded = store.load(("mse", "unheard_of"), num_clips=3)
    assert set(loaded) == {"mse"}
    np.testing.assert_array_equal(loaded["mse"], [0, 1, 2])
    assert [len(part["mse"]) for part in store.parts(num_clips=3)] == [2, 1]
    assert ClipStore(str(tmp_path / "empty"), KEY).load() == {}


@pytest.mark.parametrize("key", [{**KEY, "step": 2}, {"step": 1, "shards": [["a", 4]]}])
def test_another_key_starts_anew(tmp_path, key):
    filled(tmp_path, 2)
    (tmp_path / "notes.txt").write_text("mine")
    assert ClipStore(str(tmp_path), key).count() == 0
    assert not list(tmp_path.glob("*.npz"))
    assert (tmp_path / "notes.txt").exists()
    assert ClipStore(str(tmp_path), KEY).count() == 0


def test_what_lies_behind_a_gap_is_measured_again(tmp_path):
    filled(tmp_path, 2, 4, 6)
    (tmp_path / "clips-00000002-00000004.npz").unlink()
    store = ClipStore(str(tmp_path), KEY)
    assert store.count() == 2
    store.append(clips(2, 3))
    assert store.count() == 3
    assert ClipStore(str(tmp_path), KEY).count() == 3


def test_half_written_files_do_not_count_and_do_not_stay(tmp_path):
    filled(tmp_path, 2)
    (tmp_path / ".clips-00000002-00000004.npz.abc.tmp").write_bytes(b"half")
    assert ClipStore(str(tmp_path), KEY).count() == 2
    assert not list(tmp_path.glob(".clips*"))


def test_an_append_that_fails_changes_nothing(tmp_path, monkeypatch):
    store = filled(tmp_path, 2)

    def full(*arguments, **arrays):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(UserError, match=r"cannot be written \(No space left on device\): free space"):
            store.append(clips(2, 4))
    assert store.count() == ClipStore(str(tmp_path), KEY).count() == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"NUMPY", b"NUMPX"),
        lambda whole: whole.replace(b"\x00\x00\x80\x3f", b"\x00\x00\x80\x40"),
    ],
    ids=["empty", "cut", "header", "bit"],
)
def test_a_damaged_file_is_told(tmp_path, damage):
    filled(tmp_path, 2)
    path = tmp_path / "clips-00000000-00000002.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"clips-00000000-00000002.npz is damaged .*: delete it"):
        ClipStore(str(tmp_path), KEY).load()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_may_not_be_read_is_not_to_be_deleted(tmp_path, monkeypatch, error):
    filled(tmp_path, 2)

    def refuse(*arguments, **keywords):
        raise error

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(UserError, match=rf"npz cannot be read \({error.strerror}\): mend its permissions") as caught:
        ClipStore(str(tmp_path), KEY).load()
    assert "delete" not in str(caught.value)


def test_a_file_of_other_clips_is_told(tmp_path):
    filled(tmp_path, 2)
    (tmp_path / "clips-00000000-00000002.npz").rename(tmp_path / "clips-00000000-00000003.npz")
    with pytest.raises(UserError, match="does not hold 3 clips"):
        ClipStore(str(tmp_path), KEY).load()


@pytest.mark.parametrize(
    "arrays",
    [
        {"mse": np.zeros(2, np.float32)},
        {"psnr": np.zeros(2), "latents": np.zeros((2, 2, 3))},
        {"mse": np.zeros(2, np.float32), "latents": np.zeros((2, 2, 4))},
        {"mse": np.array(["a", "b"]), "latents": np.zeros((2, 2, 3))},
        {"mse": np.zeros(2), "latents": np.zeros((2, 2, 3)), "more": np.zeros(2)},
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_a_file_with_other_arrays_is_told_and_its_clips_are_measured_anew(tmp_path, arrays, number):
    filled(tmp_path, 2, 4)
    path = tmp_path / f"clips-{2 * number:08d}-{2 * number + 2:08d}.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=rf"{path.name} is damaged .*: delete it and run the same command again"):
        ClipStore(str(tmp_path), KEY).load()
    path.unlink()
    store = ClipStore(str(tmp_path), KEY)
    assert store.count() == 2 * number
    store.append(clips(2 * number, 4))
    np.testing.assert_array_equal(ClipStore(str(tmp_path), KEY).load()["mse"], np.arange(4))


def test_measures_of_another_kind_are_not_put_beside_those_that_are_there(tmp_path):
    store = filled(tmp_path, 2)
    with pytest.raises(ValueError, match="those before"):
        store.append([{"mse": np.float32(2)}])
    assert ClipStore(str(tmp_path), KEY).count() == 2


def test_pickled_objects_are_never_loaded(tmp_path):
    filled(tmp_path, 2)
    np.savez(tmp_path / "clips-00000000-00000002.npz", mse=np.array([{}, {}], object))
    with pytest.raises(UserError, match="damaged"):
        ClipStore(str(tmp_path), KEY).load()


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, json.dumps(None)])
def test_a_key_that_cannot_be_read_starts_anew(tmp_path, text):
    filled(tmp_path, 2)
    (tmp_path / "key.json").write_text(text)
    assert ClipStore(str(tmp_path), KEY).count() == 0


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        ClipStore(str(tmp_path / "file" / "store"), KEY)


@pytest.mark.parametrize("name", ["key.json", "clips-00000000-00000002.npz"])
def test_what_may_not_be_read_is_neither_deleted_nor_called_damaged(tmp_path, monkeypatch, name):
    filled(tmp_path, 2, 4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    opened = open

    def withheld(path, *arguments, **named):
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)

    with monkeypatch.context() as patch:
        for module in ("builtins", "io", "zipfile.io"):
            patch.setattr(f"{module}.open", withheld)
        with pytest.raises(UserError) as raised:
            ClipStore(str(tmp_path), KEY).load()
    assert str(raised.value) == (
        f"{tmp_path / name} cannot be read (Permission denied): mend its permissions, then run the same command again; "
        "measured clips are kept."
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert ClipStore(str(tmp_path), KEY).load()["mse"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["key.json", "clips-00000000-00000002.npz"])
def test_a_pointer_of_git_lfs_is_called_one(tmp_path, name):
    filled(tmp_path, 2, 4)
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    with pytest.raises(UserError, match=f"{name}: it is a Git LFS pointer, not the file itself: run git lfs pull"):
        ClipStore(str(tmp_path), KEY).load()
    assert len(list(tmp_path.glob("*.npz"))) == 2
