"""Rooms whose walls tell the directions apart, and the cameras all around them."""

import colorsys
import dataclasses
import itertools

import numpy as np
import pytest

from scenes.geometry import present, project
from simone_tf.errors import UserError
from simone_tf.scenes.generate import check_views
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.room import RoomPreset

VIEWS, PLAYROOM = PRESETS["quickstart_views"], PRESETS["playroom"]


def drawn(count, preset=VIEWS):
    samples = (preset.sample(3, np.random.default_rng(seed)) for seed in itertools.count())
    return list(itertools.islice((sample for sample in samples if sample is not None), count))


def test_the_preset_is_what_view_synthesis_needs():
    assert VIEWS.frames >= 6
    assert VIEWS.camera_arc[0] >= 120
    assert VIEWS.num_objects == (2, 3)
    assert VIEWS.num_moving == (0, 0)
    # The camera stands in the room: from behind, a wall would be seen through.
    assert VIEWS.camera_distance[1] * np.cos(np.radians(VIEWS.camera_elevation[0])) < VIEWS.room_half_width


def test_walls_have_four_hues_a_quarter_apart_the_same_way_round():
    firsts = []
    for scene, _ in drawn(8):
        colors = [colorsys.rgb_to_hsv(*wall.surface.first) for wall in scene.walls]
        hues, saturations, values = np.array(colors).T
        np.testing.assert_allclose(np.diff([*hues, hues[0]]) % 1.0, 0.25, atol=1e-6)
        assert np.ptp(saturations) < 1e-6
        assert np.ptp(values) < 1e-6
        assert all(wall.surface.texture == "flat" for wall in scene.walls)
        firsts.append(hues[0])
    assert np.ptp(firsts) > 0.3


def test_objects_floor_and_path_are_those_of_a_room_with_equal_walls():
    fields = {field.name: getattr(VIEWS, field.name) for field in dataclasses.fields(RoomPreset)}
    for seed in range(20):
        own, room = (preset.sample(2, np.random.default_rng(seed)) for preset in (VIEWS, RoomPreset(**fields)))
        assert (own is None) == (room is None)
        if own is not None:
            assert own[0].floor == room[0].floor
            np.testing.assert_array_equal(own[0].positions(), room[0].positions())
            np.testing.assert_array_equal(own[1].position, room[1].position)


def test_a_sweep_goes_once_around_the_room_and_looks_at_its_middle():
    _, path = drawn(1)[0]
    sweep = VIEWS.sweep(path, 12)
    np.testing.assert_allclose(sweep.yaw, -np.pi + np.arange(12) * np.pi / 6, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(sweep.position - [0, 0, VIEWS.look_height], axis=1), 4.1, atol=1e-9)
    ahead = sweep.position + 4.1 * sweep.directions()
    np.testing.assert_allclose(ahead, np.tile([0, 0, VIEWS.look_height], (12, 1)), atol=1e-9)


def test_in_a_playroom_a_sweep_turns_where_the_agent_starts():
    path = next(sample[1] for sample in (PLAYROOM.sample(10, np.random.default_rng(s)) for s in range(9)) if sample)
    sweep = PLAYROOM.sweep(path, 8)
    assert (sweep.position == path.position[0]).all()
    np.testing.assert_allclose(np.diff(sweep.yaw), np.pi / 4)
    np.testing.assert_allclose(sweep.pitch, path.pitch.mean())


@pytest.mark.parametrize("name", ["objects_room_moving", "cater", "tabletop"])
def test_of_what_moves_there_are_no_views_from_all_around(name):
    with pytest.raises(UserError, match=f"Preset '{name}' has no views from all around.*quickstart_views"):
        check_views(PRESETS[name], 4)
    check_views(PRESETS[name], 0)


def test_views_show_the_clips_own_scene(processes):
    (clip,) = processes.clips(VIEWS, 9, [3])
    (seen,) = (views for views, _ in processes.timed_clips(VIEWS, 9, [3], 6))
    assert seen["video"].shape == (6, 24, 24, 3)
    assert seen["camera"].shape == (6, 7)
    for name in ("object_attributes", "object_moving"):
        np.testing.assert_array_equal(seen[name], clip[name])
    np.testing.assert_array_equal(seen["object_positions"], np.repeat(clip["object_positions"][:1], 6, axis=0))
    # The middle of a sphere, cube or cylinder shows it or what stands in front of it.
    for frame in range(6):
        centres = seen["object_positions"][frame, : present(clip)]
        rows, columns = project(centres, seen["camera"][frame], VIEWS).astype(int).T
        assert (seen["segments"][frame, rows, columns] > 0).all()
        nearest = np.argmin(np.linalg.norm(centres - seen["camera"][frame, :3], axis=1))
        assert seen["segments"][frame, rows[nearest], columns[nearest]] == nearest + 1
