"""The likelihood beside densities by NumPy, and the divergence of masks beside its definition."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.monet.masked_mixture import MaskedMixture, mask_kl
from simone_tf.models.parts.likelihood import PixelMixture

import numpy_networks

B, K, T, H, W = 2, 3, 2, 3, 4


def drawn(seed=0):
    generator = np.random.default_rng(seed)
    pixels, slot_rgb = generator.uniform(size=(B, T, H, W, 3)), generator.uniform(size=(B, K, T, H, W, 3))
    log_masks = numpy_networks.log_softmax(2 * generator.normal(size=(B, K, T, H, W)), 1)
    return pixels, slot_rgb, log_masks


def tensors(arrays):
    return [tf.constant(array, tf.float32) for array in arrays]


@pytest.mark.parametrize("per_channel", [False, True])
def test_it_is_the_mixture_of_densities(per_channel):
    pixels, slot_rgb, log_masks = drawn()
    mixture = MaskedMixture(0.2, 0.3, per_channel)
    scales = np.array([0.2, 0.3, 0.3]).reshape(1, K, 1, 1, 1, 1)
    densities = np.exp(-((pixels[:, None] - slot_rgb) ** 2) / (2 * scales**2)) / np.sqrt(2 * np.pi * scales**2)
    masks = np.exp(log_masks)
    if per_channel:
        wanted = np.log((masks[..., None] * densities).sum(1)).sum(-1)
    else:
        wanted = np.log((masks * densities.prod(-1)).sum(1))
    found = mixture.log_prob(*tensors((pixels, slot_rgb, log_masks)))
    assert found.shape == (B, T, H, W)
    np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=1e-4)


def test_with_one_scale_it_is_the_likelihood_of_the_other_models():
    pixels, slot_rgb, log_masks = tensors(drawn())
    found = MaskedMixture(0.1, 0.1).log_prob(pixels, slot_rgb, log_masks)
    flat = tf.reshape(slot_rgb, [B, K, -1, 3]), tf.reshape(log_masks, [B, K, -1])
    wanted = PixelMixture(0.1).log_prob(tf.reshape(pixels, [B, -1, 3]), *flat)
    np.testing.assert_allclose(found, tf.reshape(wanted, [B, T, H, W]), atol=1e-4, rtol=1e-4)


def test_of_a_right_colour_the_first_slot_has_the_higher_density():
    mixture, pixel = MaskedMixture(), tf.zeros([1, 1, 3])
    of_slots = [float(mixture.log_prob(pixel, tf.zeros([1, 2, 1, 3]), masks)[0, 0]) for masks in _one_slot()]
    wanted = [-3 * (np.log(scale) + 0.5 * np.log(2 * np.pi)) for scale in (0.09, 0.11)]
    np.testing.assert_allclose(of_slots, wanted, atol=1e-4)


def _one_slot():
    return tf.constant([[[0.0], [-100.0]]]), tf.constant([[[-100.0], [0.0]]])


def test_far_from_every_colour_it_stays_finite():
    pixels, slot_rgb, log_masks = tensors(drawn())
    assert np.isfinite(MaskedMixture(0.01, 0.01).log_prob(pixels, slot_rgb + 5.0, log_masks)).all()


def test_the_divergence_of_masks_is_its_definition():
    _, _, log_masks = drawn()
    logits = 2 * np.random.default_rng(5).normal(size=log_masks.shape)
    masks, decoded = np.exp(log_masks), np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = mask_kl(*tensors((log_masks, logits)))
    np.testing.assert_allclose(found, (masks * np.log(masks / decoded)).sum(1), atol=1e-5, rtol=1e-4)
    assert found.numpy().min() > 0
    np.testing.assert_allclose(mask_kl(*tensors((log_masks, log_masks + 3.0))), np.zeros((B, T, H, W)), atol=1e-5)


def test_the_divergence_of_sure_masks_is_finite_and_so_are_its_gradients():
    log_masks, logits = tf.Variable([[[0.0], [-400.0]]]), tf.Variable([[[0.0], [50.0]]])
    with tf.GradientTape() as tape:
        divergence = mask_kl(log_masks, logits)
    np.testing.assert_allclose(divergence, [[50.0]], atol=1e-4)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(divergence, [log_masks, logits]))


@pytest.mark.parametrize(
    ("option", "value"), [("background_scale", 0.0), ("foreground_scale", -1.0), ("per_channel", 1)]
)
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^MaskedMixture.{option} is "):
        MaskedMixture(**{option: value})
