import json

import numpy as np
import pytest

from simone_tf import locks
from simone_tf.data.formats import sidecar
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.sidecar import write_sidecar
from simone_tf.errors import UserError
from simone_tf.scenes import dataset
from simone_tf.scenes.dataset import SplitPlan, make_split
from simone_tf.scenes.presets import PRESETS

from lock_owner import owner_of

PLAN = SplitPlan(PRESETS["quickstart"], "train", seed=4, num_clips=7, clips_per_shard=3)


@pytest.fixture(scope="module")
def made(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assert make_split(PLAN, str(folder), workers=2) == 7
    return folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_cover_the_clips_once():
    shards = PLAN.shards()
    assert {name: list(clips) for name, clips in shards.items()} == {
        "train-00000-of-00003.tfrecord": [0, 1, 2],
        "train-00001-of-00003.tfrecord": [3, 4, 5],
        "train-00002-of-00003.tfrecord": [6],
    }


def test_the_sidecar_says_what_is_there_and_how_it_was_made(made):
    sidecar = json.loads((made / "dataset.json").read_text())["splits"]["train"]
    assert sidecar["num_clips"] == 7
    assert sidecar["shards"] == {name: len(clips) for name, clips in PLAN.shards().items()}
    assert (sidecar["frames"], sidecar["height"], sidecar["width"]) == (4, 24, 24)
    assert sidecar["generator"] == PLAN.to_json()


def test_any_clip_can_be_made_again(made, processes):
    reader = ClipRecords(str(made), "train")
    assert set(reader.fields) == set(json.loads((made / "dataset.json").read_text())["splits"]["train"]["fields"])
    records = list(reader.files.serialized())
    assert len(records) == 7
    for index, clip in zip((6, 1), processes.clips(PLAN.preset, PLAN.seed, (6, 1)), strict=True):
        read = reader.parse(records[index], reader.fields)
        assert set(read) == set(clip)
        for name, value in clip.items():
            np.testing.assert_array_equal(read[name].numpy(), value, err_msg=name)


def test_one_process_writes_the_same_bytes(made, tmp_path):
    make_split(PLAN, str(tmp_path), workers=1)
    assert files(tmp_path) == files(made)


def test_complete_shards_are_kept_and_damaged_or_missing_ones_made_again(made, tmp_path):
    whole = files(made)
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    kept = tmp_path / "train-00000-of-00003.tfrecord"
    before = kept.stat().st_mtime_ns
    (tmp_path / "train-00001-of-00003.tfrecord").write_bytes(whole["train-00001-of-00003.tfrecord"][:-9])
    (tmp_path / "train-00002-of-00003.tfrecord").unlink()
    (tmp_path / ".train-00002-of-00003.tfrecord.killed.tmp").write_bytes(b"half")
    told = []
    clips = []
    made_now = make_split(PLAN, str(tmp_path), 2, clips.append, lambda *shard: told.append(shard))
    assert made_now == len(clips) == 4
    assert all(0 < seconds < 60 for seconds in clips)
    assert told == [
        ("train-00000-of-00003.tfrecord", 3, True),
        ("train-00001-of-00003.tfrecord", 3, False),
        ("train-00002-of-00003.tfrecord", 1, False),
    ]
    assert files(tmp_path) == whole
    (tmp_path / "train-00001-of-00003.tfrecord").write_bytes(whole["train-00002-of-00003.tfrecord"])
    assert make_split(PLAN, str(tmp_path)) == 3  # One clip instead of three.
    assert files(tmp_path) == whole
    assert kept.stat().st_mtime_ns == before


def test_other_settings_are_refused_and_nothing_is_touched(made):
    before = files(made)
    for changes, said in (
        ({"seed": 5}, "seed 4, now 5"),
        ({"num_clips": 8}, "num_clips 7, now 8"),
        ({"preset": PRESETS["objects_room"]}, "preset name quickstart, now objects_room"),
    ):
        plan = SplitPlan(**{**vars(PLAN), **changes})
        with pytest.raises(UserError, match=said):
            make_split(plan, str(made))
    assert files(made) == before


def test_a_second_split_needs_its_own_seed(made, tmp_path):
    for name, content in files(made).items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="same clips: choose another --seed"):
        make_split(SplitPlan(PRESETS["quickstart"], "test", seed=4, num_clips=1, clips_per_shard=1), str(tmp_path))
    make_split(SplitPlan(PRESETS["quickstart"], "test", seed=5, num_clips=1, clips_per_shard=1), str(tmp_path))
    assert set(files(tmp_path)) == {*files(made), "test-00000-of-00001.tfrecord"}
    sidecar = json.loads((tmp_path / "dataset.json").read_text())["splits"]["train"]
    assert sidecar["generator"] == PLAN.to_json()


def test_files_of_unknown_origin_are_not_overwritten(tmp_path):
    stranger = tmp_path / "train-00000-of-00003.tfrecord"
    stranger.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"train-00000-of-00003\.tfrecord is there but not known"):
        make_split(PLAN, str(tmp_path))
    assert stranger.read_bytes() == b"precious"


def test_a_split_whose_settings_are_incomplete_is_not_continued(tmp_path):
    write_sidecar(tmp_path, "train", {"generator": {"generator_version": 2, "preset": {}}})
    with pytest.raises(UserError, match="other settings"):
        make_split(PLAN, str(tmp_path))


def test_of_two_makers_of_a_split_the_second_is_told(tmp_path):
    with owner_of(locks.inside(tmp_path, "train")) as owner:
        (tmp_path / ".train-00000-of-00003.tfrecord.abc.tmp").write_text("half")
        with pytest.raises(UserError, match=f"Split 'train' of .* by process {owner.pid} on host"):
            make_split(PLAN, str(tmp_path))
        assert sorted(files(tmp_path)) == [".train-00000-of-00003.tfrecord.abc.tmp", ".train.lock"]


class NoProcesses:
    """In the place of those that render, in which others may do something meanwhile."""

    meanwhile = staticmethod(lambda: None)

    def __init__(self, workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def check(self):
        self.meanwhile()

    def timed_clips(self, preset, seed, indices, views):
        yield pytest.fail("nothing is to be rendered")


def test_of_two_splits_of_one_seed_that_are_begun_together_the_second_is_refused(tmp_path, monkeypatch):
    other = {"num_clips": 0, "shards": {}, "generator": PLAN.to_json()}
    monkeypatch.setattr(NoProcesses, "meanwhile", lambda self: write_sidecar(tmp_path, "test", other))
    monkeypatch.setattr(dataset, "RenderProcesses", NoProcesses)
    with pytest.raises(UserError, match=r"Split 'test' .* the same clips"):
        make_split(PLAN, str(tmp_path))
    assert set(json.loads((tmp_path / "dataset.json").read_text())["splits"]) == {"test"}


def test_a_sidecar_that_another_process_is_writing_is_no_leftover(tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(dataset, "RenderProcesses", NoProcesses)
    with owner_of(locks.inside(tmp_path, "dataset.json")):
        (tmp_path / ".dataset.json.abc.tmp").write_text("half")
        with pytest.raises(UserError, match=r"dataset\.json is being changed by process"):
            make_split(PLAN, str(tmp_path))
        assert (tmp_path / ".dataset.json.abc.tmp").read_text() == "half"
