import dataclasses
import itertools
import math

import numpy as np
import pytest

from simone_tf.scenes.camera import camera_matrices
from simone_tf.scenes.hue import turn_hues
from simone_tf.scenes.presets import PRESETS

LONG, SHORT = PRESETS["quickstart_long"], PRESETS["quickstart"]


def drawn(count, preset=LONG, num_objects=3):
    samples = (preset.sample(num_objects, np.random.default_rng(seed)) for seed in itertools.count())
    return list(itertools.islice((sample for sample in samples if sample is not None), count))


def columns(scene, path):
    """Where the objects' centres are seen, `[T, N]` in half widths of the picture from its middle, by the matrices."""
    matrices = camera_matrices(path.vectors()).astype(np.float64)
    points = np.concatenate([scene.positions(), np.ones((*scene.positions().shape[:2], 1))], axis=-1)
    seen = np.einsum("tij,tnj->tni", np.linalg.inv(matrices), points)
    return seen[..., 0] / -seen[..., 2] / math.tan(math.radians(LONG.field_of_view) / 2)


def test_a_frame_shows_what_the_quickstart_shows():
    same = {field.name for field in dataclasses.fields(SHORT)} - {
        "name",
        "frames",
        "camera_arc",
        "max_object_fraction",
        "min_object_fraction",
        "objects_inside_view",
    }
    for name in same:
        assert getattr(LONG, name) == getattr(SHORT, name), name
    assert LONG.camera_arc == tuple(arc / (SHORT.frames - 1) for arc in SHORT.camera_arc)


def test_the_camera_turns_evenly_all_the_way():
    for _, path in drawn(10):
        turns = np.degrees(np.diff(path.yaw))
        np.testing.assert_allclose(turns, turns[0], atol=1e-9)
        assert 7 <= abs(turns[0]) <= 15


def test_glances_bring_an_object_to_the_border_and_the_camera_back_to_the_middle():
    left = 0
    for scene, path in drawn(10):
        # Between glances it looks at the axis that it circles.
        ahead = path.position + path.directions() * (path.position[:, 2:] - LONG.look_height) / math.sin(-path.pitch[0])
        aside = np.linalg.norm(ahead[:, :2], axis=1)
        assert np.median(aside) < 1e-9
        glances = [len(list(group)) for away, group in itertools.groupby(aside > 1e-9) if away]
        assert len(glances) >= 2
        assert max(glances) <= 2 * LONG.glance_turn[1] + LONG.glance_stay[1] + 1
        assert aside[0] < 1e-9
        beyond = np.abs(columns(scene, path)).max(axis=1)
        assert beyond[aside < 1e-9].max() < 1
        left += (beyond > 1).any()
    assert left == 10


def test_clips_are_kept_when_an_object_leaves_and_comes_back_soon():
    segments = np.zeros((128, 4, 4), np.uint8)
    segments[:, 0, 0], segments[:, 1, 1] = 1, 2
    assert not LONG.accepts(segments)  # nobody ever leaves
    segments[50:52, 0, 0] = 0
    assert LONG.accepts(segments)
    assert LONG.accepts(np.flip(segments, axis=0))
    nobody, long_away, away_at_the_end = segments.copy(), segments.copy(), segments.copy()
    nobody[51, 1, 1] = 0
    long_away[50:53, 0, 0] = 0
    away_at_the_end[127, 1, 1] = 0
    for refused in (nobody, long_away, away_at_the_end):
        assert not LONG.accepts(refused)


def test_a_clip_too_short_for_a_glance_needs_none():
    assert dataclasses.replace(LONG, frames=3).accepts(np.ones((3, 4, 4), np.uint8))


def test_drifting_colours_are_all_that_differs_between_the_two_long_presets(processes):
    drifting = PRESETS["quickstart_long_drift"]
    assert dataclasses.replace(drifting, name=LONG.name, hue_drift=0.0) == LONG
    presets = [dataclasses.replace(preset, frames=24) for preset in (LONG, drifting)]
    (steady,), (drifted,) = (processes.clips(preset, 3, [0]) for preset in presets)
    for name in set(steady) - {"video"}:
        np.testing.assert_array_equal(steady[name], drifted[name])
    np.testing.assert_array_equal(drifted["video"], turn_hues(steady["video"], drifting.hue_drift))
    assert (drifted["video"][-1] != steady["video"][-1]).any()


@pytest.mark.parametrize("seed", [1, 2])
def test_objects_of_generated_clips_leave_and_come_back(processes, seed):
    (clip,) = processes.clips(dataclasses.replace(LONG, frames=64), seed, [0])
    present = clip["object_visible"].any(axis=0)
    visible = clip["object_visible"][:, present]
    assert 2 <= present.sum() <= 3
    assert not visible.all()
    assert visible[[0, -1]].all()
