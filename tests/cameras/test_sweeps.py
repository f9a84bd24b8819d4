"""Cameras all around a scene: where they stand and look, by geometry worked out apart."""

import numpy as np
import pytest

from simone_tf.camera_conventions import location_and_rotation
from simone_tf.cameras.conversions import camera_numbers
from simone_tf.cameras.sweeps import DISTANCES, PITCHES, camera_sweep, looked_at
from simone_tf.scenes.camera import CameraPath, arc_path

PLACE = np.array([1.0, -2.0, 0.5])


def arc(frames=4, place=PLACE):
    """Cameras 5 away from a place, 40 degrees above it, over 30 degrees from azimuth 90 on."""
    azimuth = np.radians(90.0 + np.linspace(0.0, 30.0, frames))
    elevation = np.full(frames, np.radians(40.0))
    return arc_path(np.broadcast_to(place, (frames, 3)), azimuth, np.full(frames, 5.0), elevation).vectors()


def walk(yaws, pitch=-0.1):
    """Cameras that turn on one spot, 1.5 above the floor."""
    yaws = np.radians(yaws)
    return CameraPath(np.tile([0.5, 0.25, 1.5], (len(yaws), 1)), yaws, np.full(len(yaws), pitch)).vectors()


def forward(camera):
    flat = camera[..., 6]
    return np.stack([flat * camera[..., 4], flat * camera[..., 3], camera[..., 5]], axis=-1)


def looked_at_by(camera):
    location, rotation = location_and_rotation(camera, "yaw_pitch")
    return looked_at(location, -rotation[..., 2])


def in_numbers(camera, convention, written="yaw_pitch"):
    return camera_numbers(*location_and_rotation(camera, convention), written)


def test_a_circle_stands_around_what_was_looked_at():
    camera = arc()
    np.testing.assert_allclose(looked_at_by(camera), PLACE, atol=1e-4)
    sweep = camera_sweep(camera, "yaw_pitch", 8)
    assert sweep.cameras.shape == (len(DISTANCES), 8, 7)
    assert (sweep.second_name, sweep.second.tolist()) == ("distance", list(DISTANCES))
    np.testing.assert_array_equal(sweep.yaws, [-180, -135, -90, -45, 0, 45, 90, 135])
    to_place = PLACE - sweep.cameras[..., :3]
    distance = np.linalg.norm(to_place, axis=-1)
    np.testing.assert_allclose(distance, 5.0 * np.array(DISTANCES)[:, None] * np.ones(8), rtol=1e-4)
    np.testing.assert_allclose(forward(sweep.cameras), to_place / distance[..., None], atol=1e-4)
    # Yaw 0 at the usual distance is the third of the four cameras.
    np.testing.assert_allclose(sweep.cameras[2, 4], camera[2], atol=1e-4)
    # Seen from above, the azimuth grows with the yaw.
    azimuth = np.degrees(np.arctan2(-to_place[2, :, 1], -to_place[2, :, 0]))
    np.testing.assert_allclose((azimuth - 110.0 - sweep.yaws + 180.0) % 360.0, 180.0, atol=0.01)


def test_one_who_looks_around_turns_on_the_spot():
    camera = walk([0.0, 50.0, 100.0])
    assert looked_at_by(camera) is None
    sweep = camera_sweep(camera, "yaw_pitch", 4)
    assert (sweep.second_name, sweep.second.tolist()) == ("pitch", list(PITCHES))
    np.testing.assert_allclose(sweep.cameras[..., :3], np.broadcast_to([0.5, 0.25, 1.5], (5, 4, 3)), atol=1e-6)
    np.testing.assert_allclose(
        np.degrees(np.arcsin(sweep.cameras[:, 0, 5])), np.degrees(-0.1) + np.array(PITCHES), atol=1e-3
    )
    np.testing.assert_allclose(sweep.cameras[2, 2], camera[1], atol=1e-6)


def test_cameras_that_look_away_from_each_other_have_no_place_in_common():
    camera = arc()
    camera[:, 3:5] *= -1.0  # turned about: the lines meet behind them
    assert looked_at_by(camera) is None


def test_one_camera_looks_at_the_floor():
    camera = arc(1, np.array([2.0, 1.0, 0.0]))
    np.testing.assert_allclose(looked_at_by(camera), [2.0, 1.0, 0.0], atol=1e-4)
    assert looked_at_by(walk([30.0], pitch=0.2)) is None
    sweep = camera_sweep(camera, "yaw_pitch", 6, num_second=1)
    assert sweep.cameras.shape == (1, 6, 7)
    np.testing.assert_allclose(sweep.cameras[0, 3], camera[0], atol=1e-4)


@pytest.mark.parametrize("convention", ["matrix", "quaternion"])
def test_the_sweep_is_the_same_in_other_numbers(convention):
    camera = arc()
    expected = camera_sweep(camera, "yaw_pitch", 6).cameras
    found = camera_sweep(in_numbers(camera, "yaw_pitch", convention), convention, 6).cameras
    np.testing.assert_allclose(in_numbers(found, convention), expected, atol=1e-4)
