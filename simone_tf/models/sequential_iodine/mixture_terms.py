"""What a pixel mixture says of an image, and its gradients in closed form: what IODINE's refinement looks at.

Of a mixture `p(x) = sum_k m_k N(x; mu_k, sigma^2 I)` with masks `m = softmax(a)` and responsibilities
`r_k = m_k N_k / p(x)` (Greff et al., 2019, section 3.2 and appendix):

    d -log p / d mu_k = r_k (mu_k - x) / sigma^2        d -log p / d a_k = m_k - r_k
"""

import math
from typing import NamedTuple

import tensorflow as tf


class MixtureTerms(NamedTuple):
    """Of images `[B, H, W, 3]` under mixtures of K slots; float32. Only what is not a gradient is differentiable."""

    log_prob: tf.Tensor  # [B, H, W], log p(x) in nats
    masks: tf.Tensor  # [B, K, H, W], m_k
    component_posterior: tf.Tensor  # [B, K, H, W], N_k / sum_j N_j: the slots' colours alone, without the masks
    counterfactual: tf.Tensor  # [B, K, H, W], log p(x) - log p(x without slot k), the other masks normalised again
    rgb_gradient: tf.Tensor  # [B, K, H, W, 3], d -log p / d mu_k
    logit_gradient: tf.Tensor  # [B, K, H, W], d -log p / d a_k


def mixture_terms(image: tf.Tensor, slot_rgb: tf.Tensor, mask_logits: tf.Tensor, pixel_scale: float) -> MixtureTerms:
    """The terms of every pixel, by log-sum-exp throughout.

    `log_prob`, `masks` and `component_posterior` pass gradients on; `counterfactual` and the two gradients are
    constants to them (`tf.stop_gradient`), as in the authors' code: no second derivatives are ever taken.

    Args:
        image: `[B, H, W, 3]` float32 in [0, 1].
        slot_rgb: `[B, K, H, W, 3]` float32, mu_k; K at least 2, or nothing is left without a slot.
        mask_logits: `[B, K, H, W]` float32, a_k.
        pixel_scale: sigma of every colour channel.
    """
    errors = slot_rgb - image[:, None]  # [B, K, H, W, 3]
    constant = 3.0 * (math.log(pixel_scale) + 0.5 * math.log(2.0 * math.pi))
    components = -tf.reduce_sum(tf.square(errors), axis=-1) / (2.0 * pixel_scale**2) - constant  # log N_k
    log_masks = tf.nn.log_softmax(mask_logits, axis=1)
    joint = log_masks + components
    log_prob = tf.reduce_logsumexp(joint, axis=1)
    masks = tf.exp(log_masks)
    responsibilities = tf.exp(joint - log_prob[:, None])
    without = _without_each(joint) - _without_each(log_masks)
    return MixtureTerms(
        log_prob=log_prob,
        masks=masks,
        component_posterior=tf.nn.softmax(components, axis=1),
        counterfactual=tf.stop_gradient(log_prob[:, None] - without),
        rgb_gradient=tf.stop_gradient(responsibilities[..., None] * errors / pixel_scale**2),
        logit_gradient=tf.stop_gradient(masks - responsibilities),
    )


def _without_each(values: tf.Tensor) -> tf.Tensor:
    """`[B, K, H, W]`: for each k the log of the sum of the exponentials of all others."""
    values = tf.stop_gradient(values)
    # All pairs of slots, the sum of all but one made anew: subtracting one from the sum of all would lose what is left
    # where a slot explains a pixel alone.
    own = tf.eye(values.shape[1], dtype=values.dtype)[:, :, None, None]
    return tf.reduce_logsumexp(tf.where(own > 0, -1e30, values[:, None]), axis=2)
