"""Several processes that write splits of one folder: none is lost, and a split has one writer."""

import json
import os

import pytest

from simone_tf import locks
from simone_tf.data.formats import sidecar
from simone_tf.data.formats.sidecar import split_held, write_sidecar
from simone_tf.errors import UserError

from lock_owner import owner_of, python

# One process loads TensorFlow, its forks begin together.
RACE = """
import os, sys
from simone_tf.data.formats.sidecar import write_sidecar
folder, processes, splits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
wait, go = os.pipe()
children = []
for process in range(processes):
    child = os.fork()
    if not child:
        os.close(go)
        os.read(wait, 1)
        for number in range(splits):
            write_sidecar(folder, f"split_{process}_{number}", {"num_clips": 100 * process + number})
        os._exit(0)
    children.append(child)
os.close(go)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


def test_no_split_is_lost_when_processes_write_at_once(tmp_path):
    folder = tmp_path / "not there yet" / "data"
    with python(RACE, folder, 12, 5) as race:
        out, err = race.communicate(timeout=120)
    assert out == f"{[0] * 12}\n", err
    splits = json.loads((folder / "dataset.json").read_text())["splits"]
    wanted = {f"split_{process}_{number}": 100 * process + number for process in range(12) for number in range(5)}
    assert {name: info["num_clips"] for name, info in splits.items()} == wanted
    assert os.listdir(folder) == ["dataset.json"]


def test_one_that_holds_the_sidecar_too_long_is_named_and_nothing_is_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "_WAIT_SECONDS", 0.1)
    write_sidecar(tmp_path, "train", {"num_clips": 3})
    before = (tmp_path / "dataset.json").read_bytes()
    with owner_of(locks.inside(tmp_path, "dataset.json")) as owner:
        with pytest.raises(UserError, match=rf"dataset\.json is being changed by process {owner.pid} on host"):
            write_sidecar(tmp_path, "test", {"num_clips": 1})
        assert (tmp_path / "dataset.json").read_bytes() == before
        owner.kill()
        owner.wait()
        write_sidecar(tmp_path, "test", {"num_clips": 1})
    assert set(json.loads((tmp_path / "dataset.json").read_text())["splits"]) == {"train", "test"}


def test_a_split_has_one_writer_and_its_neighbour_another(tmp_path):
    with owner_of(locks.inside(tmp_path, "train")) as owner:
        told = rf"Split 'train' of .* is being made by process {owner.pid} "
        with pytest.raises(UserError, match=told), split_held(tmp_path, "train"):
            pass
        with split_held(tmp_path, "test"):
            write_sidecar(tmp_path, "test", {"num_clips": 1})
    with split_held(tmp_path, "train"):
        pass
