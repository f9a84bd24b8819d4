"""MONet beside its equations in float64: the loss of a frame, the masks it reports and those it draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.monet.component_encoder import ComponentEncoder
from simone_tf.models.monet.masked_mixture import MaskedMixture
from simone_tf.models.monet.model import MONet
from simone_tf.models.monet.unet import AttentionUNet
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.latents import LatentHead

import numpy_networks

B, T, H, W, K, D = 2, 2, 5, 8, 3, 4
SEEDS = tf.constant([3, 1]), tf.constant([4, 1])


def made(**options):
    defaults = {
        "attention": AttentionUNet((3, 4), 6),
        "encoder": ComponentEncoder((3, 4), head=LatentHead(D, 6, (-20.0, 20.0))),
        "decoder": BroadcastDecoder((4, 5)),
        "likelihood": MaskedMixture(0.2, 0.3),
        "slots": K,
        "beta": 0.7,
        "gamma": 0.4,
    }
    model = MONet(**(defaults | options))
    model.build((None, T, H, W, 3))
    for number, variable in enumerate(model.variables):
        variable.assign(variable.numpy() + 0.2 * tf.random.stateless_normal(variable.shape, [8, number]))
    # So large that every slot has pixels.
    model.attention.output_layer.kernel.assign(tf.reshape([2.0, -3.0, 1.0], [1, 1, 3, 1]))
    return model


def video(seed=0):
    return tf.random.stateless_uniform([B, T, H, W, 3], [seed, 0])


def by_hand(model, clips, noise=None):
    """Of every frame, `[B * T, ...]` float64: masks, means, log scales, colours and mask logits."""
    frames = clips.numpy().astype(np.float64).reshape(B * T, H, W, 3)
    masks = numpy_networks.attention_masks(model.attention, frames, K)
    posterior = [numpy_networks.component_posterior(model.encoder, frames, np.log(masks[:, k])) for k in range(K)]
    means, log_scales = (np.stack(values, 1) for values in zip(*posterior, strict=True))  # [N, K, D]
    latents = means
    if noise is not None:
        latents = means + np.exp(log_scales) * np.transpose(noise.numpy(), [0, 2, 1, 3]).reshape(B * T, K, D)
    decoded = numpy_networks.broadcast_decoded(model.decoder, latents.reshape(-1, D), (H, W)).reshape(-1, K, H, W, 4)
    return frames, masks, means, log_scales, decoded[..., :3], decoded[..., 3]


def folded(values):
    """`[B, K, T, ...]` to `[B * T, K, ...]`."""
    values = np.swapaxes(values.numpy(), 1, 2)
    return values.reshape(B * T, *values.shape[2:])


def test_the_loss_is_the_paper_s_of_a_frame_over_its_pixels():
    model, clips = made(), video()
    losses = model.losses(clips, *SEEDS)
    noise = tf.random.stateless_normal([B, K, T, D], SEEDS[0])
    frames, masks, means, log_scales, rgb, logits = by_hand(model, clips, noise)

    scales = np.array([0.2, 0.3, 0.3]).reshape(1, K, 1, 1, 1)
    densities = np.exp(-((frames[:, None] - rgb) ** 2) / (2 * scales**2)) / np.sqrt(2 * np.pi * scales**2)
    log_likelihood = np.log((masks * densities.prod(-1)).sum(1)).sum((1, 2))  # of each frame
    kl = 0.5 * (np.exp(2 * log_scales) + means**2 - 1 - 2 * log_scales).sum((1, 2))
    decoded = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    divergence = (masks * np.log(masks / decoded)).sum((1, 2, 3))
    of_frames = -log_likelihood + 0.7 * kl + 0.4 * divergence

    np.testing.assert_allclose(losses["loss"], of_frames.mean() / (H * W), rtol=1e-4)
    np.testing.assert_allclose(losses["nats_per_pixel"], log_likelihood.mean() / (H * W), rtol=1e-4)
    np.testing.assert_allclose(losses["object_kl"], kl.mean() / K, rtol=1e-4)
    np.testing.assert_allclose(losses["mask_kl"], divergence.mean() / (H * W), rtol=1e-4)
    np.testing.assert_allclose(losses["weighted_nats_per_pixel"], -log_likelihood.mean() / (H * W), rtol=1e-4)
    np.testing.assert_allclose(losses["weighted_object_kl"], 0.7 * kl.mean() / (H * W), rtol=1e-4)
    np.testing.assert_allclose(losses["weighted_mask_kl"], 0.4 * divergence.mean() / (H * W), rtol=1e-4)


def test_a_clip_taken_apart_has_the_masks_of_the_attention():
    model, clips = made(), video()
    parts = model.decompose(clips)
    assert len(np.unique(parts.segments)) == K
    _, masks, means, log_scales, rgb, _ = by_hand(model, clips)
    np.testing.assert_allclose(folded(parts.slot_masks), masks, atol=1e-4)
    np.testing.assert_allclose(folded(parts.slot_rgb), rgb, atol=1e-3)
    np.testing.assert_array_equal(parts.segments.numpy().reshape(B * T, H, W), masks.argmax(1))
    blended = (masks[..., None] * rgb).sum(1)
    np.testing.assert_allclose(parts.reconstruction.numpy().reshape(B * T, H, W, 3), blended, atol=1e-3)
    np.testing.assert_allclose(folded(parts.posteriors["object"].mean), means, atol=1e-3)
    np.testing.assert_allclose(folded(parts.posteriors["object"].log_scale), log_scales, atol=1e-3)


def test_what_is_drawn_from_latents_has_the_decoded_masks():
    model, clips = made(), video()
    rendering = model.render({"object": model.encode(clips)["object"].mean}, {}, (H, W))
    *_, rgb, logits = by_hand(model, clips)
    decoded = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(folded(rendering.slot_masks), decoded, atol=1e-3)
    np.testing.assert_allclose(folded(rendering.slot_rgb), rgb, atol=1e-3)
    assert np.abs(rendering.slot_masks - model.decompose(clips).slot_masks).max() > 0.05


@pytest.mark.parametrize("per_channel", [False, True])
def test_log_prob_is_the_likelihood_of_the_masks_it_is_given(per_channel):
    model, clips = made(likelihood=MaskedMixture(0.2, 0.3, per_channel)), video()
    parts = model.decompose(clips)
    wanted = model.likelihood.log_prob(clips, parts.slot_rgb, tf.math.log(parts.slot_masks))
    np.testing.assert_allclose(model.log_prob(clips, parts), wanted, atol=1e-4)
    sure = parts._replace(slot_masks=tf.one_hot(parts.segments, K, axis=1))
    assert np.isfinite(model.log_prob(clips, sure)).all()


def test_a_frame_is_taken_apart_by_itself():
    model, clips = made(), video()
    other = tf.concat([clips[:, :1], video(1)[:, 1:]], 1)
    for whole, changed in zip(
        tf.nest.flatten(model.decompose(clips)), tf.nest.flatten(model.decompose(other)), strict=True
    ):
        axis = whole.shape.as_list().index(T, 1)
        np.testing.assert_allclose(tf.gather(whole, 0, axis=axis), tf.gather(changed, 0, axis=axis), atol=1e-5)
        assert np.abs(tf.cast(tf.gather(whole, 1, axis=axis) - tf.gather(changed, 1, axis=axis), tf.float32)).max() > 0


def test_noise_follows_its_seed_and_nothing_else():
    model, clips = made(), video()
    pairs = [([3, 1], [4, 1]), ([3, 1], [4, 1]), ([3, 2], [4, 1]), ([3, 1], [4, 2])]
    loss = [float(model.losses(clips, *map(tf.constant, pair))["loss"]) for pair in pairs]
    assert loss[0] == loss[1] == loss[3] != loss[2]


def test_two_seeds_start_differently_and_one_repeats():
    kernels = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        model = MONet(AttentionUNet((3, 4), 6), ComponentEncoder((3,)), BroadcastDecoder((4,)), slots=K)
        model.build((None, T, H, W, 3))
        kernels.append(np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables]))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.mean(kernels[0] != kernels[2]) > 0.9


@pytest.mark.parametrize("frame", [(24, 24), (32, 32), (35, 35), (64, 64), (8, 16)])
def test_frames_of_many_sizes_are_taken_apart(frame):
    model = MONet(AttentionUNet((2, 2, 2), 2), ComponentEncoder((2, 2)), BroadcastDecoder((2,)), slots=2)
    model.build((None, 1, *frame, 3))
    parts = model.decompose(tf.random.stateless_uniform([1, 1, *frame, 3], [0, 0]))
    assert parts.segments.shape == (1, 1, *frame)
    np.testing.assert_allclose(tf.reduce_sum(parts.slot_masks, 1), np.ones((1, 1, *frame)), atol=1e-6)


def test_at_the_paper_s_size_it_has_a_million_weights():
    model = MONet()
    model.build((None, 1, 64, 64, 3))
    assert model.count_params() == 604513 + 336480 + 70148
    assert model.num_slots == 7
    assert model.latents["object"] == (("slot", "frame"), 16, False)


@pytest.mark.parametrize(("option", "value"), [("slots", 1), ("beta", -0.1), ("gamma", "x")])
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^MONet.{option} is "):
        MONet(**{option: value})
