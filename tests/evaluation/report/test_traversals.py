"""Traversals of a model whose picture is a known function of its latents."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.evaluation.report.traversals import EncodedClip, Traverser
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Rendering

from colour_mixture import ColourMixture

K, T, SIZE = 3, 2, (8, 8)
WEIGHTS = np.array([0.0, 0.02, 0.1, 0.05], np.float32)


class Stripes:
    """Slot 0 paints the upper half, slots 1 and 2 a quarter each, all as bright as their latents say."""

    inputs, given, object_latents, viewpoint_latents = ("video",), (), ("object",), ("frame",)

    def encode(self, batch):
        objects = tf.reshape(tf.range(K * 4, dtype=tf.float32), [1, K, 4]) * tf.reduce_mean(batch["video"])
        frames = tf.reshape(tf.range(T * 2, dtype=tf.float32), [1, T, 2])
        return {"object": Posterior(objects, objects), "frame": Posterior(frames, frames)}

    def render(self, latents, given, size, chunk_size):
        assert not given
        objects, frames = latents["object"], latents["frame"]
        height, width = size
        rows, columns = np.mgrid[:height, :width]
        slots = np.where(rows < height // 2, 0, np.where(columns < width // 2, 1, 2))
        level = 0.2 + tf.linalg.matvec(objects, tf.constant(WEIGHTS))  # [B, K]
        picture = tf.gather(level, slots, axis=1)[:, None] + 0.1 * frames[:, :, 0, None, None]  # [B, T, H, W]
        masks = tf.broadcast_to(tf.one_hot(slots, K, axis=0)[None, :, None], [1, K, T, height, width])
        return Rendering(tf.repeat(picture[..., None], 3, -1), None, masks)


def clip_of(objects=0.0, frames=0.0):
    """Latents that are all alike."""
    return EncodedClip(
        {"object": np.full((K, 4), objects, np.float32), "frame": np.full((T, 2), frames, np.float32)}, {}
    )


@pytest.fixture
def traverser():
    return Traverser(Stripes(), SIZE)


def test_encode_gives_the_means_without_batch(traverser):
    latents, given = traverser.encode({"video": np.full((T, *SIZE, 3), 0.5, np.float32)})
    np.testing.assert_allclose(latents["object"], np.arange(12).reshape(K, 4) * 0.5)
    np.testing.assert_allclose(latents["frame"], [[0, 1], [2, 3]])
    assert given == {}


def test_attributes_come_by_the_pixels_that_they_change(traverser):
    traversal = traverser.traverse(clip_of(), 1, num_attributes=3)
    assert list(traversal.attributes) == [2, 3, 1]
    assert list(traversal.offsets) == [-2, -1, 0, 1, 2]
    # A quarter of the picture by 2 x weight; 0.2 - 2 x 0.1 is just not cut off at black.
    np.testing.assert_allclose(traversal.changes, WEIGHTS * 2 / 4, atol=1e-6)
    assert traversal.frames.shape == (3, 5, T, *SIZE, 3)
    assert traversal.frames.dtype == np.uint8


def test_frames_show_the_moved_attribute_of_the_object_alone(traverser):
    still = traverser.render(clip_of())
    traversal = traverser.traverse(clip_of(), 2, (-1.0, 3.0), 2)
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
    assert traverser.largest_slots(clip_of(), 2) == [1, 2]
    assert traverser.largest_slots(clip_of(), 1) == [1]
    assert traverser.largest_slots(clip_of(), 9) == [1, 2]


def test_crossings_pair_the_objects_of_one_with_the_frames_of_another(traverser):
    clips = [clip_of(level, view) for level, view in ((0, 0), (1, 2), (2, 3))]
    crossed = traverser.cross(clips)
    assert crossed.shape == (3, 3, T, *SIZE, 3)
    for a, level in enumerate((0, 1, 2)):
        for b, view in enumerate((0, 2, 3)):
            expected = 255 * (0.2 + level * WEIGHTS.sum() + 0.1 * view)
            np.testing.assert_allclose(crossed[a, b], expected, atol=0.51)


def test_pixels_beyond_black_and_white_are_cut_off(traverser):
    picture = traverser.render(clip_of(99))
    assert (picture == 255).all()


@pytest.fixture
def colours(colour_model):
    rng = np.random.default_rng(2)
    clips = [
        {
            "video": rng.random((2, 4, 4, 3)).astype(np.float32),
            "camera": rng.normal(size=(2, 5)).astype(np.float32),
        }
        for _ in range(2)
    ]
    return colour_model, Traverser(colour_model, (4, 4), None), clips


def test_latents_in_every_frame_are_moved_in_all(colours):
    _, traverser, clips = colours
    encoded = traverser.encode(clips[0])
    assert encoded.latents["object"].shape == (3, 2, 5)
    np.testing.assert_array_equal(encoded.given["camera"], clips[0]["camera"])
    traversal = traverser.traverse(encoded, 1, (-0.2, 0.2), num_attributes=5)
    assert traversal.frames.shape == (5, 3, 2, 4, 4, 3)
    assert traversal.changes.shape == (5,)
    row = list(traversal.attributes).index(0)  # red
    moved = traversal.frames[row].astype(float)
    assert (moved[2, ..., 0] - moved[1, ..., 0]).reshape(2, -1).mean(1).min() > 1  # in both frames
    np.testing.assert_array_equal(moved[2, ..., 1:], moved[1, ..., 1:])


def test_crossings_show_a_scene_from_where_another_clip_was_filmed(colours):
    model, traverser, clips = colours
    crossed = traverser.cross([traverser.encode(clip) for clip in clips])
    batches = [{name: value[None] for name, value in clip.items()} for clip in clips]
    for a, batch in enumerate(batches):
        for b, other in enumerate(batches):
            expected = model.recompose(batch, other).reconstruction[0].numpy()
            np.testing.assert_allclose(crossed[a, b], np.clip(expected, 0, 1) * 255, atol=0.51)
    assert (crossed[0, 0] != crossed[0, 1]).any()


class OnlyItsSize(ColourMixture):
    """Draws frames of the size that it was built for, as a model may that decodes no single pixels."""

    def build(self, input_shape):
        super().build(input_shape)
        self.frame_size = tuple(input_shape[2:4])

    def render(self, latents, given, frame_size, chunk_size=None):
        assert tuple(frame_size) == self.frame_size
        return super().render(latents, given, frame_size, chunk_size)


def test_a_model_that_draws_one_size_only():
    """Larger than the preview of other models."""
    model = OnlyItsSize()
    model.build((None, T, 20, 24, 3))
    video = np.random.default_rng(0).random((T, 20, 24, 3), np.float32)
    traverser = Traverser(model, (20, 24))
    encoded = traverser.encode({"video": video, "camera": np.zeros((T, 5), np.float32)})
    slots = traverser.largest_slots(encoded, 2)
    assert slots
    assert traverser.traverse(encoded, slots[0]).frames.shape[2:] == (T, 20, 24, 3)
