import dataclasses
import pathlib

import numpy as np
import pytest

from simone_tf.scenes import physics
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.room import sample_scene
from simone_tf.scenes.scene import simple_object

MOVING = PRESETS["objects_room_moving"]
SPHERES = dataclasses.replace(MOVING, shapes=("sphere",), size=32, frames=17)


def on_the_floor(*bodies):
    """The walls and floor of a drawn room, with the given (shape, radius, x, y) in it."""
    scene, _ = sample_scene(MOVING, 5, np.random.default_rng(0))
    height = {"cube": 0.8, "sphere": 1.0}
    objects = tuple(
        simple_object(
            shape,
            (1.0, 0.0, 0.0),
            np.tile([x, y, radius * height[shape]], (MOVING.frames, 1)),
            color_name="red",
            radius=radius,
        )
        for shape, radius, x, y in bodies
    )
    return dataclasses.replace(scene, objects=objects)


@pytest.fixture(scope="module")
def simulate(processes):
    """`physics.simulate` in a process without TensorFlow."""
    return lambda *arguments: processes._pool.submit(physics.simulate, *arguments).result()


@pytest.fixture(scope="module")
def rolling(processes):
    return list(processes.clips(SPHERES, 5, range(6)))


@pytest.mark.parametrize("travel", [0.5, 1.5])
def test_a_lone_cube_slides_as_far_as_friction_lets_it(simulate, travel):
    scene = on_the_floor(("cube", 0.4, -1.0, 0.0))
    velocities = np.array([[physics.push_speed(travel), 0.0, 0.0]])
    (cube,) = simulate(scene, MOVING, velocities).objects
    # v^2 / (2 friction g): all its energy goes into the work of friction.
    way = cube.positions[-1] - cube.positions[0]
    np.testing.assert_allclose(way[:2], [travel, 0.0], atol=0.06)
    assert abs(way[2]) < 0.01
    assert cube.moving
    steps = np.diff(cube.positions[:, 0])
    assert (np.diff(steps) < 1e-3).all()  # Slower and slower.


def test_a_cube_pushes_the_one_in_its_way_and_leaves_the_others_exactly_still(simulate):
    scene = on_the_floor(("cube", 0.4, -1.5, 0.0), ("cube", 0.4, -0.5, 0.0), ("sphere", 0.4, 1.5, 1.5))
    velocities = np.zeros((3, 3))
    velocities[0, 0] = physics.push_speed(1.5)
    pusher, pushed, bystander = simulate(scene, MOVING, velocities).objects
    assert pushed.moving
    assert pushed.positions[-1, 0] > -0.4
    gaps = pushed.positions[:, 0] - pusher.positions[:, 0]
    assert gaps.min() > 0.64 - 0.02  # Side of the cubes.
    assert not bystander.moving
    np.testing.assert_array_equal(bystander.positions, scene.objects[2].positions)
    np.testing.assert_array_equal(bystander.quaternions, scene.objects[2].quaternions)
    # Until they meet, the second one stands still; meeting takes the first one's speed.
    met = int(np.argmax(pushed.positions[:, 0] > -0.49))
    speed = np.diff(pusher.positions[:, 0])
    assert speed[met] < 0.7 * speed[max(met - 2, 0)]


def test_without_a_push_nothing_moves(simulate):
    scene, _ = sample_scene(MOVING, 9, np.random.default_rng(3))
    assert not any(item.moving for item in simulate(scene, MOVING, np.zeros((9, 3))).objects)


def test_the_number_of_frames_samples_the_same_movement(simulate):
    scene = on_the_floor(("sphere", 0.4, -1.5, 0.0), ("cube", 0.4, 0.0, 0.1))
    velocities = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    few, many = (
        simulate(scene, dataclasses.replace(MOVING, frames=frames), velocities).positions() for frames in (6, 11)
    )
    np.testing.assert_allclose(few, many[::2], atol=1e-12)


def test_a_movement_that_cannot_be_computed_is_refused(simulate):
    assert simulate(on_the_floor(("cube", 0.4, 0.0, 0.0)), MOVING, np.array([[np.nan, 0.0, 0.0]])) is None
    assert not pathlib.Path("MUJOCO_LOG.TXT").exists()  # Where MuJoCo writes its warnings by default.


def test_spheres_stay_on_the_floor_within_the_walls_and_out_of_each_other(rolling):
    met = 0
    for clip in rolling:
        count = int((clip["object_attributes"][:, 2] > 0).sum())
        radii = clip["object_attributes"][:count, 2]
        positions = clip["object_positions"][:, :count]
        assert (positions[..., 2] > radii - 0.02).all()
        assert (positions[..., 2] < radii + 0.05).all()
        assert (np.abs(positions[..., :2]) < MOVING.room_half_width - radii[:, None] + 0.02).all()
        distance = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
        gaps = distance - radii[:, None] - radii + 9 * np.eye(count)
        assert gaps.min() > -0.03
        met += (gaps.min(axis=(0, 1)) < 0.03).any()
    assert met >= 3


def test_moving_is_what_moved_by_more_than_the_solver_trembles(rolling):
    counts = []
    for clip in rolling:
        travelled = np.linalg.norm(clip["object_positions"] - clip["object_positions"][0], axis=-1).max(axis=0)
        np.testing.assert_array_equal(clip["object_moving"], travelled > physics.MOVED)
        assert not travelled[~clip["object_moving"]].any()
        counts.append(int(clip["object_moving"].sum()))
    assert min(counts) >= MOVING.num_moving[0]
    assert max(counts) > MOVING.num_moving[1]  # Some were moved by others.
