"""Folders of pretrained models: found, and refused when a file is not the one that was packed."""

import json

import pytest

from simone_tf.errors import UserError
from simone_tf.files import file_sums
from simone_tf.runs import pretrained
from simone_tf.runs.pretrained import CARD, CONFIG, SUMMED, WEIGHTS, find_pretrained, read_card, shipped_names


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(b"abc")
    (folder / CONFIG).write_text("seed = 1\n")
    write_card(folder)
    return folder


def write_card(folder, **changes):
    card = {"format": pretrained.FORMAT, "format_version": 1, "step": 3, "files": file_sums(folder, SUMMED)}
    (folder / CARD).write_text(json.dumps(card | changes))


def refused(folder):
    with pytest.raises(UserError) as caught:
        read_card(str(folder))
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_sums_are_those_of_sha256sum(folder):
    # printf abc | sha256sum
    wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sums(folder, SUMMED)[WEIGHTS] == {"bytes": 3, "sha256": wanted}
    assert read_card(folder)["step"] == 3


def test_changed_and_missing_files_are_told(folder):
    (folder / WEIGHTS).write_bytes(b"abd")
    assert f"{WEIGHTS} is not the file" in refused(folder)
    (folder / WEIGHTS).write_bytes(b"abc")
    (folder / CONFIG).unlink()
    assert CONFIG in refused(folder)


def test_cards_that_are_none_are_told(folder):
    for text in ("", "{", "[]", "null", "[" * 10**5, '{"format": "other"}', "x" * 2**21):
        (folder / CARD).write_text(text)
        assert CARD in refused(folder)
    for change in ({"format_version": 9}, {"step": "3"}, {"files": {}}, {"files": None}, {"files": []}, {"files": "x"}):
        write_card(folder, **change)
        refused(folder)
    (folder / CARD).unlink()
    assert CARD in refused(folder)


def test_models_are_found_by_name_or_folder(folder, monkeypatch):
    monkeypatch.setattr(pretrained, "SHIPPED", str(folder.parent))
    assert shipped_names() == ["mine"]
    assert find_pretrained("mine") == str(folder)
    assert find_pretrained(f"{folder}") == str(folder)
    for name in ("other", "..", "", "./other"):
        with pytest.raises(UserError, match="--pretrained"):
            find_pretrained(name)
    monkeypatch.setattr(pretrained, "SHIPPED", str(folder / "nothing"))
    with pytest.raises(UserError, match="installed with the library: none"):
        find_pretrained("mine")


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, CARD])
def test_a_pointer_of_git_lfs_is_called_one(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    sentence = refused(folder)
    assert sentence == f"{folder / name}: it is a Git LFS pointer, not the file itself: run git lfs pull."
