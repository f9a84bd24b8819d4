"""Camera vectors against SciPy's rotations on random poses, in every convention of the data sets."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simone_tf.errors import UserError
from simone_tf.models.parts.camera_vector import CameraVector

N, T = 6, 4


def poses(seed=0, roll=True):
    """Places [N, T, 3] and camera-to-world rotations [N, T, 3, 3]; the columns are right, up and backward."""
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 3, (N, T, 3))
    if roll:
        turns = Rotation.random(N * T, random_state=seed).as_matrix()
    else:
        # A camera that looks along its -z, first raised to look along +x with +z up, then pitched and turned.
        level = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        yaw, pitch = rng.uniform(-np.pi, np.pi, N * T), rng.uniform(-1.4, 1.4, N * T)
        turns = (Rotation.from_euler("z", yaw[:, None]) * Rotation.from_euler("y", -pitch[:, None])).as_matrix() @ level
    return places, turns.reshape(N, T, 3, 3)


def numbers(places, turns, convention):
    """The poses as a data set has them."""
    if convention == "matrix":
        matrices = np.zeros((N, T, 4, 4))
        matrices[..., :3, :3], matrices[..., :3, 3], matrices[..., 3, 3] = turns, places, 1.0
        return matrices.reshape(N, T, 16).astype(np.float32)
    if convention == "quaternion":
        last = Rotation.from_matrix(turns.reshape(-1, 3, 3)).as_quat().reshape(N, T, 4)
        return np.concatenate([places, last[..., [3, 0, 1, 2]]], -1).astype(np.float32)
    ahead = -turns[..., 2]
    yaw, pitch = np.arctan2(ahead[..., 1], ahead[..., 0]), np.arcsin(ahead[..., 2])
    angles = np.stack([np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)], -1)
    return np.concatenate([places, angles], -1).astype(np.float32)


@pytest.mark.parametrize("convention", ["yaw_pitch", "quaternion", "matrix"])
def test_every_convention_gives_the_position_and_the_rotation(convention):
    places, turns = poses(roll=convention != "yaw_pitch")
    vector = CameraVector(convention, "rotation", position_scale=2.0)
    given = numbers(places, turns, convention)
    vector.check(given)
    assert given.shape[-1] == vector.given_size
    found = vector(given).numpy()
    assert found.shape == (N, T, vector.size)
    np.testing.assert_allclose(found[..., :3], places / 2, atol=1e-5)
    np.testing.assert_allclose(found[..., 3:], turns.reshape(N, T, 9), atol=1e-5)


@pytest.mark.parametrize("convention", ["yaw_pitch", "quaternion", "matrix"])
def test_every_convention_gives_the_vector_of_gqn(convention):
    places, turns = poses(seed=1, roll=False)
    found = CameraVector(convention)(numbers(places, turns, convention)).numpy()
    np.testing.assert_allclose(found, numbers(places, turns, "yaw_pitch"), atol=2e-5)


def test_the_viewing_direction_of_a_camera_that_rolls_is_kept():
    places, turns = poses(seed=2)
    found = CameraVector("matrix")(numbers(places, turns, "matrix")).numpy()
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = np.moveaxis(found[..., 3:], -1, 0)
    ahead = np.stack([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch], -1)
    np.testing.assert_allclose(ahead, -turns[..., 2], atol=1e-4)


@pytest.mark.parametrize("form", ["yaw_pitch", "rotation"])
@pytest.mark.parametrize("convention", ["quaternion", "matrix"])
def test_relative_vectors_are_those_of_a_world_turned_and_moved_to_the_reference(convention, form):
    places, turns = poses(seed=3, roll=form == "rotation")
    vector = CameraVector(convention, form, relative_to=2)
    given = numbers(places, turns, convention)
    found = vector(given, vector.reference(given)).numpy()
    ahead = -turns[:, 2, :, 2]
    back = Rotation.from_euler("z", -np.arctan2(ahead[:, 1:2], ahead[:, :1])).as_matrix()  # [N, 3, 3]
    moved = places - places[:, 2:3] * [1, 1, 0]
    expected = np.einsum("nij,ntj->nti", back, moved), back[:, None] @ turns
    same = CameraVector(convention, form)(numbers(*expected, convention)).numpy()
    np.testing.assert_allclose(found, same, atol=2e-5)
    np.testing.assert_allclose(found[:, 2, :2], 0, atol=1e-6)
    np.testing.assert_allclose(found[..., 2], places[..., 2], atol=1e-5)


def test_relative_vectors_do_not_know_where_north_is():
    places, turns = poses(seed=4, roll=False)
    world = Rotation.from_euler("z", 2.1).as_matrix()
    vector = CameraVector("yaw_pitch", relative_to=0)
    vectors = []
    for given in (
        numbers(places, turns, "yaw_pitch"),
        numbers(places @ world.T + [5.0, -2.0, 0.0], world @ turns, "yaw_pitch"),
    ):
        vectors.append(vector(given, vector.reference(given)).numpy())
    np.testing.assert_allclose(vectors[0], vectors[1], atol=2e-5)


def test_cameras_that_are_none_are_refused():
    places, turns = poses()
    with pytest.raises(UserError, match="left-handed: a determinant of -1"):
        CameraVector("matrix").check(numbers(places, turns * [1.0, 1.0, -1.0], "matrix"))
    with pytest.raises(UserError, match="scale or shear"):
        CameraVector("matrix").check(numbers(places, 1.1 * turns, "matrix"))
    with pytest.raises(UserError, match="no unit quaternions"):
        CameraVector("quaternion").check(numbers(places, turns, "yaw_pitch"))
    with pytest.raises(UserError, match="7 numbers per frame but convention 'matrix' has 16"):
        CameraVector("matrix").check(numbers(places, turns, "quaternion"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"convention": "euler"}, r"CameraVector\.convention is 'euler': choose one of yaw_pitch, quaternion, matrix"),
        ({"form": "euler"}, r"CameraVector\.form is 'euler'.*rotation"),
        ({"position_scale": 0.0}, r"CameraVector\.position_scale is 0\.0"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(UserError, match=message):
        CameraVector(**settings)


def test_a_reference_beyond_the_context_is_named():
    given = numbers(*poses(), "yaw_pitch")
    with pytest.raises(UserError, match=r"relative_to is 4, but there are 4 context frames"):
        CameraVector(relative_to=4).reference(given)
