"""Of two imports of one split the second touches nothing of the first, and goes on when that is gone."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from simone_tf import locks
from simone_tf.data.formats.write_records import shard_name
from simone_tf.data.videos import import_clips
from simone_tf.data.videos.import_clips import find_sources, import_split
from simone_tf.data.videos.video_clips import ImportPlan
from simone_tf.errors import UserError

from lock_owner import owner_of

PLAN = ImportPlan(frames=2, clips_per_shard=2)


def frames_folder(folder, count):
    folder.mkdir(parents=True)
    for index, frame in enumerate(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)):
        Image.fromarray(frame).save(folder / f"{index}.png")


def test_of_two_imports_of_a_split_the_second_is_told_and_leaves_the_first_alone(tmp_path):
    frames_folder(tmp_path / "in" / "walk", 4)
    sources, out = find_sources([tmp_path / "in"]), tmp_path / "out"
    with owner_of(locks.inside(out, "train")) as owner:
        (out / ".importing-train.abc").mkdir()
        (out / ".importing-train.abc" / "0").write_text("half")
        with pytest.raises(UserError, match=f"is being made by process {owner.pid} on host"):
            import_split(sources, PLAN, str(out), "train")
        assert (out / ".importing-train.abc" / "0").read_text() == "half"
        assert import_split(sources, PLAN, str(out), "test")["num_clips"] == 2
        owner.kill()
        owner.wait()
        info = import_split(sources, PLAN, str(out), "train")
    assert sorted(os.listdir(out)) == sorted(["dataset.json", *info["shards"], shard_name("test", 0, 1)])
    assert set(json.loads((out / "dataset.json").read_text())["splits"]) == {"train", "test"}


def test_a_split_that_another_import_finished_meanwhile_is_taken_as_it_is(tmp_path, monkeypatch):
    """Between the look at the folder and the lock."""
    frames_folder(tmp_path / "in" / "walk", 4)
    sources, out, held = find_sources([tmp_path / "in"]), tmp_path / "out", import_clips.split_held

    def late(*arguments):
        monkeypatch.setattr(import_clips, "split_held", held)
        import_split(sources, PLAN, str(out), "train")
        return held(*arguments)

    monkeypatch.setattr(import_clips, "split_held", late)
    seen = []
    assert import_split(sources, PLAN, str(out), "train", on_video=seen.append)["num_clips"] == 2
    assert not seen
