"""What SIMONe and its variants share: objects as slots, decoded pixel by pixel, a mixture over them and its loss."""

from collections.abc import Mapping

import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.clip_fields import Batch, as_batch
from simone_tf.models.parts.chunked_decoding import decode_in_chunks
from simone_tf.models.parts.decoder import Decoded, MaskNormalization, PixelDecoder
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco, WithObjective
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries, full_query, query_at
from simone_tf.models.scene_model import DecodesQueries, Decomposition, Rendering, SceneModel, rendering_of
from simone_tf.models.simone.slot_encoder import SlotEncoder

SAMPLING = ("per_pixel", "per_frame", "shared", "mean")


class SlotMixtureModel(WithObjective, SceneModel, DecodesQueries):
    """Objective and decoding of a model whose pixels are decoded from one object and one viewpoint each.

    A subclass says where a viewpoint comes from: a latent of the frame, or what is given.

    Args:
        encoder: infers the objects, `SlotEncoder`.
        decoder: `PixelDecoder`.
        likelihood: `PixelMixture`.
        queries: which pixels a training step decodes, `StridedQueries` or `RandomQueries`.
        alpha: weight of the pixel likelihood in Eq. 3.
        beta_objects: weight of the KL of object latents.
        sampling: noise of the latents in training, one of `SAMPLING`.
        normalize_masks: layer norm of the mask logits over slots and decoded queries.
        mask_epsilon: added to the variance in that layer norm.
        objective: `Geco`, which moves the weights of the KLs, or None.

    Raises:
        UserError: for an unknown `sampling`.
    """

    def __init__(
        self,
        encoder: SlotEncoder,
        decoder: PixelDecoder | None,
        likelihood: PixelMixture | None,
        queries: StridedQueries | RandomQueries | None,
        alpha: float,
        beta_objects: float,
        sampling: str,
        normalize_masks: bool,
        mask_epsilon: float,
        objective: Geco | None,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        if sampling not in SAMPLING:
            raise UserError(f"{type(self).__name__}.sampling is {sampling!r}: choose one of {', '.join(SAMPLING)}.")
        self.encoder = encoder
        self.decoder = decoder or PixelDecoder(name="decoder")
        self.likelihood = likelihood or PixelMixture()
        self.queries = queries or StridedQueries()
        self.alpha = alpha
        self.beta_objects = beta_objects
        self.sampling = sampling
        self.mask_normalization = None
        if normalize_masks:
            self.mask_normalization = MaskNormalization(mask_epsilon, name="mask_normalization")
        self.loss_terms = (*self.loss_terms, *(f"weighted_{name}" for name in self.likelihood.further_terms))
        self.pursue(objective)

    # What a subclass says.

    @property
    def kl_weights(self) -> dict[str, float]:
        """By name of the latents that have a prior, the weight of their KL in the loss."""
        return {"object": self.beta_objects}

    def context_of(self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """The frames that a training step encodes: all, where a model does not choose."""
        del seed
        return batch

    def viewpoints(self, latents: Mapping[str, tf.Tensor], given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What the decoder is told of each frame's viewpoint, `[B, T, Dv]` float32."""
        raise NotImplementedError

    def times(self, query: Query, num_frames: int | tf.Tensor, given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What the decoder is told of each query's time, `[B or 1, P]` float32."""
        raise NotImplementedError

    def drawn(
        self, posteriors: Mapping[str, Posterior], given: Mapping[str, tf.Tensor], query: Query, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Noisy object latents `[B, K, P or 1, Do]` and viewpoints `[B, P, Dv]` of a training step's queries."""
        raise NotImplementedError

    # What follows.

    @property
    def num_slots(self) -> int:
        """K, the number of object latents."""
        return self.encoder.num_slots

    def build_decoder(self, viewpoint_size: int) -> None:
        """Creates the weights that are not the encoder's, and the objective's state.

        Args:
            viewpoint_size: Dv, numbers of a viewpoint.
        """
        object_size = self.encoder.object_head.latent_size
        self.decoder.build((None, self.num_slots, None, object_size), (None, None, viewpoint_size))
        if self.mask_normalization is not None:
            self.mask_normalization.build((None, self.num_slots, None))
        self.build_objective()

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Eq. 3 and its terms, each a float32 scalar, mean over the batch.

        The likelihood is normalised by the number of decoded pixels, so that decoding a subset leaves its expectation
        unchanged (up to the mask layer norm, whose statistics are those of the decoded set).

        Args:
            batch: fields with the names `inputs`, `video [B, T, H, W, 3]` float32 in [0, 1].
            noise_seed: `[2]` int32 stateless seed of the latents' noise; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of the choice of pixels; the same on all replicas.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood), `<name>_kl` (nats per latent); and the weighted terms
            that add up to the loss, `weighted_nats_per_pixel` (negated), `weighted_<name>_kl`, and `weighted_<term>` of
            the likelihood's `further_terms`, which alpha weighs too. With an objective also `OBJECTIVE_TERMS`.
        """
        batch = as_batch(batch)
        video = batch["video"]
        num_frames, height, width = video.shape[1:4]
        indices = self.queries.sample(num_frames, height, width, shared_seed)
        query = query_at(indices, height, width)
        pixels = tf.gather(tf.reshape(video, [-1, num_frames * height * width, 3]), indices, axis=1)  # [B, P, 3]

        given = self._given_of(batch)
        posteriors = self.encode(self.context_of(batch, shared_seed))
        object_latents, viewpoints = self.drawn(posteriors, given, query, noise_seed)
        decoded = self._normalize(self._decode_queries(object_latents, viewpoints, query, num_frames, given))
        nats_per_pixel = tf.reduce_mean(self.likelihood.log_prob(pixels, *decoded))
        divergences = {name: tf.reduce_mean(kl_to_prior(posteriors[name])) for name in self.kl_weights}
        weighted = {
            "weighted_nats_per_pixel": -self.alpha * nats_per_pixel,
            **{
                f"weighted_{name}_kl": self.kl_scale * weight * divergences[name]
                for name, weight in self.kl_weights.items()
            },
        }
        for name, value in self.likelihood.weighted_terms(pixels, *decoded).items():
            weighted[f"weighted_{name}"] = self.alpha * value
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            **{f"{name}_kl": value for name, value in divergences.items()},
            **self.objective_terms(),
            **weighted,
        }

    def decode(
        self,
        latents: Mapping[str, tf.Tensor],
        query: Query,
        chunk_size: int | tf.Tensor | None = None,
        given: Mapping[str, tf.Tensor] | None = None,
    ) -> Decoded:
        """Decodes any object latents from any viewpoints at any queries (Eq. 1), masks normalised.

        Chunks bound the memory; the result is the same because the mask layer norm sees all queries together.

        Args:
            latents: by name, float32, of the same clips or of others.
            query: `Query` of P queries, frames in [0, T).
            chunk_size: queries decoded at a time, an int or a scalar int32 tensor, None for all at once.
            given: by name of `given`, `[B, T, C]` float32.

        Returns:
            `Decoded` of `[B, K, P, 3]` and `[B, K, P]`.
        """
        given = given or {}
        viewpoints = self.viewpoints(latents, given)
        num_frames = _length(viewpoints)
        object_latents = latents["object"][:, :, None]

        def decode_raw(part: Query) -> Decoded:
            return self._decode_queries(object_latents, at_frames(viewpoints, part.frames), part, num_frames, given)

        # A number that is None here, in a model that serves any number of queries, is known when it runs.
        num_queries = query.frames.shape[1]
        if chunk_size is None or (
            isinstance(chunk_size, int) and num_queries is not None and num_queries <= chunk_size
        ):
            return self._normalize(decode_raw(query))
        return self._normalize(decode_in_chunks(decode_raw, query, chunk_size, object_latents.shape[:2]))

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """Draws every pixel of the clips that the latents describe, at any frame size; see `SceneModel.render`."""
        num_frames, (height, width) = _length(self.viewpoints(latents, given)), frame_size
        decoded = self.decode(latents, full_query(num_frames, height, width), chunk_size, given)
        masks = tf.nn.softmax(decoded.mask_logits, axis=1)
        slots, grid = self.num_slots, [num_frames, height, width]
        slot_rgb = tf.reshape(decoded.rgb_means, [-1, slots, *grid, 3])
        return rendering_of(slot_rgb, tf.reshape(masks, [-1, slots, *grid]))

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood of every pixel in nats, `[B, T, H, W]`, of `[B, T, H, W, 3]` video; see `SceneModel`."""
        return self.likelihood.log_prob_of_frames(video, rendering.slot_rgb, rendering.slot_masks)

    def sample_objects(self, objects: Posterior, query: Query, num_frames: int, seed: tf.Tensor) -> tf.Tensor:
        """Object latents `[B, K, P or 1, Do]` for a training step's queries, with the noise that `sampling` says."""
        if self.sampling == "mean":
            return objects.mean[:, :, None]
        if self.sampling == "per_pixel":
            return objects.sample(query.frames.shape[1], seed)
        if self.sampling == "shared":
            return objects.sample(1, seed)
        per_frame = objects.sample(num_frames, seed)  # [B, K, T, Do]
        return tf.gather(per_frame, query.frames[0], axis=2)

    def _decode_queries(
        self,
        object_latents: tf.Tensor,
        viewpoints: tf.Tensor,
        query: Query,
        num_frames: int | tf.Tensor,
        given: Mapping[str, tf.Tensor],
    ) -> Decoded:
        times, coordinates = self.times(query, num_frames, given), query.coordinates
        if coordinates.shape[0] == 1 and times.shape[0] != 1:  # Every clip has its own times.
            coordinates = tf.broadcast_to(coordinates, tf.concat([tf.shape(times), [2]], 0))
        return self.decoder(object_latents, viewpoints, coordinates, times)

    def _normalize(self, decoded: Decoded) -> Decoded:
        if self.mask_normalization is None:
            return decoded
        return decoded._replace(mask_logits=self.mask_normalization(decoded.mask_logits))


def at_frames(per_frame: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """`[B, P, D]`: what belongs to each query's frame, of `[B, T, D]` and `frames [B or 1, P]`."""
    if frames.shape[0] == 1:
        return tf.gather(per_frame, frames[0], axis=1)
    return tf.gather(per_frame, frames, axis=1, batch_dims=1)


def _length(viewpoints: tf.Tensor) -> int | tf.Tensor:
    """T of `[B, T, Dv]`; a tensor where a served model may be asked for any number of viewpoints."""
    return tf.shape(viewpoints)[1] if viewpoints.shape[1] is None else viewpoints.shape[1]
