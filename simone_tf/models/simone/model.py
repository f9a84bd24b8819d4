"""SIMONe: encoder, posteriors, pixel-wise decoder, mixture likelihood and the loss of Eq. 3 (Kabra et al., 2021)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from simone_tf.models.clip_fields import Batch
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries
from simone_tf.models.scene_model import Latent
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.slot_mixture import SlotMixtureModel, at_frames


class SIMONe(SlotMixtureModel):
    """The model and its loss for video `[B, T, H, W, 3]`; parts are injected.

    Args:
        encoder: `Encoder`.
        decoder: `PixelDecoder`.
        likelihood: `PixelMixture`.
        queries: which pixels a training step decodes, `StridedQueries` or `RandomQueries`.
        alpha: weight of the pixel likelihood in Eq. 3 (recovered from reproductions: 0.2; the paper's main text: 1 as a
            rule).
        beta_objects, beta_frames: weights of the KL of object and frame latents (recovered: both 1e-8, CATER 1e-5 and
            1e-4; the main text has no numbers, and equal ones unless it says otherwise). The true ELBO lies at
            `beta_objects = alpha K / (T H W)` and `beta_frames = alpha / (H W)`.
        sampling: noise of the latents in training: a fresh sample for every decoded pixel ('per_pixel', recovered from
            reproductions), for every frame ('per_frame'), one for the clip ('shared'), or none ('mean').
        normalize_masks: layer norm of the mask logits over slots and decoded queries (recovered).
        mask_epsilon: added to the variance in that layer norm.
        objective: `Geco` in place of a loss whose weights stay: it divides those of the KLs by its multiplier.

    Raises:
        UserError: for an unknown `sampling`.
    """

    loss_terms = (
        "loss",
        "nats_per_pixel",
        "object_kl",
        "frame_kl",
        "weighted_nats_per_pixel",
        "weighted_object_kl",
        "weighted_frame_kl",
    )

    encoder: Encoder

    def __init__(
        self,
        encoder: Encoder | None = None,
        decoder: PixelDecoder | None = None,
        likelihood: PixelMixture | None = None,
        queries: StridedQueries | RandomQueries | None = None,
        alpha: float = 0.2,
        beta_objects: float = 1e-8,
        beta_frames: float = 1e-8,
        sampling: str = "per_pixel",
        normalize_masks: bool = True,
        mask_epsilon: float = 1e-5,
        objective: Geco | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            encoder or Encoder(name="encoder"),
            decoder,
            likelihood,
            queries,
            alpha,
            beta_objects,
            sampling,
            normalize_masks,
            mask_epsilon,
            objective,
            name,
        )
        self.beta_frames = beta_frames

    @property
    def latents(self) -> dict[str, Latent]:
        """Object latents o_k and frame latents f_t."""
        return {
            "object": Latent(("slot",), self.encoder.object_head.latent_size),
            "frame": Latent(("frame",), self.encoder.frame_head.latent_size),
        }

    @property
    def kl_weights(self) -> dict[str, float]:
        return {"object": self.beta_objects, "frame": self.beta_frames}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static."""
        self.encoder.build(input_shape)
        self.build_decoder(self.encoder.frame_head.latent_size)
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """Posteriors `object [B, K, Do]` and `frame [B, T, Df]` of `[B, T, H, W, 3]` float32 video in [0, 1]."""
        posteriors = self.encoder(self.clips_of(batch)["video"])
        return {"object": posteriors.objects, "frame": posteriors.frames}

    def viewpoints(self, latents: Mapping[str, tf.Tensor], given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The frame latents f_t, `[B, T, Df]`."""
        del given
        return latents["frame"]

    def times(self, query: Query, num_frames: int | tf.Tensor, given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """t / T of Eq. 1, `[B or 1, P]` float32 in [0, 1)."""
        del given
        return tf.cast(query.frames, tf.float32) / num_frames

    def drawn(
        self, posteriors: Mapping[str, Posterior], given: Mapping[str, tf.Tensor], query: Query, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Object latents `[B, K, P or 1, Do]` and frame latents `[B, P, Df]` for a training step's queries."""
        del given
        objects, frames = posteriors["object"], posteriors["frame"]
        object_seed, frame_seed = tf.unstack(tf.random.split(seed, 2))
        num_frames, num_queries = frames.mean.shape[1], query.frames.shape[1]
        object_latents = self.sample_objects(objects, query, num_frames, object_seed)
        if self.sampling == "mean":
            return object_latents, at_frames(frames.mean, query.frames)
        if self.sampling == "per_pixel":
            noise_shape = [tf.shape(frames.mean)[0], num_queries, frames.mean.shape[2]]
            frame_noise = tf.random.stateless_normal(noise_shape, frame_seed)
            frame_scale = at_frames(tf.exp(frames.log_scale), query.frames)
            return object_latents, at_frames(frames.mean, query.frames) + frame_scale * frame_noise
        return object_latents, at_frames(frames.sample(1, frame_seed)[:, :, 0], query.frames)
