"""Clips with the sweeps of their scenes behind them."""

import shutil

import numpy as np
import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.evaluation.views.scene_clips import SceneClips

from view_world import SIZE, world_clips, write_world

OPTIONS = {"batch_size": 2, "frame_size": SIZE, "fields": ("video", "segments", "camera")}


@pytest.fixture
def folder(tmp_path):
    return write_world(tmp_path / "world", {"test": 3}, seed=7)


def test_behind_each_clip_are_the_views_of_its_own_scene(folder):
    scenes = SceneClips(ClipRecords(str(folder), "test"))
    assert (scenes.num_frames, scenes.sweep_frames) == (5, 4)
    batches = list(scenes.batches(9, **OPTIONS))
    assert [batch["clip_mask"].numpy().tolist() for batch in batches] == [[True, True], [True, False]]
    found = {name: np.concatenate([batch[name] for batch in batches])[:3] for name in OPTIONS["fields"]}
    for index, clip in enumerate(world_clips(3, 7, num_frames=5, sweep=4)):
        np.testing.assert_allclose(found["video"][index] * 255.0, clip["video"], atol=1e-3)
        np.testing.assert_array_equal(found["segments"][index], clip["segments"])
        np.testing.assert_allclose(found["camera"][index], clip["camera"], atol=1e-6)
    (batch, *_) = scenes.batches(3, **OPTIONS)
    np.testing.assert_array_equal(batch["video"], found["video"][:2, :3])


def test_without_a_sweep_there_are_the_clips_alone(tmp_path):
    scenes = SceneClips(ClipRecords(str(write_world(tmp_path, {"test": 1}, sweep=0)), "test"))
    assert (scenes.sweep, scenes.sweep_frames, len(scenes.readers())) == (None, 0, 1)
    assert scenes.fields(("video", "video", "object_moving", "camera")) == ("video", "camera")


def test_clips_that_may_be_left_out_have_no_sweep(folder):
    assert SceneClips(ClipRecords(str(folder), "test", on_corrupt="skip")).sweep is None


def test_a_sweep_of_other_scenes_is_refused(folder, tmp_path):
    other = write_world(tmp_path / "other", {"test": 2})
    for path in other.iterdir():
        if not path.name.startswith("test_views"):
            shutil.copy(path, folder / path.name)
    (folder / "dataset.json").unlink()
    with pytest.raises(UserError, match=r"test_views'\) has 3 clips, but it shows .* which has 2"):
        SceneClips(ClipRecords(str(folder), "test"))
