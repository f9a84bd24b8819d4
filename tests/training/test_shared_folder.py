"""Whether workers see one run folder; what all agree on is played back."""

import os

import pytest

from simone_tf.errors import UserError
from simone_tf.training import shared_folder as module
from simone_tf.training.shared_folder import shared_folder

MARK = float(0xABC)


class Played:
    """A worker whose `agreed` answers what a test says, and keeps what it was asked."""

    def __init__(self, index, *answers):
        self.index, self.is_chief = index, index == 0
        self.answers, self.given = list(answers), []

    def agreed(self, value):
        self.given.append(value)
        return [self.answers.pop(0) if self.answers else value]


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    monkeypatch.setattr(module, "_PAUSE", 0.01)


def test_the_chief_makes_a_folder_for_the_time_of_the_block_and_clears_away_an_old_one(tmp_path):
    (tmp_path / ".workers" / "1").mkdir(parents=True)
    chief = Played(0)
    with shared_folder(tmp_path, chief) as own:
        assert own == str(tmp_path / ".workers" / "0")
        assert os.listdir(tmp_path / ".workers") == [f"{int(chief.given[0]):x}"]
        assert chief.given[1] == 0
    assert os.listdir(tmp_path) == []


def test_a_worker_finds_the_mark_of_the_chief(tmp_path):
    (tmp_path / ".workers").mkdir()
    (tmp_path / ".workers" / "abc").touch()
    worker = Played(1, MARK)
    with shared_folder(tmp_path, worker) as own:
        assert own == str(tmp_path / ".workers" / "1")
    assert worker.given == [0.0, 0.0]
    assert (tmp_path / ".workers" / "abc").exists()


@pytest.mark.parametrize(("worker", "answers"), [(0, (MARK, 2.0)), (2, (MARK, 2.0))])
def test_a_worker_that_sees_another_folder_is_told_by_all(tmp_path, worker, answers):
    run_dir = tmp_path / "run"
    played = Played(worker, *answers)
    told = rf"--run_dir={run_dir}: worker 2 does not see there what worker 0 writes"
    with pytest.raises(UserError, match=told), shared_folder(run_dir, played):
        pass
    assert played.given[1] == float(worker)
    assert not (run_dir / ".workers").exists()
