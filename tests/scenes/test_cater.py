import dataclasses
import itertools
import math

import numpy as np
import pytest

from simone_tf.scenes.presets import PRESETS

CATER = PRESETS["cater"]
SLOT = 8


def scenes(count, num_objects=10, preset=CATER):
    drawn = (preset.sample(num_objects, np.random.default_rng(seed)) for seed in itertools.count())
    return list(itertools.islice((pair for pair in drawn if pair is not None), count))


@pytest.fixture(scope="module")
def drawn():
    return [scene for scene, _ in scenes(40)]


def outline(item, frame):
    """Points all over an object's surface in the world, `[P, 3]`."""
    x, y, z = item.parts[0].half_extents
    angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    level = np.linspace(-1, 1, 9)[:, None]
    if item.shape == "cube":
        points = np.array(list(itertools.product(*([np.linspace(-1, 1, 5)] * 3)))) * [x, y, z]
    elif item.shape in ("cylinder", "cone"):
        width = 1 if item.shape == "cylinder" else (1 - level) / 2
        points = np.stack(np.broadcast_arrays(x * width * np.cos(angle), y * width * np.sin(angle), z * level), axis=-1)
    else:  # A sphere, which the snitch fits in.
        r = item.size
        width = np.sqrt(1 - level**2)
        points = np.stack(np.broadcast_arrays(r * width * np.cos(angle), r * width * np.sin(angle), r * level), axis=-1)
    return points.reshape(-1, 3) @ turn(item, frame).T + item.positions[frame]


def turn(item, frame):
    w, _, _, z = item.quaternions[frame]
    if item.shape == "snitch":
        return np.eye(3)
    yaw = 2 * math.atan2(z, w)
    return np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]])


def inside(points, item, frame):
    """Whether world points are within an object."""
    local = (points - item.positions[frame]) @ turn(item, frame)
    x, _, z = item.parts[0].half_extents
    if item.shape == "cube":
        return (np.abs(local) < x).all(axis=-1)
    flat = np.hypot(local[:, 0], local[:, 1])
    if item.shape == "cylinder":
        return (flat < x) & (np.abs(local[:, 2]) < z)
    if item.shape == "cone":
        return (np.abs(local[:, 2]) <= z + 1e-9) & (flat <= x * (z - local[:, 2]) / (2 * z) + 1e-9)
    return np.linalg.norm(local, axis=-1) < item.size


def contained(scene, frame):
    """Pairs (cone, other) of which the cone holds all of the other."""
    return {
        (i, j)
        for i, j in itertools.permutations(range(len(scene.objects)), 2)
        if scene.objects[i].shape == "cone"
        and np.hypot(*(scene.objects[i].positions[frame] - scene.objects[j].positions[frame])[:2]) < 1e-6
        and inside(outline(scene.objects[j], frame), scene.objects[i], frame).all()
    }


def test_nothing_is_within_anything_but_cones(drawn):
    held = 0
    cramped = dataclasses.replace(CATER, layout_radius=1.4, frames=81)
    for scene in [*drawn[:12], *(scene for scene, _ in scenes(25, num_objects=4, preset=cramped))]:
        for frame in range(0, len(scene.objects[0].positions), 4):
            pairs = contained(scene, frame)
            held += len(pairs)
            for i, j in itertools.permutations(range(len(scene.objects)), 2):
                one, other = scene.objects[i], scene.objects[j]
                distance = np.linalg.norm(one.positions[frame] - other.positions[frame])
                over_each_other = np.hypot(*(one.positions[frame] - other.positions[frame])[:2]) < 1e-6
                if (i, j) in pairs or (j, i) in pairs or distance > 3:
                    continue
                if over_each_other and "cone" in (one.shape, other.shape):
                    continue  # On its way down or up.
                assert not inside(outline(other, frame), one, frame).any(), (i, j, frame)
            for item in scene.objects:
                assert outline(item, frame)[:, 2].min() > -1e-9
    assert held > 20


def test_at_most_two_objects_move_at_a_time(drawn):
    counts = []
    for scene in drawn:
        poses = np.concatenate([scene.positions(), scene.quaternions()], axis=-1)
        for start in range(0, CATER.frames - 1, SLOT):
            moved = np.ptp(poses[start : start + SLOT + 1], axis=0).max(axis=-1) > 0
            counts.append(int(moved.sum()))
    assert set(counts) == {1, 2}


def test_all_actions_occur_and_are_smooth(drawn):
    seen = set()
    for scene in drawn:
        for item, start in itertools.product(scene.objects, range(0, CATER.frames - 1, SLOT)):
            path, turns = item.positions[start : start + SLOT + 1], item.quaternions[start : start + SLOT + 1]
            if np.ptp(path[:, 2]) > 0.5:
                seen.add("pick_place")
            elif np.ptp(path, axis=0).max() > 0:
                seen.add("slide")
            if np.ptp(turns, axis=0).max() > 0:
                assert np.ptp(path, axis=0).max() == 0
                assert item.shape in ("cube", "snitch")
                seen.add("rotate")
            # On the floor again at the end of each action.
            for rest in (path[0], path[-1]):
                np.testing.assert_allclose(
                    rest[2], item.size if item.shape == "snitch" else item.parts[0].half_extents[2]
                )
        before, after = contained(scene, 0), contained(scene, CATER.frames - 1)
        assert not before
        if after:
            seen.add("contain")
        for i, j in itertools.chain.from_iterable(contained(scene, frame) for frame in range(0, CATER.frames, SLOT)):
            moved = scene.objects[j].positions[:, :2]
            if np.ptp(moved, axis=0).max() > 0 and scene.objects[i].shape == "cone":
                seen.add("carried or moved before")
    assert seen == {"slide", "pick_place", "rotate", "contain", "carried or moved before"}


def test_a_contained_object_is_hidden(processes):
    hidden = 0
    small = CATER.at_size(32)
    for index, clip in enumerate(processes.clips(small, 21, range(6))):
        count = int((clip["object_attributes"][:, 2] > 0).sum())
        scene, _ = small.sample(count, np.random.default_rng([21, index, 1]))
        np.testing.assert_allclose(scene.positions(), clip["object_positions"][:, :count], atol=1e-6)
        for frame in range(CATER.frames):
            for _, j in contained(scene, frame):
                assert not clip["object_visible"][frame, j]
                hidden += 1
    assert hidden > 10


def test_each_clip_has_one_golden_snitch_and_materials(drawn):
    materials = {attribute["name"]: attribute for attribute in CATER.attributes()}["material"]["values"]
    for scene in drawn:
        (snitch,) = [item for item in scene.objects if item.shape == "snitch"]
        assert {item.color for item in scene.objects if item is not snitch} <= set(CATER.colors) - {"gold"}
        assert snitch.color == "gold"
        for item in scene.objects:
            assert materials[int(CATER.attribute_values(item)[-1])] == item.material
    strengths = {item.material: item.parts[0].specular for scene in drawn for item in scene.objects}
    assert strengths["metal"] > 3 * strengths["rubber"]
    assert len({snitch for scene in drawn for snitch, item in enumerate(scene.objects) if item.shape == "snitch"}) > 4


def test_the_camera_starts_at_one_pose_and_goes_its_own_smooth_way():
    paths = [path for _, path in scenes(60)]
    starts = np.stack([path.vectors()[0] for path in paths])
    np.testing.assert_array_equal(starts, np.tile(starts[0], (60, 1)))
    ends = np.stack([path.position[-1] for path in paths])
    assert ends.std(axis=0)[:2].min() > 2
    target = np.array([0.0, 0.0, CATER.look_height])
    for path in paths:
        distance = np.linalg.norm(path.position - target, axis=1)
        seen = path.position + distance[:, None] * path.directions()
        np.testing.assert_allclose(seen, np.tile(target, (33, 1)), atol=1e-9)
        assert CATER.camera_distance[0] - 1e-9 <= distance.min() <= distance.max() <= CATER.camera_distance[1] + 1e-9
        speed = np.linalg.norm(np.diff(path.position, axis=0), axis=1)
        assert speed.max() < 2.5
        assert np.abs(np.diff(speed)).max() < 0.9
        assert path.position[:, 2].min() > 3
    assert np.median([np.linalg.norm(np.diff(path.position, axis=0), axis=1).sum() for path in paths]) > 10


def test_lamps_stand_around_and_light_the_floor_as_the_preset_says(drawn):
    counts = set()
    for scene in drawn:
        counts.add(len(scene.lights))
        directions = np.array([light.direction for light in scene.lights])
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
        azimuth = np.arctan2(directions[:, 1], directions[:, 0])
        for one, other in itertools.combinations(azimuth, 2):
            assert abs(math.remainder(one - other, 2 * math.pi)) > 1
        lit = scene.ambient + sum(-light.diffuse * light.direction[2] for light in scene.lights)
        assert CATER.brightness[0] <= lit <= CATER.brightness[1]
        assert CATER.ambient_share[0] <= scene.ambient / lit <= CATER.ambient_share[1]
    assert counts == {2, 3}


def test_no_room_gives_no_scene_and_one_frame_gives_no_action():
    crowded = dataclasses.replace(CATER, layout_radius=0.5)
    assert crowded.sample(10, np.random.default_rng(0)) is None
    ((scene, path),) = scenes(1, preset=dataclasses.replace(CATER, frames=1))
    assert not any(item.moving for item in scene.objects)
    assert path.position.shape == (1, 3)
