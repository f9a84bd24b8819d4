import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder


def _encoder(feature_map=(4, 4), slot_grid=(2, 2), width=8):
    return Encoder(
        feature_map=feature_map,
        slot_grid=slot_grid,
        conv_channels=4,
        width=width,
        first_transformer=Transformer(1, 2, 4, 8),
        second_transformer=Transformer(1, 2, 4, 8),
    )


@pytest.mark.parametrize(
    ("frames", "size", "feature_map", "slot_grid", "convolutions"),
    [(16, (64, 64), (8, 8), (4, 4), 3), (4, (24, 24), (6, 6), (2, 2), 2), (1, (16, 48), (4, 12), (4, 3), 2),
     (3, (6, 9), (6, 9), (2, 3), 0)],
)  # fmt: skip
def test_any_size_that_divides(frames, size, feature_map, slot_grid, convolutions):
    encoder = _encoder(feature_map, slot_grid)
    encoder.build((None, frames, *size, 3))
    assert len(encoder.convolutions) == convolutions
    objects, frames_posterior = encoder(tf.random.uniform([2, frames, *size, 3]))
    assert objects.mean.shape == objects.log_scale.shape == (2, slot_grid[0] * slot_grid[1], 32)
    assert frames_posterior.mean.shape == (2, frames, 32)


@pytest.mark.parametrize("size", [(24, 24), (32, 16), (20, 20), (2, 2)])
def test_a_frame_size_that_does_not_halve_to_the_feature_map_is_refused(size):
    encoder = _encoder((4, 4))
    with pytest.raises(UserError, match=rf"{size[0]}x{size[1]} pixels .* 4x4"):
        encoder.build((None, 2, *size, 3))


def test_a_slot_grid_that_does_not_divide_is_refused():
    with pytest.raises(UserError, match="slot_grid"):
        _encoder((4, 4), (3, 2))


def test_the_spatial_pool_sums_windows_and_keeps_unit_variance():
    encoder = _encoder((4, 6), (2, 3), width=5)
    tokens = np.random.default_rng(0).normal(size=(200, 3, 4, 6, 5)).astype(np.float32)
    pooled = encoder._spatial_pool(tf.constant(tokens)).numpy()
    by_hand = tokens[7, 1, 2:4, 4:6].sum((0, 1)) * np.sqrt(6 / 24)
    np.testing.assert_allclose(pooled[7, 1, 1, 2], by_hand, rtol=1e-5)
    assert abs(pooled.var() - 1) < 0.05


def test_object_latents_depend_on_all_frames_and_frame_latents_on_their_own():
    encoder = _encoder()
    encoder.build((None, 3, 8, 8, 3))
    video = tf.random.uniform([1, 3, 8, 8, 3])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(video)
        objects, frames = encoder(video)
        one_object, one_frame = tf.reduce_sum(objects.mean[0, 2]), tf.reduce_sum(frames.mean[0, 1])
    for value in (one_object, one_frame):
        gradient = np.abs(tape.gradient(value, video)).max((0, 2, 3, 4))
        assert np.all(gradient > 0)


def test_the_base_of_the_positions_is_what_the_encoder_uses():
    encoder = _encoder()
    encoder.build((None, 3, 8, 8, 3))
    video = tf.random.uniform([1, 3, 8, 8, 3])
    outputs = {}
    for base in (10000.0, 2.0, 10000.0):
        encoder.position_base = base
        outputs.setdefault(base, []).append(encoder(video).objects.mean.numpy())
    np.testing.assert_array_equal(*outputs[10000.0])
    assert np.abs(outputs[10000.0][0] - outputs[2.0][0]).max() > 1e-3


@pytest.mark.parametrize("sizes", [(4,), (4, 4, 4), (4, 0), (4, 2.5), (4, "4")])
def test_a_grid_that_is_no_pair_of_sizes_is_refused(sizes):
    with pytest.raises(UserError, match=r"Encoder\.slot_grid"):
        _encoder((4, 4), sizes)
    with pytest.raises(UserError, match=r"Encoder\.feature_map"):
        _encoder(sizes, (2, 2))


def test_the_axes_are_those_of_the_clips_whatever_keras_is_told(monkeypatch):
    """`image_data_format` in a user's keras.json would make a model with other weights."""
    video = tf.random.uniform([1, 2, 8, 8, 3])
    shapes, outputs = [], []
    for data_format in ("channels_last", "channels_first"):
        monkeypatch.setattr(keras.src.backend.config, "_IMAGE_DATA_FORMAT", data_format)
        keras.utils.set_random_seed(0)
        encoder = _encoder()
        encoder.build((None, 2, 8, 8, 3))
        shapes.append([tuple(weight.shape) for weight in encoder.weights])
        outputs.append(encoder(video)[0].mean.numpy())
    assert shapes[0] == shapes[1]
    np.testing.assert_array_equal(*outputs)
