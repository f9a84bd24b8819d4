"""Rays beside the generator's projection, and beside clips that it made: they go where the pixels show something."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import simone_tf
from simone_tf.cameras.conversions import camera_numbers, upright
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError
from simone_tf.models.nerf_vae.pinhole_camera import PinholeCamera, pixel_centres

EMBEDDED = pathlib.Path(simone_tf.__file__).parent / "data" / "embedded" / "quickstart"


def projected(points, place, rotation, frame_size, field_of_view):
    """(row, column) of points `[N, 3]` by the formula of the generator's cameras."""
    right, up, backward = ((points - place) @ rotation).T
    focal = frame_size[0] / 2 / np.tan(np.radians(field_of_view) / 2)
    return np.stack([frame_size[0] / 2 - focal * up / -backward, frame_size[1] / 2 + focal * right / -backward], -1)


@pytest.mark.parametrize("convention", ["yaw_pitch", "quaternion", "matrix"])
def test_points_on_a_ray_are_seen_where_it_was_sent(convention):
    rng, frame_size = np.random.default_rng(0), (20, 32)
    place, rotation = rng.normal(size=3), upright(2.1, -0.4)
    numbers = camera_numbers(place, rotation, convention)
    places = rng.uniform(0, 20, (7, 2))
    rays = PinholeCamera(convention, 65.0).rays(tf.constant(numbers[None]), tf.constant(places, tf.float32), frame_size)
    np.testing.assert_allclose(np.linalg.norm(rays.directions, axis=-1), np.ones(7), rtol=1e-5)
    np.testing.assert_allclose(rays.origins, np.broadcast_to(place, (7, 3)), rtol=1e-5)
    points = rays.origins.numpy() + rng.uniform(1, 5, (7, 1)) * rays.directions.numpy()
    np.testing.assert_allclose(projected(points, place, rotation, frame_size, 65.0), places, atol=1e-3)


def test_the_middle_of_a_frame_is_where_the_camera_looks():
    yaw, pitch = 0.7, -0.3
    camera = tf.constant([[1.0, 2.0, 3.0, np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)]], tf.float32)
    rays = PinholeCamera().rays(camera, tf.constant([[4.0, 6.0], [0.0, 6.0]]), (8, 12))
    along = [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
    np.testing.assert_allclose(rays.directions[0], along, atol=1e-6)
    # The upper edge lies half of the field of view above it.
    np.testing.assert_allclose(np.arcsin(rays.directions[1, 2]), pitch + np.radians(25.0), atol=1e-5)


def test_centres_of_pixels():
    np.testing.assert_array_equal(pixel_centres((1, 3)), [[0.5, 0.5], [0.5, 1.5], [0.5, 2.5]])
    assert pixel_centres((2, 3)).shape == (6, 2)


@pytest.fixture(scope="module")
def made():
    """Generated clips, and the field of view that they were made with."""
    said = json.loads((EMBEDDED / "dataset.json").read_text())["splits"]["test"]["generator"]["preset"]
    fields = ("camera", "segments", "object_positions", "object_visible")
    reader = ClipRecords(str(EMBEDDED), "test")
    batch = next(iter(evaluation_batches(reader, num_frames=4, batch_size=20, frame_size=(24, 24), fields=fields)))
    return {name: value.numpy() for name, value in batch.items()}, said["field_of_view"], max(said["object_size"])


def misses(made, field_of_view):
    """By how much the ray through the middle of what is seen of each object misses the object's middle; in units."""
    clips, _, _ = made
    found = []
    for clip, frame, index in np.argwhere(clips["object_visible"]):
        rows, columns = np.nonzero(clips["segments"][clip, frame] == index + 1)
        middle = np.array([[rows.mean() + 0.5, columns.mean() + 0.5]], np.float32)
        camera = tf.constant(clips["camera"][clip, frame][None])
        rays = PinholeCamera(field_of_view=field_of_view).rays(camera, tf.constant(middle), (24, 24))
        offset = clips["object_positions"][clip, frame, index] - rays.origins.numpy()[0]
        found.append(np.linalg.norm(np.cross(offset, rays.directions.numpy()[0])))
    return np.array(found)


def test_a_ray_through_the_pixels_of_an_object_meets_the_object(made):
    _, field_of_view, radius = made
    found = misses(made, field_of_view)
    assert len(found) > 100
    # Of an object that another hides in part, the middle of what is seen is not its middle.
    assert np.median(found) < 0.1 * radius
    assert np.mean(found < radius) > 0.95
    for other in (field_of_view - 8.0, field_of_view + 8.0):
        assert np.median(misses(made, other)) > 1.5 * np.median(found)


def test_the_pixel_at_which_an_object_is_projected_shows_it(made):
    """The other way round: of all pixels' rays the one that comes nearest to an object's middle shows the object."""
    clips, field_of_view, _ = made
    camera = PinholeCamera(field_of_view=field_of_view)
    centres, hits, total = tf.constant(pixel_centres((24, 24))), 0, 0
    for clip, frame, index in np.argwhere(clips["object_visible"]):
        rays = camera.rays(tf.constant(clips["camera"][clip, frame][None]), centres, (24, 24))
        offset = clips["object_positions"][clip, frame, index] - rays.origins.numpy()
        nearest = np.argmin(np.linalg.norm(np.cross(offset, rays.directions.numpy()), axis=-1))
        hits += clips["segments"][clip, frame].ravel()[nearest] == index + 1
        total += 1
    assert hits / total > 0.9


@pytest.mark.parametrize(("option", "value"), [("convention", "roll"), ("field_of_view", 180), ("field_of_view", 0)])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^PinholeCamera.{option} is "):
        PinholeCamera(**{option: value})
