"""The attention network beside NumPy, for frames of any size, and its weights counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.monet.unet import AttentionUNet, InstanceNorm

import numpy_networks


def made(frame, channels=(3, 4, 5), hidden_size=6):
    """A built U-Net all of whose weights are random, those that start at zero or one too."""
    layer = AttentionUNet(channels, hidden_size)
    layer.build((None, *frame, 3))
    for number, variable in enumerate(layer.variables):
        variable.assign(variable.numpy() + 0.3 * tf.random.stateless_normal(variable.shape, [4, number]))
    return layer


@pytest.mark.parametrize("frame", [(8, 16), (24, 24), (5, 7), (35, 35), (1, 9)])
def test_it_is_the_unet_by_numpy(frame):
    layer, generator = made(frame), np.random.default_rng(0)
    frames, log_scope = generator.uniform(size=(2, *frame, 3)), np.log(generator.uniform(0.01, 1, size=(2, *frame)))
    logits = layer(tf.constant(frames, tf.float32), tf.constant(log_scope, tf.float32))
    assert logits.shape == (2, *frame)
    wanted = numpy_networks.unet(layer, frames, log_scope)
    assert wanted.std() > 0.01
    np.testing.assert_allclose(logits, wanted, atol=1e-3 * wanted.std())


def test_its_weights_are_those_of_the_paper_s_size():
    """0.60 M: convolutions without bias, a scale and a bias for each channel, dense layers, a last convolution."""
    layer = AttentionUNet()
    layer.build((None, 64, 64, 3))
    down = 9 * (4 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 64) + 2 * (32 + 32 + 64 + 64 + 64)
    dense = (1024 * 128 + 128) + (128 * 128 + 128) + (128 * 1024 + 1024)
    up = 9 * (128 * 64 + 128 * 64 + 128 * 32 + 64 * 32 + 64 * 32) + 2 * (64 + 64 + 32 + 32 + 32)
    assert layer.count_params() == down + dense + up + (32 + 1) == 604513


def test_instance_norm_under_bfloat16_takes_its_statistics_in_float32():
    layer = InstanceNorm()
    layer.build((None, 32, 32, 1))
    # Small differences on a large offset, which sums of bfloat16 would lose.
    images = tf.cast(4.0 + tf.constant([[0.0, 1.0] * 16] * 32)[None, ..., None], tf.bfloat16)
    normalised = layer(images)
    assert normalised.dtype == tf.float32 or normalised.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(normalised, tf.float32)[0, 0, :, 0], [-1.0, 1.0] * 16, atol=0.05)


@pytest.mark.parametrize(("frame", "most"), [((8, 16), 4), ((1, 1), 0), ((4, 4), 2)])
def test_frames_too_small_for_so_many_blocks_are_told(frame, most):
    with pytest.raises(
        UserError, match=rf"^AttentionUNet.channels has 5 blocks, .* {frame[0]}x{frame[1]}: give at most"
    ):
        AttentionUNet((4,) * 5).build((None, *frame, 3))
    if most:
        AttentionUNet((4,) * most).build((None, *frame, 3))
        with pytest.raises(UserError, match=f"give at most {most} numbers"):
            AttentionUNet((4,) * (most + 1)).build((None, *frame, 3))


@pytest.mark.parametrize(
    ("option", "value"), [("channels", ()), ("channels", 32), ("channels", (4, 0)), ("hidden_size", 0)]
)
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^AttentionUNet.{option} is "):
        AttentionUNet(**{option: value})
