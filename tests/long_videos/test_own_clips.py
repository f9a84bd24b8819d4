"""A video's own clips: which frames are trained on, which are held out, and what is in the files."""

import itertools
import os

import numpy as np
import pytest

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.errors import UserError
from simone_tf.long_videos.own_clips import (
    CHECK,
    MAX_CHECKS,
    TRAIN,
    FrameStore,
    check_starts,
    plan_clips,
    training_starts,
    write_own_clips,
)

SIZE = (4, 6)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 5])
@pytest.mark.parametrize("lengths", [[1], [2], [4], [9], [10], [40], [7, 1, 30], [5, 6, 5], [1, 2, 1], [11, 12], [400]])
def test_every_frame_has_one_use_at_most(lengths, num_frames):
    """Every window of the trained stretches can be drawn, none holds a cut or a frame that is held out."""
    edges = np.cumsum([0, *lengths]).tolist()
    scenes = list(itertools.pairwise(edges))
    plan = plan_clips(scenes, num_frames)
    assert plan.left_out == sum(length for length in lengths if length < num_frames)
    held_out = set(range(*plan.held_out)) if plan.held_out else set()
    trained = {frame for start, end in plan.trained for frame in range(start, end)}
    assert not trained & held_out
    assert len(trained) + len(held_out) + plan.left_out == edges[-1]
    if not plan.trained:
        assert max(lengths) < num_frames
        return
    scene_of = {frame: number for number, (start, end) in enumerate(scenes) for frame in range(start, end)}
    drawn = set()
    for first in training_starts(plan, num_frames):
        for start in range(first, first + plan.clip_frames - num_frames + 1):
            window = range(start, start + num_frames)
            assert set(window) <= trained
            assert len({scene_of[frame] for frame in window}) == 1
            drawn.add(start)
    possible = {start for first, end in plan.trained for start in range(first, end - num_frames + 1)}
    assert drawn == possible


@pytest.mark.parametrize(
    ("lengths", "num_frames", "held_out"),
    [
        ([7], 4, None),  # a window to train on, and three frames
        ([8], 4, (4, 8)),
        ([24], 4, (20, 24)),
        ([100], 4, (90, 100)),
        ([30, 100, 20], 4, (115, 130)),  # a tenth of all, from the end of the longest scene
        ([6, 6, 6, 6, 6, 6, 6, 6, 6, 8, 6, 6], 4, (58, 62)),
        ([40] * 10, 4, (20, 40)),  # no more than half of a scene
    ],
)
def test_what_is_held_out(lengths, num_frames, held_out):
    edges = np.cumsum([0, *lengths]).tolist()
    assert plan_clips(list(itertools.pairwise(edges)), num_frames).held_out == held_out


def test_what_is_held_out_is_covered_by_windows():
    assert check_starts((20, 24), 4) == [20]
    assert check_starts((10, 21), 4) == [10, 14, 17]
    starts = check_starts((100, 1100), 4)
    assert len(starts) == MAX_CHECKS
    assert (starts[0], starts[-1]) == (100, 1096)
    assert len(set(np.diff(starts).tolist())) <= 2


def test_frames_are_stored_twice_at_most_where_the_scenes_are_long():
    plan = plan_clips([(0, 1000)], 16)
    assert len(training_starts(plan, 16)) * plan.clip_frames <= 2 * 1000


def numbered(count):
    """Frames whose first pixel tells their number."""
    video = np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), np.uint8)
    video[:, 0, 0, 0] = np.arange(count)
    return video


def stored(folder, video, scenes, num_frames, origin, given=None):
    store = FrameStore(str(folder), SIZE)
    for frame, kept in zip(video, store.keep(iter(video)), strict=True):
        np.testing.assert_array_equal(frame, kept)
    given = given or {}
    plan = plan_clips(scenes, num_frames)
    facts = {"from": origin, "sha256": store.digest(given)}
    clips = write_own_clips(str(folder / "clips"), store.frames(), given, plan, num_frames, facts, "choose")
    store.close()
    return clips


def test_what_is_in_the_files(tmp_path):
    video = numbered(23)
    camera = np.random.default_rng(1).normal(size=(23, 5)).astype(np.float32)
    clips = stored(tmp_path, video, [(0, 6), (6, 21), (21, 23)], 3, "a", {"camera": camera})
    assert clips.plan.held_out == (18, 21)
    assert clips.windows == 4 + 10
    assert sorted(os.listdir(tmp_path)) == ["clips"]
    training, check = ClipRecords(clips.folder, TRAIN), ClipRecords(clips.folder, CHECK)
    assert (training.fields, training.clip_shape()) == (("video", "camera"), (5, *SIZE))
    seen = set()
    batches = training_batches(training, batch_size=4, num_frames=3, seed=0, fields=("video", "camera"))
    for batch in batches.take(60).as_numpy_iterator():
        frames = np.rint(batch["video"] * 255).astype(int)
        for window, rows in zip(frames, batch["camera"], strict=True):
            first = window[0, 0, 0, 0]
            seen.add(int(first))
            np.testing.assert_array_equal(window, video[first : first + 3])
            np.testing.assert_array_equal(rows, camera[first : first + 3])
    assert seen == {*range(4), *range(6, 16)}
    (batch,) = evaluation_batches(check, batch_size=1, num_frames=3, fields=("video",)).as_numpy_iterator()
    np.testing.assert_array_equal(np.rint(batch["video"][0] * 255), video[18:21])


def test_the_same_clips_are_left_and_others_refused(tmp_path):
    video = numbered(12)
    path = stored(tmp_path, video, [(0, 12)], 3, "a").folder + "/train-00000-of-00001.tfrecord"
    written = os.stat(path).st_mtime_ns
    stored(tmp_path, video, [(0, 12)], 3, "a")
    assert os.stat(path).st_mtime_ns == written
    other = video.copy()
    other[11, 3, 5, 2] ^= 1
    for changed, origin in ((other, "a"), (video, "b")):
        with pytest.raises(UserError, match="clips of another video or model, or made in another way: choose"):
            stored(tmp_path, changed, [(0, 12)], 3, origin)
    assert os.stat(path).st_mtime_ns == written


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simone_tf.long_videos.own_clips.write_sidecar", full)
    with pytest.raises(OSError, match="No space left"):
        stored(tmp_path, numbered(12), [(0, 12)], 3, "a")
    assert os.listdir(tmp_path) == []
