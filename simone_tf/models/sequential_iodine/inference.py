"""Iterative inference: latents are drawn and decoded, and what they explain of a frame says how to refine them."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.sequential_iodine.gaussian_parameters import parameter_gradient, posterior_of
from simone_tf.models.sequential_iodine.mixture_terms import MixtureTerms, mixture_terms
from simone_tf.models.sequential_iodine.refinement import Explained, RefinementNetwork


class Draw(NamedTuple):
    """Latents drawn from the posteriors of all slots, decoded."""

    parameters: tf.Tensor  # [B, K, 2 D]
    posterior: Posterior  # [B, K, D], which they stand for
    noise: tf.Tensor  # [B or 1, K, D]
    latents: tf.Tensor  # [B, K, D]
    slot_rgb: tf.Tensor  # [B, K, H, W, 3]
    mask_logits: tf.Tensor  # [B, K, H, W]
    tape: tf.GradientTape  # that watched the decoding, for one pass back


class IterativeInference:
    """Draws and refines in turn; the weights are those of the decoder and the refinement network, built.

    Args:
        decoder: `BroadcastDecoder`.
        refinement: `RefinementNetwork`.
        num_slots: K.
        pixel_scale: sigma of the mixture.
        kl_weight: weight of a slot's KL beside the log-likelihood of a frame, in the gradient that is shown to the
            refinement network.
        prior_scale: standard deviation of the prior.
    """

    def __init__(
        self,
        decoder: BroadcastDecoder,
        refinement: RefinementNetwork,
        num_slots: int,
        pixel_scale: float,
        kl_weight: float,
        prior_scale: float,
    ) -> None:
        self.decoder = decoder
        self.refinement = refinement
        self.num_slots = num_slots
        self.pixel_scale = pixel_scale
        self.kl_weight = kl_weight
        self.prior_scale = prior_scale

    def unroll(
        self, start: tf.Tensor, video: tf.Tensor, frames: Sequence[int], noise: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[Draw]]:
        """Refines from a start that all slots share, once for each of `frames`.

        Args:
            start: `[2 D]`, the first parameters.
            video: `[B, T, H, W, 3]` float32.
            frames: the frame that each of S refinements looks at, numbers below T.
            noise: `[S or S + 1, B or 1, K, D]`, standard normal; with one more than refinements the last parameters are
                drawn from as well.

        Returns:
            Parameters `[B, K, 2 D]` before the first refinement and after each, S + 1, and a draw for all noise.
        """
        batch = tf.shape(video)[0]
        parameters = [tf.broadcast_to(tf.cast(start, tf.float32), [batch, self.num_slots, start.shape[0]])]
        state = self.refinement.initial_state(batch * self.num_slots)
        draws = []
        for step in range(noise.shape[0]):
            draws.append(self.draw(parameters[step], noise[step]))
            if step < len(frames):
                update, state = self.refinement(self.explain(draws[step], video[:, frames[step]]), state)
                parameters.append(parameters[step] + update)
        return parameters, draws

    def draw(self, parameters: tf.Tensor, noise: tf.Tensor) -> Draw:
        """Draws latents from posteriors and decodes them.

        Args:
            parameters: `[B, K, 2 D]` of the posteriors, see `posterior_of`.
            noise: `[B or 1, K, D]`, standard normal.
        """
        posterior = posterior_of(parameters)
        latents = posterior.mean + tf.exp(posterior.log_scale) * noise
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(latents)
            rgb, mask_logits = self.decoder(tf.reshape(latents, [-1, latents.shape[-1]]))
            grid = [-1, self.num_slots, *mask_logits.shape[1:]]
            rgb, mask_logits = tf.reshape(rgb, [*grid, 3]), tf.reshape(mask_logits, grid)
        return Draw(parameters, posterior, noise, latents, rgb, mask_logits, tape)

    def explain(self, draw: Draw, image: tf.Tensor) -> Explained:
        """What the refinement network is given of a draw and an image `[B, H, W, 3]`.

        The gradients are of the image's negative log-likelihood, summed over its pixels; those by the posterior's
        parameters of that and the KL. Those by colours and mask logits are known in closed form, so that one pass back
        through the decoder gives those by the latents. Sums, not means over a batch as in the authors' code: what a
        clip's refinement is shown does not depend on how many clips there are. The network stops their gradients.
        """
        terms = self.terms(draw, image)
        by_latents = self._passed_back(draw, (terms.rgb_gradient, terms.logit_gradient))
        gradient = parameter_gradient(draw.parameters, draw.noise, by_latents, self.kl_weight, self.prior_scale)
        return Explained(image, draw.slot_rgb, draw.mask_logits, terms, draw.parameters, gradient)

    def terms(self, draw: Draw, image: tf.Tensor) -> MixtureTerms:
        """What the mixture of a draw's slots says of an image `[B, H, W, 3]`."""
        return mixture_terms(image, draw.slot_rgb, draw.mask_logits, self.pixel_scale)

    def _passed_back(self, draw: Draw, gradients: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Gradients by a draw's colours and mask logits through the decoder: those by its latents `[B, K, D]`."""

        def through_decoder(gradients: tuple[tf.Tensor, ...]) -> tf.Tensor:
            return draw.tape.gradient((draw.slot_rgb, draw.mask_logits), draw.latents, output_gradients=gradients)

        if self.decoder.compute_dtype != "float16":
            return through_decoder(gradients)
        # A sum over all pixels is beyond float16's 65,504. What is linear may pass divided by the largest of each clip.
        sizes = [tf.reduce_max(tf.abs(value), axis=list(range(1, len(value.shape)))) for value in gradients]
        largest = tf.maximum(tf.reduce_max(sizes, axis=0), 1e-30)
        divided = tuple(value / tf.reshape(largest, [-1] + [1] * (len(value.shape) - 1)) for value in gradients)
        return through_decoder(divided) * largest[:, None, None]
