"""Sequential IODINE: slots' posteriors that a network refines, frame after frame, by how they explain the frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.checks import check_values, number, one_of, whole
from simone_tf.errors import UserError
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder, decode_frames
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.scene_model import Decomposition, Latent, Rendering, SceneModel, rendering_of
from simone_tf.models.sequential_iodine.gaussian_parameters import kl_to_fixed_prior, posterior_of
from simone_tf.models.sequential_iodine.inference import Draw, IterativeInference
from simone_tf.models.sequential_iodine.refinement import RefinementNetwork

# Of the noise of `encode`.
_NOISE_SEED = 190300450


class SequentialIODINE(SceneModel):
    """IODINE (Greff et al., 2019) whose refinements are spread over the frames of video `[B, T, H, W, 3]`.

    Every slot k has a Gaussian posterior whose parameters are carried from frame to frame. A refinement draws latents
    from the posteriors, decodes them, compares the mixture of the slots with the frame, and has `RefinementNetwork` say
    what to add to the parameters. All slots start alike; the noise of the draws alone makes them different. There is no
    model of motion and no prior that depends on the past: this is the "simplified OP3" of the SIMONe paper (section
    4.2), whose details its main text leaves open. What is a choice here is said so.

    The steps s = 1 .. S go over the frames: `burn_in` refinements of the first frame, then `refinements_per_frame` of
    every frame. The loss is the sum over the steps of the ELBO with weights that rise in proportion to s and add up to
    1, as in both public sources (the learned start has the weight 0).

    Args:
        num_slots: K, at least 2.
        latent_size: D, numbers of a slot's latent.
        refinement: `RefinementNetwork`.
        decoder: `BroadcastDecoder`.
        likelihood: `PixelMixture`; its `pixel_scale` is in the refinement's inputs as well, its `further_terms` are in
            the loss only.
        burn_in: refinements of the first frame before its own, which has no past to be explained by (a choice: 4, with
            which it has the five of IODINE; OP3 has 4 too).
        refinements_per_frame: of every frame; 1 is inference that is amortised over time.
        trained: which posterior of a frame the loss is of: 'before' it was refined on the frame, a prediction from the
            frames that came earlier, as in both public sources, or 'after' that.
        read: which posterior of a frame `encode` gives, and with it masks and scores: 'before' or 'after'. A model that
            was trained 'before' has learned to be where objects will be next: read 'after' it is a frame ahead.
        alpha: weight of the log-likelihood of a pixel.
        beta_objects: weight of the KL of a slot; the true ELBO of a frame lies at `alpha K / (H W)`, which is
            1.7e-3 for 7 slots and 64x64 pixels. The gradient that
            is shown to the refinement network weighs the two likewise.
        prior_scale: standard deviation of the prior, whose mean is 0: 1 as for SIMONe and OP3; the authors' code of
            IODINE has sqrt(ln 2).

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    loss_terms: tuple[str, ...] = (
        "loss",
        "nats_per_pixel",
        "object_kl",
        "weighted_nats_per_pixel",
        "weighted_object_kl",
    )

    def __init__(
        self,
        num_slots: int = 7,
        latent_size: int = 64,
        refinement: RefinementNetwork | None = None,
        decoder: BroadcastDecoder | None = None,
        likelihood: PixelMixture | None = None,
        burn_in: int = 4,
        refinements_per_frame: int = 1,
        trained: str = "before",
        read: str = "before",
        alpha: float = 1.0,
        beta_objects: float = 1.7e-3,
        prior_scale: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        check_values("SequentialIODINE", locals(), _CHECKS)
        self._num_slots = num_slots
        self.latent_size = latent_size
        self.refinement = refinement or RefinementNetwork(name="refinement")
        self.decoder = decoder or BroadcastDecoder(
            (64, 64, 64, 64), padding="same", activation="elu", output_kernel_size=3, name="decoder"
        )
        self.likelihood = likelihood or PixelMixture(0.1)
        self.burn_in = burn_in
        self.refinements_per_frame = refinements_per_frame
        self.trained = trained
        self.read = read
        self.alpha = alpha
        self.beta_objects = beta_objects
        self.prior_scale = prior_scale
        self.loss_terms = (*self.loss_terms, *(f"weighted_{name}" for name in self.likelihood.further_terms))

    @property
    def num_slots(self) -> int:
        """K, the number of slots."""
        return self._num_slots

    @property
    def latents(self) -> dict[str, Latent]:
        """A latent for every slot in every frame."""
        return {"object": Latent(("slot", "frame"), self.latent_size)}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static.

        Raises:
            UserError: what is trained or read of the first frame is the learned start, which all slots share.
        """
        self._num_frames, frame_size = input_shape[1], tuple(input_shape[2:4])
        if self.read == "before" and not self.burn_in:
            raise UserError(
                "SequentialIODINE.burn_in is 0 and read is 'before': all slots of the first frame are alike, choose at "
                "least 1 or read 'after'."
            )
        if self.trained == "before" and len(self._frame_of_step()) == 1:
            raise UserError(
                "SequentialIODINE.trained is 'before', but there is one refinement only: give burn_in or train 'after'."
            )
        # Numbers, and not a seed: TensorFlow and XLA draw different noise from the same seed.
        shape = (len(self._frame_of_step()), 1, self.num_slots, self.latent_size)
        self._noise = np.random.RandomState(_NOISE_SEED).standard_normal(shape).astype(np.float32)
        # Zeros: a mean of 0 and, nearly, the authors' standard deviation.
        self.initial_parameters = self.add_weight(
            shape=(2 * self.latent_size,), initializer="zeros", name="initial_parameters"
        )
        self.refinement.build(frame_size, 2 * self.latent_size)
        self.decoder.build((None, self.latent_size), (None, *frame_size, 3))
        self.inference = IterativeInference(
            self.decoder,
            self.refinement,
            self.num_slots,
            self.likelihood.pixel_scale,
            # Of a frame's KL beside the likelihoods of its pixels, of which one weighs alpha / (H W) in the loss.
            self.beta_objects * frame_size[0] * frame_size[1] / (self.alpha * self.num_slots),
            self.prior_scale,
        )
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """The posteriors `object [B, K, T, D]` of `[B, T, H, W, 3]` float32 video in [0, 1].

        The draws have the same noise in every call and for every clip, so that a clip's posteriors depend on nothing
        but the clip. They have noise at all because without it the slots would stay alike, and at every step because
        the network learned from noisy draws; at the means the gradient by the scales would lack the likelihood.
        """
        video = self.clips_of(batch, self._num_frames, self._num_frames)["video"]
        first = self.burn_in + (self.refinements_per_frame if self.read == "after" else 0)
        read = [first + frame * self.refinements_per_frame for frame in range(self._num_frames)]
        noise = tf.constant(self._noise[: read[-1]])
        parameters, _ = self.inference.unroll(self.initial_parameters, video, self._frame_of_step(), noise)
        return {"object": posterior_of(tf.stack([parameters[step] for step in read], axis=2))}

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The weighted sum over the steps of the ELBO and its terms, each a float32 scalar, mean over the batch.

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1].
            noise_seed: `[2]` int32 stateless seed of the draws; differs between replicas.
            shared_seed: not used, all pixels are decoded.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood) and `object_kl` (nats of a slot in a frame), both as the
            steps are weighted; and the weighted terms that add up to the loss, `weighted_nats_per_pixel` (negated),
            `weighted_object_kl`, and `weighted_<term>` of the likelihood's `further_terms`, which alpha weighs too.
        """
        del shared_seed
        video = as_batch(batch)["video"]
        frames = self._frame_of_step()
        # Draw s has seen s refinements. It is compared with the frame of the next one, or of the last.
        compared = list(enumerate(frames)) if self.trained == "before" else list(enumerate(frames, start=1))
        compared = [(step, frame) for step, frame in compared if step]  # The weight of the learned start is 0.
        last = compared[-1][0]
        shape = [last + 1, tf.shape(video)[0], self.num_slots, self.latent_size]
        noise = tf.random.stateless_normal(shape, noise_seed)
        _, draws = self.inference.unroll(self.initial_parameters, video, frames[:last], noise)

        total = sum(step for step, _ in compared)
        nats_per_pixel, object_kl = tf.zeros([]), tf.zeros([])
        further = {name: tf.zeros([]) for name in self.likelihood.further_terms}
        for step, frame in compared:
            draw, image, weight = draws[step], video[:, frame], step / total
            nats_per_pixel += weight * tf.reduce_mean(self.inference.terms(draw, image).log_prob)
            object_kl += weight * tf.reduce_mean(kl_to_fixed_prior(draw.posterior, self.prior_scale))
            for name, value in self._further_terms(draw, image).items():
                further[name] += weight * value
        weighted = {
            "weighted_nats_per_pixel": -self.alpha * nats_per_pixel,
            "weighted_object_kl": self.beta_objects * object_kl,
            **{f"weighted_{name}": self.alpha * value for name, value in further.items()},
        }
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            "object_kl": object_kl,
            **weighted,
        }

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """Draws every frame from its latents, see `SceneModel.render`; chunks are of whole frames."""
        del given
        rgb, mask_logits = decode_frames(self.decoder, latents["object"], frame_size, chunk_size)
        return rendering_of(rgb, tf.nn.softmax(mask_logits, axis=1))

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood of every pixel in nats, `[B, T, H, W]`, of `[B, T, H, W, 3]` video; see `SceneModel`."""
        return self.likelihood.log_prob_of_frames(video, rendering.slot_rgb, rendering.slot_masks)

    def _frame_of_step(self) -> list[int]:
        """The frame of each of the S refinements."""
        later = [frame for frame in range(self._num_frames) for _ in range(self.refinements_per_frame)]
        return [0] * self.burn_in + later

    def _further_terms(self, draw: Draw, image: tf.Tensor) -> dict[str, tf.Tensor]:
        points = image.shape[1] * image.shape[2]
        return self.likelihood.weighted_terms(
            tf.reshape(image, [-1, points, 3]),
            tf.reshape(draw.slot_rgb, [-1, self.num_slots, points, 3]),
            tf.reshape(draw.mask_logits, [-1, self.num_slots, points]),
        )


_CHECKS = {
    "num_slots": whole(2),
    "latent_size": whole(1),
    "burn_in": whole(0),
    "refinements_per_frame": whole(1),
    "trained": one_of("before", "after"),
    "read": one_of("before", "after"),
    "alpha": number(0, above=True),
    "beta_objects": number(0),
    "prior_scale": number(0, above=True),
}
