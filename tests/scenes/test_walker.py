import math

import numpy as np
import pytest

from simone_tf.scenes.camera import CameraPath, camera_matrices
from simone_tf.scenes.walker import Walker, in_view

WALKER = Walker(
    eye_height=(1.1, 1.5),
    body_radius=0.3,
    action_frames=(2, 5),
    standing_share=0.25,
    walk_speed=(0.08, 0.22),
    turn_speed=(5.0, 14.0),
    look_speed=(2.0, 5.0),
    pitch=(-35.0, 0.0),
)
# A square hall with a pillar in its middle.
HALL, PILLAR = 3.0, 0.5


def clearance(point):
    return min(HALL - np.abs(point).max(), np.linalg.norm(point) - PILLAR)


def walk(seed, frames=16, walker=WALKER):
    rng = np.random.default_rng(seed)
    return walker.walk(frames, clearance, lambda: rng.uniform(-HALL, HALL, 2), rng)


@pytest.fixture(scope="module")
def walks():
    return [walk(seed, 40) for seed in range(100)]


def changes(path):
    """Per step: way `[T - 1, 3]`, turn and change of pitch in degrees."""
    turn = np.degrees(np.diff(path.yaw))
    return np.diff(path.position, axis=0), turn, np.degrees(np.diff(path.pitch))


def test_the_agent_keeps_its_distance_between_frames_too(walks):
    for path in walks:
        for one, other in zip(path.position[:-1, :2], path.position[1:, :2], strict=True):
            for share in np.linspace(0, 1, 11):
                assert clearance(one + share * (other - one)) > 0.25
        assert min(clearance(point) for point in path.position[:, :2]) >= 0.3


def test_the_agent_stands_still_walks_turns_and_looks(walks):
    still, walking, turning, looking = [], [], [], []
    for path in walks:
        way, turn, look = changes(path)
        moved = np.linalg.norm(way, axis=1)
        still.append((moved == 0) & (turn == 0) & (look == 0))
        walking.append(moved > 0)
        turning.append(turn != 0)
        looking.append(look != 0)
    assert 0.15 < np.mean(still) < 0.4
    assert 0.25 < np.mean(walking) < 0.6
    assert 0.25 < np.mean(turning) < 0.7
    assert 0.05 < np.mean(looking) < 0.3
    # It goes somewhere, and looks to all sides.
    assert np.mean([np.ptp(path.position[:, :2], axis=0).max() > 0.5 for path in walks]) > 0.8
    assert np.histogram(np.concatenate([path.yaw for path in walks]) % (2 * math.pi), bins=8)[0].min() > 200


def test_speeds_heights_and_angles_are_those_of_the_settings(walks):
    heights = set()
    for path in walks:
        way, turn, look = changes(path)
        moved = np.linalg.norm(way, axis=1)
        assert moved.max() <= 0.22 + 1e-9
        assert moved[moved > 0].min(initial=1.0) >= 0.08 - 1e-9
        assert np.abs(turn).max() <= 14 + 1e-9
        assert np.abs(look).max() <= 5 + 1e-9
        assert not way[:, 2].any()
        assert np.degrees(path.pitch).min() >= -35 - 1e-9
        assert np.degrees(path.pitch).max() <= 1e-9
        heights.add(path.position[0, 2])
        # It walks where it looks.
        ahead = np.stack([np.cos(path.yaw[1:]), np.sin(path.yaw[1:])], axis=1)
        np.testing.assert_allclose((way[:, :2] * ahead).sum(axis=1), moved, atol=1e-9)
    assert min(heights) >= 1.1
    assert max(heights) <= 1.5
    assert len(heights) == len(walks)


def test_an_agent_who_never_moves_stands_still():
    path = walk(3, walker=Walker(**{**vars(WALKER), "standing_share": 1.0}))
    assert np.ptp(path.vectors(), axis=0).max() == 0


def test_a_walk_is_its_seeds_and_begins_alike_for_any_length():
    np.testing.assert_array_equal(walk(5).vectors(), walk(5).vectors())
    assert (walk(5).vectors() != walk(6).vectors()).any()
    np.testing.assert_array_equal(walk(5, 40).vectors()[:16], walk(5).vectors())


def test_no_free_place_to_start_is_told():
    rng = np.random.default_rng(0)
    assert WALKER.walk(4, lambda point: 0.2, lambda: rng.uniform(-1, 1, 2), rng) is None


def test_an_agent_without_room_to_walk_turns():
    rng = np.random.default_rng(0)
    start = np.zeros(2)
    path = WALKER.walk(60, lambda point: 0.3 - np.linalg.norm(point), lambda: start, rng)
    assert not np.ptp(path.position, axis=0).any()
    assert np.ptp(path.yaw) > 0.5


def test_points_in_view_are_those_that_project_into_the_picture():
    rng = np.random.default_rng(0)
    path = CameraPath(rng.normal(size=(20, 3)), rng.uniform(-4, 4, 20), rng.uniform(-0.8, 0.8, 20))
    points = rng.normal(scale=3, size=(50, 3))
    seen = in_view(path, points, 65.0)
    focal = 0.5 / math.tan(math.radians(65.0) / 2)
    for frame, matrix in enumerate(camera_matrices(path.vectors()).astype(np.float64)):
        right, up, back = (np.linalg.inv(matrix) @ np.append(points, np.ones((50, 1)), axis=1).T)[:3]
        with np.errstate(divide="ignore"):
            inside = (np.abs(focal * right / back) < 0.5) & (np.abs(focal * up / back) < 0.5) & (back < 0)
        np.testing.assert_array_equal(seen[frame], inside)
    assert 0.05 < seen.mean() < 0.5
