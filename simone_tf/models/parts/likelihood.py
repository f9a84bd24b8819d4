"""The pixel likelihood of Eq. 2: a mixture over slots, a product over RGB inside each component."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from simone_tf.checks import check_values, number

tfd = tfp.distributions


class PixelMixture:
    """Gaussian mixture over the slots of a pixel, evaluated by log-sum-exp throughout.

    Probabilities never appear: at a scale of 0.08 a float32 density underflows at errors of 0.65 per channel.

    Args:
        pixel_scale: sigma_x, the standard deviation of every colour channel (recovered from reproductions: 0.08, the
            paper's main text has no number; then a pixel's log-likelihood is at most 4.82 nats).
        blend_weight: weight of `blend_error` in a model's loss, beside the mixture's log-likelihood; 0, the paper's
            loss, for none. The mixture gives a pixel to the slot that already explains it best; the blend moves the
            masks of all slots towards the pixel, and objects are found in a fraction of the steps. Where it outweighs
            the mixture nothing asks for one slot for the background any more, and the slots share it.
        entropy_weight: weight of `mask_entropy` in a model's loss; 0, the paper's loss, for none. Two slots that draw
            the same object, each half, cost the mixture nothing, and the blend even less than one: their noise cancels.
            The entropy asks for one slot a pixel.
    """

    def __init__(self, pixel_scale: float = 0.08, blend_weight: float = 0.0, entropy_weight: float = 0.0) -> None:
        self.pixel_scale = pixel_scale
        self.blend_weight = blend_weight
        self.entropy_weight = entropy_weight
        weights = {"blend_weight": blend_weight, "entropy_weight": entropy_weight}
        check_values("PixelMixture", weights, {name: number(0) for name in weights})

    def distribution(self, rgb_means: tf.Tensor, mask_logits: tf.Tensor) -> tfp.distributions.Distribution:
        """The mixture as a TFP distribution: batch shape `[B, P]`, event shape `[3]`.

        Args:
            rgb_means: `[B, K, P, 3]`, colour of every slot at every query.
            mask_logits: `[B, K, P]`, unnormalised log mixture weights.
        """
        components = tf.transpose(tf.cast(rgb_means, tf.float32), [0, 2, 1, 3])  # [B, P, K, 3]
        logits = tf.transpose(tf.cast(mask_logits, tf.float32), [0, 2, 1])  # [B, P, K]
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits), tfd.Independent(tfd.Normal(components, self.pixel_scale), 1)
        )

    def log_prob(self, pixels: tf.Tensor, rgb_means: tf.Tensor, mask_logits: tf.Tensor) -> tf.Tensor:
        """Log-likelihood in nats, `[B, P]` float32, of `pixels [B, P, 3]` in [0, 1]."""
        return self.distribution(rgb_means, mask_logits).log_prob(tf.cast(pixels, tf.float32))

    def log_prob_of_frames(self, video: tf.Tensor, slot_rgb: tf.Tensor, slot_masks: tf.Tensor) -> tf.Tensor:
        """Log-likelihood of every pixel in nats, `[B, T, H, W]` float32.

        Args:
            video: `[B, T, H, W, 3]` float32 in [0, 1].
            slot_rgb: `[B, K, T, H, W, 3]`.
            slot_masks: `[B, K, T, H, W]`, sums to 1 over K.
        """
        slots, grid = slot_rgb.shape[1], video.shape[1:4]
        points = math.prod(grid)
        # The masks are normalised already: their logarithms are logits of the same mixture.
        nats = self.log_prob(
            tf.reshape(video, [-1, points, 3]),
            tf.reshape(slot_rgb, [-1, slots, points, 3]),
            tf.reshape(tf.math.log(tf.maximum(slot_masks, 1e-30)), [-1, slots, points]),
        )
        return tf.reshape(nats, [-1, *grid])

    @property
    def further_terms(self) -> tuple[str, ...]:
        """Names of the terms that have a weight, beside the log-likelihood."""
        weights = {"blend_error": self.blend_weight, "mask_entropy": self.entropy_weight}
        return tuple(name for name, weight in weights.items() if weight)

    def weighted_terms(self, pixels: tf.Tensor, rgb_means: tf.Tensor, mask_logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """By name of `further_terms` its mean over all pixels times its weight, float32 scalars.

        Args: as of `log_prob`.
        """
        terms = {}
        if self.blend_weight:
            terms["blend_error"] = self.blend_weight * tf.reduce_mean(self.blend_error(pixels, rgb_means, mask_logits))
        if self.entropy_weight:
            terms["mask_entropy"] = self.entropy_weight * tf.reduce_mean(self.mask_entropy(mask_logits))
        return terms

    def blend_error(self, pixels: tf.Tensor, rgb_means: tf.Tensor, mask_logits: tf.Tensor) -> tf.Tensor:
        """Squared error of the reconstruction, in which the masks blend the slots, over 2 sigma_x^2.

        Up to a constant that is the negative log-likelihood in nats of a Gaussian around the blend.

        Args:
            pixels: `[B, P, 3]` in [0, 1].
            rgb_means: `[B, K, P, 3]`.
            mask_logits: `[B, K, P]`.

        Returns:
            `[B, P]` float32.
        """
        masks = tf.nn.softmax(tf.cast(mask_logits, tf.float32), axis=1)
        blend = tf.einsum("bkp,bkpc->bpc", masks, tf.cast(rgb_means, tf.float32))
        errors = tf.square(blend - tf.cast(pixels, tf.float32))
        return tf.reduce_sum(errors, axis=-1) / (2.0 * self.pixel_scale**2)

    def mask_entropy(self, mask_logits: tf.Tensor) -> tf.Tensor:
        """Entropy of the masks at every query in nats, 0 where one slot has it all and at most log K.

        Args:
            mask_logits: `[B, K, P]`.

        Returns:
            `[B, P]` float32.
        """
        logarithms = tf.nn.log_softmax(tf.cast(mask_logits, tf.float32), axis=1)
        return -tf.reduce_sum(tf.exp(logarithms) * logarithms, axis=1)
