import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.sequential_iodine.mixture_terms import mixture_terms

B, K, H, W = 2, 3, 4, 5


def _case(seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    image = rng.uniform(size=(B, H, W, 3))
    rgb = rng.uniform(size=(B, K, H, W, 3))
    logits = rng.normal(scale=spread, size=(B, K, H, W))
    return [value.astype(np.float32) for value in (image, rgb, logits)]


def _float64(image, rgb, logits, scale):
    """Every term by the definition of a mixture, slot by slot in float64; nothing in logarithms but the result."""
    image, rgb, logits = (value.astype(np.float64) for value in (image, rgb, logits))
    masks = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    density = np.ones(logits.shape)
    for channel in range(3):
        error = image[:, None, ..., channel] - rgb[..., channel]
        density = density * np.exp(-((error / scale) ** 2) / 2) / (scale * np.sqrt(2 * np.pi))
    whole = sum(masks[:, k] * density[:, k] for k in range(K))
    counterfactual = np.empty(logits.shape)
    for k in range(K):
        others = [j for j in range(K) if j != k]
        weights = np.exp(logits[:, others]) / np.exp(logits[:, others]).sum(1, keepdims=True)
        counterfactual[:, k] = np.log(whole) - np.log(np.sum(weights * density[:, others], axis=1))
    responsibilities = masks * density / whole[:, None]
    return {
        "log_prob": np.log(whole),
        "masks": masks,
        "component_posterior": density / density.sum(1, keepdims=True),
        "counterfactual": counterfactual,
        "rgb_gradient": responsibilities[..., None] * (rgb - image[:, None]) / scale**2,
        "logit_gradient": masks - responsibilities,
    }


@pytest.mark.parametrize("scale", [0.1, 0.3])
def test_terms_equal_float64(scale):
    case = _case()
    terms = mixture_terms(*map(tf.constant, case), scale)
    for name, wanted in _float64(*case, scale).items():
        value = getattr(terms, name)
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, wanted, rtol=2e-4, atol=2e-5, err_msg=name)


def test_the_log_likelihood_is_that_of_the_shared_mixture():
    image, rgb, logits = map(tf.constant, _case(1))
    terms = mixture_terms(image, rgb, logits, 0.08)
    shared = PixelMixture(0.08).log_prob(
        tf.reshape(image, [B, H * W, 3]), tf.reshape(rgb, [B, K, H * W, 3]), tf.reshape(logits, [B, K, H * W])
    )
    np.testing.assert_allclose(terms.log_prob, tf.reshape(shared, [B, H, W]), rtol=1e-5)


def test_gradients_in_closed_form_are_those_of_automatic_differentiation():
    image, rgb, logits = map(tf.constant, _case(2))
    with tf.GradientTape() as tape:
        tape.watch((rgb, logits))
        points = PixelMixture(0.1).log_prob(
            tf.reshape(image, [B, H * W, 3]), tf.reshape(rgb, [B, K, H * W, 3]), tf.reshape(logits, [B, K, H * W])
        )
        nll = -tf.reduce_sum(points)
    by_rgb, by_logits = tape.gradient(nll, (rgb, logits))
    terms = mixture_terms(image, rgb, logits, 0.1)
    np.testing.assert_allclose(terms.rgb_gradient, by_rgb, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms.logit_gradient, by_logits, atol=1e-5)
    assert np.abs(by_rgb).max() > 1


def test_a_slot_that_alone_explains_a_pixel_is_worth_all_that_the_others_lack():
    # The other slot is wrong by 1 in every channel: 3 / (2 * 0.05^2) = 600 nats, which no probability can hold.
    image = tf.zeros([1, 1, 1, 3])
    rgb = tf.constant([0.0, 1.0])[None, :, None, None, None] * tf.ones([1, 2, 1, 1, 3])
    terms = mixture_terms(image, rgb, tf.zeros([1, 2, 1, 1]), 0.05)
    worth = 600.0 - np.log(2.0)  # of the two at equal masks, the first has half
    np.testing.assert_allclose(terms.counterfactual[0, :, 0, 0], [worth, -np.log(2.0)], rtol=1e-5)
    np.testing.assert_allclose(terms.component_posterior[0, :, 0, 0], [1.0, 0.0])
    np.testing.assert_allclose(terms.logit_gradient[0, :, 0, 0], [-0.5, 0.5])


def test_what_is_a_constant_to_the_training_and_what_is_not():
    image, rgb, logits = map(tf.constant, _case(3))
    passes = {}
    for name in ("log_prob", "masks", "component_posterior", "counterfactual", "rgb_gradient", "logit_gradient"):
        with tf.GradientTape() as tape:
            tape.watch((rgb, logits))
            total = tf.reduce_sum(tf.square(getattr(mixture_terms(image, rgb, logits, 0.3), name)))
        passes[name] = [
            gradient is not None and bool(np.any(gradient)) for gradient in tape.gradient(total, (rgb, logits))
        ]
    assert passes == {
        "log_prob": [True, True],
        "masks": [False, True],
        "component_posterior": [True, False],
        "counterfactual": [False, False],
        "rgb_gradient": [False, False],
        "logit_gradient": [False, False],
    }
