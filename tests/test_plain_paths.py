"""Other names of folders, by which the files in them are found without a pattern."""

import fnmatch
import glob
import os
import tempfile

import pytest

from simone_tf import plain_paths
from simone_tf.plain_paths import is_plain, plain_folder

ODD = ("br[1]", "back\\slash", "st*r", "q?", "open[", "shut]", "{a,b}", b"\xff".decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("below", ["", "deeper/still"])
@pytest.mark.parametrize("has_proc", [True, False])
def test_a_folder_is_reached_by_a_name_that_is_no_pattern(tmp_path, monkeypatch, name, below, has_proc):
    if not has_proc:
        monkeypatch.setattr(plain_paths, "_OPEN_FOLDERS", str(tmp_path / "nowhere"))
    folder = tmp_path / name / below
    folder.mkdir(parents=True)
    (folder / "file").write_text("in it")
    with plain_folder(folder) as plain:
        assert fnmatch.fnmatchcase(plain, plain)
        assert is_plain(plain)
        assert glob.glob(f"{plain}/fil*") == [f"{plain}/file"]
        assert os.path.samefile(plain, folder)
        with open(f"{plain}/new", "w") as file:
            file.write("put there")
    assert not os.path.exists(plain)
    assert (folder / "new").read_text() == "put there"
    assert (folder / "file").read_text() == "in it"


@pytest.mark.parametrize("has_proc", [True, False])
def test_nothing_is_left_behind_after_an_error(tmp_path, monkeypatch, has_proc):
    if not has_proc:
        monkeypatch.setattr(plain_paths, "_OPEN_FOLDERS", str(tmp_path / "nowhere"))
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    (tmp_path / "a[b]").mkdir()
    handles = len(os.listdir("/proc/self/fd"))
    seen = []

    def interrupted():
        with plain_folder(tmp_path / "a[b]"):
            seen.extend(os.listdir(place))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(seen) == (0 if has_proc else 1)
    assert os.listdir(place) == []
    assert (tmp_path / "a[b]").is_dir()
    assert len(os.listdir("/proc/self/fd")) == handles


def test_an_ordinary_folder_keeps_its_name(tmp_path):
    for name in ("plain", "with space", "ünlaut", "per%cent", "a:b", "#1", "~", "$HOME", "(1)", "a'b", "-x", "!"):
        folder = tmp_path / name
        folder.mkdir()
        with plain_folder(folder) as plain:
            assert plain == str(folder)


def test_the_working_folder_counts(tmp_path, monkeypatch):
    (tmp_path / "a[b]" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a[b]")
    assert not is_plain("run")
    with plain_folder("run") as plain:
        assert os.path.samefile(plain, "run")
        assert is_plain(plain)
    with plain_folder(".") as plain:
        assert os.path.samefile(plain, tmp_path / "a[b]")


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), plain_folder(tmp_path / "no[where]"):
        pass
