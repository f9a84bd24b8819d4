"""MONet: every frame by itself taken apart by attention, and each part explained by a VAE (Burgess et al., 2019)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from simone_tf.checks import check_values, number, whole
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.monet.attention import log_attention_masks
from simone_tf.models.monet.component_encoder import ComponentEncoder
from simone_tf.models.monet.masked_mixture import MaskedMixture, mask_kl
from simone_tf.models.monet.unet import AttentionUNet
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder, decode_frames
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.parts.objective import Geco, WithObjective
from simone_tf.models.scene_model import Decomposition, Latent, Rendering, SceneModel, decomposition_of, rendering_of

_SMALLEST_MASK = 1e-30


class MONet(WithObjective, SceneModel):
    """The model and its loss for video `[B, T, H, W, 3]`; parts are injected. Every frame is taken apart by itself.

    A slot is the same object in two frames only as far as the attention, which takes a frame apart in an order it has
    learned, comes to it in the same place.

    Args:
        attention: `AttentionUNet`.
        encoder: `ComponentEncoder`.
        decoder: `BroadcastDecoder`.
        likelihood: `MaskedMixture`.
        slots: K, the background's slot included.
        beta: weight of the KL of the latents in the loss of a frame (paper: 0.5).
        gamma: weight of the KL of the attention masks from the decoded ones (paper: 0.5).
        objective: `Geco` in place of a loss whose weights stay: it divides beta and gamma by its multiplier.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    loss_terms = (
        "loss",
        "nats_per_pixel",
        "object_kl",
        "mask_kl",
        "weighted_nats_per_pixel",
        "weighted_object_kl",
        "weighted_mask_kl",
    )

    def __init__(
        self,
        attention: AttentionUNet | None = None,
        encoder: ComponentEncoder | None = None,
        decoder: BroadcastDecoder | None = None,
        likelihood: MaskedMixture | None = None,
        slots: int = 7,
        beta: float = 0.5,
        gamma: float = 0.5,
        objective: Geco | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {"slots": slots, "beta": beta, "gamma": gamma}
        check_values("MONet", values, {"slots": whole(2), "beta": number(0), "gamma": number(0)})
        self.attention = attention or AttentionUNet(name="attention")
        self.encoder = encoder or ComponentEncoder(name="encoder")
        self.decoder = decoder or BroadcastDecoder(name="decoder")
        self.likelihood = likelihood or MaskedMixture()
        self.slots = slots
        self.beta = beta
        self.gamma = gamma
        self.pursue(objective)

    @property
    def num_slots(self) -> int:
        """K, as it was given."""
        return self.slots

    @property
    def latents(self) -> dict[str, Latent]:
        """One latent for each slot of each frame."""
        return {"object": Latent(("slot", "frame"), self.encoder.head.latent_size)}

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static."""
        frames = (None, *input_shape[2:])
        self.attention.build(frames)
        self.encoder.build(frames)
        self.decoder.build((None, self.encoder.head.latent_size), frames)
        self.build_objective()
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """Posteriors `object [B, K, T, D]` of `[B, T, H, W, 3]` float32 video in [0, 1]."""
        return {"object": self._inferred(self.clips_of(batch)["video"])[1]}

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The paper's loss of a frame (equation 3), divided by the number of its pixels; float32 scalars.

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1], or a dict with it.
            noise_seed: `[2]` int32 stateless seed of the latents' noise; differs between replicas.
            shared_seed: not used, as every pixel is decoded.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood with the attention masks as weights), `object_kl` (nats
            per latent), `mask_kl` (nats per pixel); and what adds up to the loss, `weighted_nats_per_pixel` (negated),
            `weighted_object_kl` (beta times K / (H W), as a frame has K latents and H W pixels) and `weighted_mask_kl`
            (gamma times). With an objective also `OBJECTIVE_TERMS`.
        """
        del shared_seed
        video = as_batch(batch)["video"]
        height, width = video.shape[2:4]
        log_masks, posterior = self._inferred(video)
        noise = tf.random.stateless_normal(tf.shape(posterior.mean), noise_seed)
        latents = posterior.mean + tf.exp(posterior.log_scale) * noise
        decoded = decode_frames(self.decoder, latents, (height, width))
        nats_per_pixel = tf.reduce_mean(self.likelihood.log_prob(video, decoded.rgb, log_masks))
        object_kl = tf.reduce_mean(kl_to_prior(posterior))
        divergence = tf.reduce_mean(mask_kl(log_masks, decoded.mask_logits))
        weighted = {
            "weighted_nats_per_pixel": -nats_per_pixel,
            "weighted_object_kl": self.kl_scale * self.beta * self.slots / (height * width) * object_kl,
            "weighted_mask_kl": self.kl_scale * self.gamma * divergence,
        }
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            "object_kl": object_kl,
            "mask_kl": divergence,
            **self.objective_terms(),
            **weighted,
        }

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """See `SceneModel.render`; without a frame to attend to, the masks are the decoded ones."""
        del given
        decoded = decode_frames(self.decoder, latents["object"], frame_size, chunk_size)
        return rendering_of(decoded.rgb, tf.nn.softmax(decoded.mask_logits, axis=1))

    def decompose(self, batch: Batch, chunk_size: int | tf.Tensor | None = None) -> Decomposition:
        """See `SceneModel.decompose`; masks and segments are those of the attention, as in the paper."""
        video = self.clips_of(batch)["video"]
        log_masks, posterior = self._inferred(video)
        decoded = decode_frames(self.decoder, posterior.mean, video.shape[2:4], chunk_size)
        return decomposition_of(rendering_of(decoded.rgb, tf.exp(log_masks)), {"object": posterior})

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood in nats of every pixel, `[B, T, H, W]` float32, see `SceneModel.log_prob`."""
        log_masks = tf.math.log(tf.maximum(rendering.slot_masks, _SMALLEST_MASK))
        return self.likelihood.log_prob(video, rendering.slot_rgb, log_masks)

    def _inferred(self, video: tf.Tensor) -> tuple[tf.Tensor, Posterior]:
        """Log masks of the attention `[B, K, T, H, W]` and the posterior `[B, K, T, D]`."""
        num_frames, height, width, channels = video.shape[1:]
        frames = tf.reshape(video, [-1, height, width, channels])
        log_masks = log_attention_masks(self.attention, frames, self.slots)

        def unfolded(values: tf.Tensor) -> tf.Tensor:
            values = tf.reshape(values, [-1, num_frames, *values.shape[1:]])
            return tf.transpose(values, [0, 2, 1, *range(3, len(values.shape))])

        posterior = self.encoder(frames, log_masks)
        return unfolded(log_masks), Posterior(unfolded(posterior.mean), unfolded(posterior.log_scale))
