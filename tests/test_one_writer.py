"""A folder that is replaced has one writer, whose lock leaves nothing beside it."""

import os
import pathlib
import threading
import time

import pytest

from simone_tf import locks
from simone_tf.errors import UserError
from simone_tf.one_writer import replacing_held

from lock_owner import writer_of


def replaced(path):
    with replacing_held(path, "The folder is being made", "make another") as folder:
        pathlib.Path(folder, "yours").touch()


def test_a_folder_that_is_replaced_has_one_writer_and_no_trace_of_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "OWNER_SECONDS", 0.1)
    path = tmp_path / "models" / "1"
    with writer_of(path) as owner:
        with pytest.raises(UserError, match=f"The folder is being made by process {owner.pid} on host"):
            replaced(path)
        replaced(path.parent / "2")
        owner.communicate("go on\n")
        assert os.listdir(path) == ["mine"]
        replaced(path)
    assert os.listdir(path) == ["yours"]
    assert sorted(os.listdir(path.parent)) == ["1", "2"]


def test_a_killed_writer_of_a_folder_holds_nobody_up(tmp_path):
    path = tmp_path / "1"
    replaced(path)
    with writer_of(path) as owner:
        owner.kill()
        owner.wait()
        assert len(os.listdir(tmp_path)) == 2
        replaced(path)
    assert os.listdir(tmp_path) == ["1"]


def test_of_writers_that_begin_together_one_goes_on(tmp_path):
    """They see each other, both give way, and come back; none of the others ever writes beside it."""
    path, begin, writing, most, refused = tmp_path / "1", threading.Barrier(3), [], [], []

    def write():
        begin.wait()
        try:
            with replacing_held(path, "The folder is being made", "make another"):
                writing.append(1)
                most.append(len(writing))
                time.sleep(1.5)
                writing.pop()
        except UserError as error:
            refused.append(error)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) + len(refused) == 3
    assert os.listdir(tmp_path) == ["1"]
