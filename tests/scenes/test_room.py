import dataclasses
import itertools
import math

import numpy as np
import pytest

from simone_tf.scenes.physics import FRICTION, GRAVITY
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.room import sample_scene
from simone_tf.scenes.scene import SHAPES


def scenes(preset, count):
    return [scene for scene, _ in pushed_scenes(preset, count)]


def pushed_scenes(preset, count):
    drawn = (sample_scene(preset, preset.num_objects[1], np.random.default_rng(seed)) for seed in itertools.count())
    return list(itertools.islice((pair for pair in drawn if pair is not None), count))


def outline(item):
    """Corners of boxes, or points of the round outline, seen from above and turned: `[P, 2]`."""
    x, y, _ = item.parts[0].half_extents
    if item.shape in ("cube", "pillar"):
        points = np.array([[x, y], [x, -y], [-x, y], [-x, -y]])
    else:
        angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
        points = np.stack([x * np.cos(angles), y * np.sin(angles)], axis=1)
    yaw = 2 * math.atan2(item.quaternions[0, 3], item.quaternions[0, 0])
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    return points @ turn.T


@pytest.mark.parametrize("name", ["quickstart", "objects_room", "objects_room_moving"])
def test_objects_stand_apart_on_the_floor(name):
    preset = dataclasses.replace(PRESETS[name], frames=2)
    for scene in scenes(preset, 20):
        positions = scene.positions()  # [T, N, 3]
        for k, item in enumerate(scene.objects):
            np.testing.assert_allclose(positions[:, k, 2], item.parts[0].half_extents[2])
            assert np.linalg.norm(positions[:, k, :2], axis=1).max() <= preset.layout_radius + 1e-9
        for i, j in itertools.combinations(range(len(scene.objects)), 2):
            one, other = outline(scene.objects[i]), outline(scene.objects[j])
            for position in positions:
                apart = (position[i, :2] + one)[:, None] - (position[j, :2] + other)[None]
                assert np.linalg.norm(apart, axis=-1).min() > preset.min_gap - 0.01


def test_nothing_fits_when_the_gap_is_too_wide():
    assert sample_scene(dataclasses.replace(PRESETS["quickstart"], min_gap=9.0), 2, np.random.default_rng(0)) is None


def test_equal_colors_occur_as_chance_has_it():
    preset = dataclasses.replace(PRESETS["quickstart"], color_brightness=(1.0, 1.0))
    pairs = [
        one.color == other.color
        for scene in scenes(preset, 400)
        for one, other in itertools.combinations(scene.objects, 2)
    ]
    assert 1 / 8 - 0.05 < np.mean(pairs) < 1 / 8 + 0.05


def test_pushes_are_as_the_preset_says_and_roughly_towards_the_middle():
    preset = PRESETS["objects_room_moving"]
    pushed = []
    for scene, velocities in pushed_scenes(preset, 40):
        speeds = np.linalg.norm(velocities, axis=1)
        moving = speeds > 0
        assert preset.num_moving[0] <= moving.sum() <= preset.num_moving[1]
        # Way until friction has used up the energy: v^2 / (2 friction g).
        travel = speeds[moving] ** 2 / (2 * FRICTION * GRAVITY)
        assert (travel >= preset.travel[0] - 1e-9).all()
        assert (travel <= preset.travel[1] + 1e-9).all()
        assert not velocities[:, 2].any()
        inward = -scene.positions()[0][moving, :2]
        cosines = (velocities[moving, :2] * inward).sum(axis=1) / speeds[moving] / np.linalg.norm(inward, axis=1)
        assert (cosines >= math.sqrt(0.5) - 1e-9).all()
        pushed += np.flatnonzero(moving).tolist()
    assert len(set(pushed)) > 4  # The instance number does not tell who is pushed.
    assert not any(velocities.any() for _, velocities in pushed_scenes(PRESETS["objects_room"], 5))


def test_floor_brightness_is_that_of_the_preset():
    preset = PRESETS["quickstart"]
    for scene in scenes(preset, 50):
        direction = np.array(scene.lights[0].direction)
        np.testing.assert_allclose(np.linalg.norm(direction), 1)
        lit = scene.ambient + scene.lights[0].diffuse * -direction[2]
        assert preset.light_brightness[0] <= lit <= preset.light_brightness[1]
        assert preset.shadow_depth[0] - 1e-9 <= 1 - scene.ambient / lit <= preset.shadow_depth[1] + 1e-9
        elevation = math.degrees(math.asin(-direction[2]))
        assert preset.light_elevation[0] - 1e-9 <= elevation <= preset.light_elevation[1] + 1e-9


def test_every_shape_is_drawn_and_only_rooms_have_walls():
    room = scenes(PRESETS["objects_room"], 30)
    assert {item.shape for scene in room for item in scene.objects} == set(SHAPES)
    assert all(len(scene.walls) == 4 for scene in room)
    assert all(scene.walls == () for scene in scenes(PRESETS["quickstart"], 5))


def test_clearance_is_negative_inside_and_positive_outside():
    scene = scenes(PRESETS["quickstart"], 1)[0]
    center = scene.objects[0].positions[0]
    assert scene.clearance(np.stack([center, *([center + 50] * 3)])) < 0
    far = scene.clearance(np.full((4, 3), 100.0))
    assert 100 * math.sqrt(3) - 5 < far < 100 * math.sqrt(3)
