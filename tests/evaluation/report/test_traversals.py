"""Traversals of a model whose picture is a known function of its latents."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.evaluation.report.traversals import Traverser
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.simone.encoder import Posteriors
from simone_tf.models.simone.model import Decomposition

K, T, SIZE = 3, 2, (8, 8)
WEIGHTS = np.array([0.0, 0.02, 0.1, 0.05], np.float32)


class Stripes:
    """Slot 0 paints the upper half, slots 1 and 2 a quarter each, all as bright as their latents say."""

    def encode(self, video):
        objects = tf.reshape(tf.range(K * 4, dtype=tf.float32), [1, K, 4]) * tf.reduce_mean(video)
        frames = tf.reshape(tf.range(T * 2, dtype=tf.float32), [1, T, 2])
        return Posteriors(Posterior(objects, objects), Posterior(frames, frames))

    def render(self, objects, frames, size, chunk_size):
        height, width = size
        rows, columns = np.mgrid[:height, :width]
        slots = np.where(rows < height // 2, 0, np.where(columns < width // 2, 1, 2))
        level = 0.2 + tf.linalg.matvec(objects, tf.constant(WEIGHTS))  # [B, K]
        picture = tf.gather(level, slots, axis=1)[:, None] + 0.1 * frames[:, :, 0, None, None]  # [B, T, H, W]
        segments = tf.broadcast_to(tf.constant(slots, tf.int32), [1, T, height, width])
        return Decomposition(tf.repeat(picture[..., None], 3, -1), segments, None, None)


@pytest.fixture
def traverser():
    return Traverser(Stripes(), SIZE)


def test_encode_gives_the_means_without_batch(traverser):
    objects, frames = traverser.encode(np.full((T, *SIZE, 3), 0.5, np.float32))
    np.testing.assert_allclose(objects, np.arange(12).reshape(K, 4) * 0.5)
    np.testing.assert_allclose(frames, [[0, 1], [2, 3]])


def test_attributes_come_by_the_pixels_that_they_change(traverser):
    traversal = traverser.traverse(np.zeros((K, 4), np.float32), np.zeros((T, 2), np.float32), 1, num_attributes=3)
    assert list(traversal.attributes) == [2, 3, 1]
    assert list(traversal.offsets) == [-2, -1, 0, 1, 2]
    # A quarter of the picture by 2 x weight; 0.2 - 2 x 0.1 is just not cut off at black.
    np.testing.assert_allclose(traversal.changes, WEIGHTS * 2 / 4, atol=1e-6)
    assert traversal.frames.shape == (3, 5, T, *SIZE, 3)
    assert traversal.frames.dtype == np.uint8


def test_frames_show_the_moved_attribute_of_the_object_alone(traverser):
    still = traverser.render(np.zeros((K, 4), np.float32), np.zeros((T, 2), np.float32))
    traversal = traverser.traverse(np.zeros((K, 4), np.float32), np.zeros((T, 2), np.float32), 2, (-1.0, 3.0), 2)
    assert list(traversal.offsets) == [-1, 0, 3]
    np.testing.assert_array_equal(traversal.frames[0, 1], still)
    object_place = np.zeros(SIZE, bool)
    object_place[4:, 4:] = True
    for row, attribute in enumerate(traversal.attributes):
        for column, offset in enumerate(traversal.offsets):
            frames = traversal.frames[row, column]
            np.testing.assert_array_equal(frames[:, ~object_place], still[:, ~object_place])
            expected = 255 * (0.2 + float(WEIGHTS[attribute]) * float(offset))
            np.testing.assert_allclose(frames[:, object_place], expected, atol=0.51)


def test_the_background_is_no_object(traverser):
    latents = np.zeros((K, 4), np.float32), np.zeros((T, 2), np.float32)
    assert traverser.largest_slots(*latents, 2) == [1, 2]
    assert traverser.largest_slots(*latents, 1) == [1]
    assert traverser.largest_slots(*latents, 9) == [1, 2]


def test_crossings_pair_the_objects_of_one_with_the_frames_of_another(traverser):
    clips = [
        (np.full((K, 4), level, np.float32), np.full((T, 2), view, np.float32))
        for level, view in ((0, 0), (1, 2), (2, 3))
    ]
    crossed = traverser.cross(clips)
    assert crossed.shape == (3, 3, T, *SIZE, 3)
    for a, level in enumerate((0, 1, 2)):
        for b, view in enumerate((0, 2, 3)):
            expected = 255 * (0.2 + level * WEIGHTS.sum() + 0.1 * view)
            np.testing.assert_allclose(crossed[a, b], expected, atol=0.51)


def test_pixels_beyond_black_and_white_are_cut_off(traverser):
    picture = traverser.render(np.full((K, 4), 99, np.float32), np.zeros((T, 2), np.float32))
    assert (picture == 255).all()
