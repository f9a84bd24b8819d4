"""MONet's likelihood: a mixture over slots whose weights are given, not decoded, and the divergence of decoded ones."""

import math

import tensorflow as tf

from simone_tf.checks import check_values, number, one_of


class MaskedMixture:
    """Gaussian mixture over the slots of a pixel; the first slot has a scale of its own (paper, equation 3).

    That the first slot has the smaller scale makes it the cheapest place for what fills most of a frame, the
    background. Its mean colours may be wrong by less, and what it cannot draw is left to the others.

    The default is one mixture over the colours of a pixel together, as a pixel belongs to one slot: masks have no
    channels, and log-likelihoods can be compared with those of `PixelMixture`. Public code has a mixture for each
    channel.

    Args:
        background_scale: standard deviation of every colour channel in the first slot.
        foreground_scale: the same in all other slots.
        per_channel: a mixture for each colour channel, independent of the other channels.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self, background_scale: float = 0.09, foreground_scale: float = 0.11, per_channel: bool = False
    ) -> None:
        values = {
            "background_scale": background_scale,
            "foreground_scale": foreground_scale,
            "per_channel": per_channel,
        }
        positive = number(0, above=True)
        checks = {"background_scale": positive, "foreground_scale": positive, "per_channel": one_of(False, True)}
        check_values("MaskedMixture", values, checks)
        self.background_scale = background_scale
        self.foreground_scale = foreground_scale
        self.per_channel = per_channel

    def log_prob(self, pixels: tf.Tensor, slot_rgb: tf.Tensor, log_masks: tf.Tensor) -> tf.Tensor:
        """Log-likelihood in nats of every pixel.

        Args:
            pixels: `[B, ..., 3]` in [0, 1], such as `[B, T, H, W, 3]`.
            slot_rgb: `[B, K, ..., 3]`, mean colour of every slot.
            log_masks: `[B, K, ...]`, logarithms of weights that sum to 1 over the slots.

        Returns:
            `[B, ...]` float32.
        """
        slots, rank = slot_rgb.shape[1], len(slot_rgb.shape)
        scales = [self.background_scale] + [self.foreground_scale] * (slots - 1)
        scales = tf.reshape(tf.constant(scales, tf.float32), [1, slots] + [1] * (rank - 2))
        errors = (pixels[:, None] - slot_rgb) / scales
        log_probs = -0.5 * tf.square(errors) - tf.math.log(scales) - 0.5 * math.log(2.0 * math.pi)  # [B, K, ..., 3]
        if self.per_channel:
            return tf.reduce_sum(tf.reduce_logsumexp(log_masks[..., None] + log_probs, axis=1), axis=-1)
        return tf.reduce_logsumexp(log_masks + tf.reduce_sum(log_probs, axis=-1), axis=1)


def mask_kl(log_masks: tf.Tensor, mask_logits: tf.Tensor) -> tf.Tensor:
    """KL(masks || softmax of logits over the slots) in nats of every pixel.

    Args:
        log_masks: `[B, K, ...]` float32, finite logarithms of weights that sum to 1 over the slots.
        mask_logits: `[B, K, ...]` float32, unnormalised log weights, as decoded.

    Returns:
        `[B, ...]` float32. No probability is clamped: of logarithms none is needed.
    """
    return tf.reduce_sum(tf.exp(log_masks) * (log_masks - tf.nn.log_softmax(mask_logits, axis=1)), axis=1)
