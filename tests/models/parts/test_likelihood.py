import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from simone_tf.errors import UserError
from simone_tf.models.parts.likelihood import PixelMixture

tfd = tfp.distributions


def _float64(pixels, rgb_means, mask_logits, scale):
    """Eq. 2 in float64 NumPy: pixels [B, P, 3], means [B, K, P, 3], logits [B, K, P]."""
    pixels, rgb_means, mask_logits = (np.asarray(value, np.float64) for value in (pixels, rgb_means, mask_logits))
    errors = (pixels[:, None] - rgb_means) / scale
    components = np.sum(-0.5 * errors**2 - np.log(scale) - 0.5 * np.log(2 * np.pi), axis=-1)
    return special.logsumexp(special.log_softmax(mask_logits, axis=1) + components, axis=1)


def _case(error, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.uniform(size=(2, 7, 3))
    signs = rng.choice([-1.0, 1.0], size=(2, 5, 7, 3))
    means = pixels[:, None] + signs * error * rng.uniform(0.9, 1.0, size=(2, 5, 7, 1))
    logits = rng.normal(scale=3.0, size=(2, 5, 7))
    return [tf.constant(value, tf.float32) for value in (pixels, means, logits)]


@pytest.mark.parametrize("error", [0.0, 0.1, 0.65, 1.0])
def test_log_prob_equals_float64_and_tfp(error):
    pixels, means, logits = _case(error)
    log_prob = PixelMixture(0.08).log_prob(pixels, means, logits)
    assert log_prob.shape == (2, 7)
    np.testing.assert_allclose(log_prob, _float64(pixels, means, logits, 0.08), rtol=1e-5)
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.transpose(logits, [0, 2, 1])),
        tfd.MultivariateNormalDiag(tf.transpose(means, [0, 2, 1, 3]), tf.fill([3], 0.08)),
    )
    np.testing.assert_allclose(log_prob, mixture.log_prob(pixels), rtol=1e-5)


def test_errors_that_underflow_as_probabilities_still_have_a_gradient():
    pixels, means, logits = _case(1.0)
    assert np.exp(np.float32(-3 * 0.5 * (0.9 / 0.08) ** 2)) == 0  # as a float32 density it is lost
    with tf.GradientTape() as tape:
        tape.watch(means)
        log_prob = PixelMixture(0.08).log_prob(pixels, means, logits)
    gradient = tape.gradient(log_prob, means)
    assert np.all(np.isfinite(log_prob))
    assert np.abs(gradient).max() > 100


def test_a_perfect_pixel_has_the_known_maximum():
    pixels = tf.fill([1, 1, 3], 0.5)
    log_prob = PixelMixture(0.08).log_prob(pixels, tf.fill([1, 4, 1, 3], 0.5), tf.zeros([1, 4, 1]))
    np.testing.assert_allclose(log_prob, [[4.8204]], atol=1e-4)


def test_blend_error_by_hand():
    pixels, means, logits = _case(0.65)
    error = PixelMixture(0.08).blend_error(pixels, means, logits)
    assert error.shape == (2, 7)
    masks = special.softmax(np.asarray(logits, np.float64), axis=1)
    blend = np.sum(masks[..., None] * np.asarray(means, np.float64), axis=1)
    gaussian = tfd.MultivariateNormalDiag(tf.constant(blend), tf.fill([3], tf.constant(0.08, tf.float64)))
    at_most = gaussian.log_prob(blend)
    np.testing.assert_allclose(error, at_most - gaussian.log_prob(tf.cast(pixels, tf.float64)), rtol=1e-4)


def test_slots_that_differ_can_blend_to_a_pixel_without_error():
    means = tf.constant([[[[1.0, 0.0, 0.2]], [[0.0, 1.0, 0.2]]]])  # [1, 2 slots, 1 pixel, 3]
    logits = tf.math.log(tf.constant([[[0.25], [0.75]]]))
    error = PixelMixture().blend_error(tf.constant([[[0.25, 0.75, 0.2]]]), means, logits)
    np.testing.assert_allclose(error, [[0.0]], atol=1e-6)


def test_mask_entropy_is_scipys():
    _, _, logits = _case(0.65)
    entropy = PixelMixture().mask_entropy(logits)
    masks = special.softmax(np.asarray(logits, np.float64), axis=1)
    np.testing.assert_allclose(entropy, stats.entropy(masks, axis=1), rtol=1e-4, atol=1e-6)


def test_mask_entropy_of_one_slot_and_of_all_with_its_gradients():
    logits = tf.constant([[[200.0, 0.0], [-200.0, 0.0], [0.0, 0.0]]])  # [1, 3 slots, 2 pixels]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        entropy = PixelMixture().mask_entropy(logits)
    np.testing.assert_allclose(entropy, [[0.0, np.log(3.0)]], atol=1e-6)
    assert np.isfinite(tape.gradient(entropy, logits)).all()


@pytest.mark.parametrize("name", ["blend_weight", "entropy_weight"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), "1"])
def test_a_wrong_weight_is_told(name, value):
    with pytest.raises(UserError, match=rf"^PixelMixture\.{name} is "):
        PixelMixture(**{name: value})
