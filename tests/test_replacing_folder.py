"""A folder that is replaced is the old one or the new one, whole, whenever its writer is killed."""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from simone_tf import files
from simone_tf.files import mend_folder, replacing_folder

REPOSITORY = pathlib.Path(__file__).parents[1]
PARTS = ("a", "b", "below/c")
WRITER = """
import itertools, os, sys
from simone_tf.files import replacing_folder
path, number = sys.argv[1], int(sys.argv[2])
for number in itertools.count(number):
    with replacing_folder(path) as folder:
        os.mkdir(os.path.join(folder, "below"))
        for part in ("a", "b", "below/c"):
            with open(os.path.join(folder, part), "w") as file:
                file.write(str(number))
    print(number, flush=True)
"""


def write(path, text):
    with replacing_folder(path) as folder:
        os.mkdir(os.path.join(folder, "below"))
        for part in PARTS:
            pathlib.Path(folder, part).write_text(text)


def read(path):
    """What all files say; fails when one is missing or says something else."""
    texts = {(path / part).read_text() for part in PARTS}
    assert len(texts) == 1, texts
    assert {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()} == set(PARTS)
    return texts.pop()


@pytest.fixture(params=["exchanged at once", "renamed twice"])
def path(request, tmp_path, monkeypatch):
    if request.param == "renamed twice":
        monkeypatch.setattr(files, "_exchange", lambda a, b: False)
    return tmp_path / "parent" / "1"


def test_a_folder_is_written_and_replaced(path):
    write(path, "old")
    assert read(path) == "old"
    write(path, "new")
    assert read(path) == "new"
    assert os.listdir(path.parent) == ["1"]


def test_what_fails_leaves_the_old_folder(path):
    def fail():
        with replacing_folder(path) as folder:
            pathlib.Path(folder, "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(path.parent) == []
    write(path, "old")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert read(path) == "old"
    assert os.listdir(path.parent) == ["1"]


def test_an_empty_folder_is_taken(path):
    path.mkdir(parents=True)
    write(path, "new")
    assert read(path) == "new"


def test_others_may_read_it(path):
    write(path, "new")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o777 & ~umask


def test_the_folder_that_a_link_names_is_replaced(path, tmp_path):
    write(path, "old")
    link = tmp_path / "current"
    link.symlink_to(path)
    write(link, "new")
    assert link.is_symlink()
    assert read(path) == "new"
    assert os.listdir(path.parent) == ["1"]


def test_what_stands_beside_it_is_left_alone(path):
    write(path, "old")
    for name in (".1", ".11.x.tmp", "1.x.tmp", ".1.x.tmpx", "2"):
        (path.parent / name).mkdir()
    (path.parent / ".1.file.tmp").write_text("")
    before = set(os.listdir(path.parent))
    write(path, "new")
    assert set(os.listdir(path.parent)) == before


def test_a_folder_that_is_still_written_to_is_left_alone(path):
    with replacing_folder(path) as first:
        pathlib.Path(first, "mark").write_text("")
        write(path, "second")
        assert os.listdir(first) == ["mark"]
        assert read(path) == "second"
    assert os.listdir(path) == ["mark"]


def test_an_old_folder_that_lost_its_name_is_put_back(path):
    """What a kill between the two renames leaves."""
    write(path, "old")
    os.rename(path, path.parent / ".1.abc.tmp.old")
    with pytest.raises(KeyboardInterrupt), replacing_folder(path):
        raise KeyboardInterrupt
    assert read(path) == "old"


@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        ((".1.abc.tmp.new", ".1.abc.tmp.old"), "new"),
        ((".1.abc.tmp.new",), "new"),
        ((".1.abc.tmp.old",), "old"),
        (("1", ".1.abc.tmp.old"), "present"),
        (("1", ".1.abc.tmp.new"), "present"),
        ((".1.abc.tmp.old", ".1.abc.tmp"), "old"),
    ],
)
def test_the_newer_whole_folder_gets_the_name_back(path, left, wanted):
    """A folder named `.tmp.new` is whole, one named `.tmp` is not known to be."""
    path.parent.mkdir()
    for name in left:
        made = path.parent.parent / "made"
        write(made, {".new": "new", ".old": "old"}.get(name[-4:], "present"))
        os.rename(made, path.parent / name)
    mend_folder(path)
    assert read(path) == wanted
    assert os.listdir(path.parent) == ["1"]


def test_a_folder_beside_none_needs_no_mending(tmp_path):
    mend_folder(tmp_path / "missing" / "1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", [1, 2, 3])
def test_killed_between_renames_it_is_whole_once_mended(tmp_path, monkeypatch, step):
    """Where two folders cannot be exchanged at once. What comes after a kill does not happen, not even cleaning up."""
    path, replace, calls = tmp_path / "1", os.replace, []
    write(path, "old")

    def killed(source, target):
        calls.append(target)
        if len(calls) == step:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_exchange", lambda a, b: False)
        patch.setattr(os, "replace", killed)
        patch.setattr(shutil, "rmtree", lambda *arguments, **keywords: None)
        with pytest.raises(KeyboardInterrupt):
            write(path, "new")
    assert len(os.listdir(tmp_path)) == 2
    mend_folder(path)
    assert read(path) == ("new" if step == 3 else "old")
    assert os.listdir(tmp_path) == ["1"]


def test_what_another_process_put_there_stays(path):
    with replacing_folder(path, keep_existing=True) as first:
        pathlib.Path(first, "late").write_text("")
        write(path, "earlier")
    assert read(path) == "earlier"
    assert os.listdir(path.parent) == ["1"]


def test_a_folder_that_would_stay_is_made_where_there_is_none(path):
    with replacing_folder(path, keep_existing=True) as folder:
        pathlib.Path(folder, "mark").write_text("")
    assert os.listdir(path) == ["mark"]
    assert os.listdir(path.parent) == ["1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders at once")
def test_killed_at_any_time_it_is_whole(tmp_path):
    path, random_delay = tmp_path / "1", random.Random(0)
    write(path, "0")
    last, left = 0, 0
    for _ in range(12):
        line = [sys.executable, "-c", WRITER, str(path), str(last + 1)]
        writer = subprocess.Popen(line, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        writer.stdout.readline()
        time.sleep(random_delay.uniform(0, 0.02))
        writer.send_signal(signal.SIGKILL)
        told = [int(number) for number in writer.communicate()[0].split()]
        left += len(os.listdir(tmp_path)) - 1
        found = int(read(path))
        # What was reported is there; what came after it, before the report, may be.
        assert found in (max(told, default=last + 1), max(told, default=last + 1) + 1)
        last = found
    assert left > 0, "no kill met a folder that was being written"
    write(path, "end")
    assert os.listdir(tmp_path) == ["1"]


def test_a_new_folder_that_another_process_takes_for_one_left_behind_is_made_again(path, monkeypatch):
    """It looks for folders left behind after this one was made, and before it is locked."""
    write(path, "old")
    make, lock, looks = files.tempfile.mkdtemp, files.fcntl.flock, []

    def look(moment):
        if moment not in looks:
            looks.append(moment)
            mend_folder(path)

    def made(**keywords):
        folder = make(**keywords)
        look("made")
        return folder

    def locked(handle, flags):
        if not flags & files.fcntl.LOCK_NB:
            look("opened")
        lock(handle, flags)

    monkeypatch.setattr(files.tempfile, "mkdtemp", made)
    monkeypatch.setattr(files.fcntl, "flock", locked)
    write(path, "new")
    assert looks == ["made", "opened"]
    assert read(path) == "new"
    assert os.listdir(path.parent) == ["1"]


def test_what_was_left_behind_is_locked_until_it_is_gone(path, monkeypatch):
    left = path.parent / ".1.abc.tmp"
    left.mkdir(parents=True)
    remove, seen = shutil.rmtree, []

    def removed(folder, **keywords):
        handle = os.open(folder, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                files.fcntl.flock(handle, files.fcntl.LOCK_EX | files.fcntl.LOCK_NB)
        finally:
            os.close(handle)
        seen.append(str(folder))
        remove(folder, **keywords)

    monkeypatch.setattr(shutil, "rmtree", removed)
    mend_folder(path)
    assert seen == [str(left)]
    assert os.listdir(path.parent) == []
