"""A run folder is held by one training: a second one is told, from its first file to its last."""

import os
import shutil

import pytest

from simone_tf import locks, train
from simone_tf.errors import UserError
from simone_tf.evaluation.held_out_pictures import Pictures
from simone_tf.runs import training_run

from lock_owner import owner_of
from tiny_run import RESUMED, arguments, fails


@pytest.mark.parametrize("params", [(), ("train.seed = 1",), ("PixelDecoder.hidden_size = 9",)])
def test_of_two_trainings_in_a_folder_the_second_is_told_and_changes_nothing(clips, resumed, tmp_path, capsys, params):
    run_dir = tmp_path / "run"
    shutil.copytree(resumed, run_dir)
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    with owner_of(locks.inside(run_dir, "train")) as owner:
        line = fails(capsys, arguments(run_dir, clips, *RESUMED, "num_steps = 7", *params))
        assert f"--run_dir={run_dir} is being trained by process {owner.pid} on host" in line
        assert "choose another --run_dir" in line
        left = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and path.suffix != ".lock"}
        assert left == before


def test_a_training_holds_its_folder_from_before_its_first_file_to_its_last(clips, tmp_path, monkeypatch, capsys):
    run_dir, seen = tmp_path / "run", []

    def look(function):
        def looked(*arguments, **keywords):
            told, another = f"is being trained by process {os.getpid()} ", locks.inside(run_dir, "train")
            with pytest.raises(UserError, match=told), locks.held(another, "It is being trained", "wait"):
                pass
            seen.append(sorted(path.name for path in run_dir.iterdir() if path.suffix != ".lock"))
            return function(*arguments, **keywords)

        return looked

    monkeypatch.setattr(training_run, "check_continuation", look(training_run.check_continuation))
    monkeypatch.setattr(Pictures, "save", look(Pictures.save))
    train.main(arguments(run_dir, clips, "num_steps = 1", "train.num_pictures = 1", "train.num_held_out_clips = 1"))
    assert seen[0] == []
    assert {"config.gin", "checkpoints", "metrics.json"} <= set(seen[1])
    assert not (run_dir / ".train.lock").exists()
