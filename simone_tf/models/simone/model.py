"""SIMONe: encoder, posteriors, pixel-wise decoder, mixture likelihood and the loss of Eq. 3 (Kabra et al., 2021)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.decoder import Decoded, MaskNormalization, PixelDecoder
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries, full_query, query_at
from simone_tf.models.scene_model import Batch, DecodesQueries, Decomposition, Latent, Rendering, SceneModel, as_batch
from simone_tf.models.simone.encoder import Encoder

SAMPLING = ("per_pixel", "per_frame", "shared", "mean")


class SIMONe(SceneModel, DecodesQueries):
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
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if sampling not in SAMPLING:
            raise UserError(f"SIMONe.sampling is {sampling!r}: choose one of {', '.join(SAMPLING)}.")
        self.encoder = encoder or Encoder(name="encoder")
        self.decoder = decoder or PixelDecoder(name="decoder")
        self.likelihood = likelihood or PixelMixture()
        self.queries = queries or StridedQueries()
        self.alpha = alpha
        self.beta_objects = beta_objects
        self.beta_frames = beta_frames
        self.sampling = sampling
        self.mask_normalization = None
        if normalize_masks:
            self.mask_normalization = MaskNormalization(mask_epsilon, name="mask_normalization")

    @property
    def num_slots(self) -> int:
        """K, the number of object latents."""
        return self.encoder.num_slots

    @property
    def latents(self) -> dict[str, Latent]:
        """Object latents o_k and frame latents f_t."""
        return {
            "object": Latent(("slot",), self.encoder.object_head.latent_size),
            "frame": Latent(("frame",), self.encoder.frame_head.latent_size),
        }

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static."""
        self.encoder.build(input_shape)
        object_size, frame_size = self.encoder.object_head.latent_size, self.encoder.frame_head.latent_size
        self.decoder.build((None, self.num_slots, None, object_size), (None, None, frame_size))
        if self.mask_normalization is not None:
            self.mask_normalization.build((None, self.num_slots, None))
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """Posteriors `object [B, K, Do]` and `frame [B, T, Df]` of `[B, T, H, W, 3]` float32 video in [0, 1]."""
        posteriors = self.encoder(as_batch(batch)["video"])
        return {"object": posteriors.objects, "frame": posteriors.frames}

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Eq. 3 and its terms, each a float32 scalar, mean over the batch.

        The likelihood is normalised by the number of decoded pixels, so that decoding a subset leaves its expectation
        unchanged (up to the mask layer norm, whose statistics are those of the decoded set).

        Args:
            batch: `video [B, T, H, W, 3]` float32 in [0, 1].
            noise_seed: `[2]` int32 stateless seed of the latents' noise; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of the choice of pixels; the same on all replicas.

        Returns:
            dict with `loss`; `nats_per_pixel` (log-likelihood), `object_kl` (nats per object), `frame_kl` (nats per
            frame); and the weighted terms that add up to the loss, `weighted_nats_per_pixel` (negated),
            `weighted_object_kl` and `weighted_frame_kl`.
        """
        video = as_batch(batch)["video"]
        num_frames, height, width = video.shape[1:4]
        indices = self.queries.sample(num_frames, height, width, shared_seed)
        query = query_at(indices, height, width)
        pixels = tf.gather(tf.reshape(video, [-1, num_frames * height * width, 3]), indices, axis=1)  # [B, P, 3]

        posteriors = self.encode(video)
        object_latents, frame_latents = self._sample(posteriors, query, noise_seed)
        decoded = self._normalize(self._decode_queries(object_latents, frame_latents, query, num_frames))
        nats_per_pixel = tf.reduce_mean(self.likelihood.log_prob(pixels, *decoded))
        object_kl = tf.reduce_mean(kl_to_prior(posteriors["object"]))
        frame_kl = tf.reduce_mean(kl_to_prior(posteriors["frame"]))
        weighted = {
            "weighted_nats_per_pixel": -self.alpha * nats_per_pixel,
            "weighted_object_kl": self.beta_objects * object_kl,
            "weighted_frame_kl": self.beta_frames * frame_kl,
        }
        return {
            "loss": tf.add_n(list(weighted.values())),
            "nats_per_pixel": nats_per_pixel,
            "object_kl": object_kl,
            "frame_kl": frame_kl,
            **weighted,
        }

    def decode(
        self,
        latents: Mapping[str, tf.Tensor],
        query: Query,
        chunk_size: int | tf.Tensor | None = None,
        given: Mapping[str, tf.Tensor] | None = None,
    ) -> Decoded:
        """Decodes any object latents with any frame latents at any queries (Eq. 1), masks normalised.

        Chunks bound the memory; the result is the same because the mask layer norm sees all queries together.

        Args:
            latents: `object [B, K, Do]` and `frame [B, T, Df]`, float32, of the same clips or of others.
            query: `Query` of P queries, frames in [0, T).
            chunk_size: queries decoded at a time, an int or a scalar int32 tensor, None for all at once.
            given: nothing.

        Returns:
            `Decoded` of `[B, K, P, 3]` and `[B, K, P]`.
        """
        del given
        frame_latents = latents["frame"]
        num_frames = frame_latents.shape[1]
        object_latents = latents["object"][:, :, None]

        def decode_raw(part: Query) -> Decoded:
            return self._decode_queries(object_latents, _at_frames(frame_latents, part.frames), part, num_frames)

        # A number that is None here, in a model that serves any number of queries, is known when it runs.
        num_queries = query.frames.shape[1]
        if chunk_size is None or (
            isinstance(chunk_size, int) and num_queries is not None and num_queries <= chunk_size
        ):
            return self._normalize(decode_raw(query))
        return self._normalize(_decode_in_chunks(decode_raw, query, chunk_size, object_latents.shape[:2]))

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """Draws every pixel of the clips that the latents describe, at any frame size; see `SceneModel.render`."""
        del given
        num_frames, (height, width) = latents["frame"].shape[1], frame_size
        decoded = self.decode(latents, full_query(num_frames, height, width), chunk_size)
        masks = tf.nn.softmax(decoded.mask_logits, axis=1)
        slots, grid = self.num_slots, [num_frames, height, width]
        return Rendering(
            reconstruction=tf.reshape(tf.einsum("bkp,bkpc->bpc", masks, decoded.rgb_means), [-1, *grid, 3]),
            slot_rgb=tf.reshape(decoded.rgb_means, [-1, slots, *grid, 3]),
            slot_masks=tf.reshape(masks, [-1, slots, *grid]),
        )

    def log_prob(self, video: tf.Tensor, rendering: Rendering | Decomposition) -> tf.Tensor:
        """Log-likelihood of every pixel in nats, `[B, T, H, W]`, of `[B, T, H, W, 3]` video; see `SceneModel`."""
        slots, grid = self.num_slots, video.shape[1:4]
        points = math.prod(grid)
        # The masks are normalised already: their logarithms are logits of the same mixture.
        nats = self.likelihood.log_prob(
            tf.reshape(video, [-1, points, 3]),
            tf.reshape(rendering.slot_rgb, [-1, slots, points, 3]),
            tf.reshape(tf.math.log(tf.maximum(rendering.slot_masks, 1e-30)), [-1, slots, points]),
        )
        return tf.reshape(nats, [-1, *grid])

    def _sample(
        self, posteriors: Mapping[str, Posterior], query: Query, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Object latents `[B, K, P or 1, Do]` and frame latents `[B, P, Df]` for a training step's queries."""
        objects, frames = posteriors["object"], posteriors["frame"]
        object_seed, frame_seed = tf.unstack(tf.random.split(seed, 2))
        num_frames, num_queries = frames.mean.shape[1], query.frames.shape[1]
        if self.sampling == "mean":
            return objects.mean[:, :, None], _at_frames(frames.mean, query.frames)
        if self.sampling == "per_pixel":
            noise_shape = [tf.shape(frames.mean)[0], num_queries, frames.mean.shape[2]]
            frame_noise = tf.random.stateless_normal(noise_shape, frame_seed)
            frame_scale = _at_frames(tf.exp(frames.log_scale), query.frames)
            frame_latents = _at_frames(frames.mean, query.frames) + frame_scale * frame_noise
            return objects.sample(num_queries, object_seed), frame_latents
        frame_latents = _at_frames(frames.sample(1, frame_seed)[:, :, 0], query.frames)
        if self.sampling == "shared":
            return objects.sample(1, object_seed), frame_latents
        per_frame = objects.sample(num_frames, object_seed)  # [B, K, T, Do]
        return tf.gather(per_frame, query.frames[0], axis=2), frame_latents

    def _decode_queries(
        self, object_latents: tf.Tensor, frame_latents: tf.Tensor, query: Query, num_frames: int
    ) -> Decoded:
        times = tf.cast(query.frames, tf.float32) / num_frames
        return self.decoder(object_latents, frame_latents, query.coordinates, times)

    def _normalize(self, decoded: Decoded) -> Decoded:
        if self.mask_normalization is None:
            return decoded
        return decoded._replace(mask_logits=self.mask_normalization(decoded.mask_logits))


def _at_frames(frame_latents: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """`[B, P, D]`: the latent `[B, T, D]` of each query's frame, `frames [B or 1, P]`."""
    if frames.shape[0] == 1:
        return tf.gather(frame_latents, frames[0], axis=1)
    return tf.gather(frame_latents, frames, axis=1, batch_dims=1)


def _decode_in_chunks(
    decode_raw: Callable[[Query], Decoded],
    query: Query,
    chunk_size: int | tf.Tensor,
    batch_and_slots: Sequence[int | None],
) -> Decoded:
    """`decode_raw(query)`, of one chunk of queries after another.

    All chunks have the same length, and the last is filled up with the last query: arrays of unequal parts are beyond
    other runtimes than TensorFlow's.
    """
    num_queries = query.frames.shape[1]
    if num_queries is None:
        num_queries = tf.shape(query.frames)[1]
    num_chunks = -(-num_queries // chunk_size)
    chunk_size = -(-num_queries // num_chunks)
    numbers = tf.minimum(tf.range(num_chunks * chunk_size), num_queries - 1)
    query = Query(tf.gather(query.frames, numbers, axis=1), tf.gather(query.coordinates, numbers, axis=1))

    def array(*trailing: int) -> tf.TensorArray:
        length = chunk_size if isinstance(chunk_size, int) else None
        return tf.TensorArray(tf.float32, num_chunks, element_shape=[*batch_and_slots, length, *trailing])

    def decode_chunk(
        number: tf.Tensor, rgb_means: tf.Tensor, mask_logits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
        places = slice(number * chunk_size, (number + 1) * chunk_size)
        part = decode_raw(Query(query.frames[:, places], query.coordinates[:, places]))
        return number + 1, rgb_means.write(number, part.rgb_means), mask_logits.write(number, part.mask_logits)

    _, rgb_means, mask_logits = tf.while_loop(
        lambda number, *_: number < num_chunks,
        decode_chunk,
        (tf.constant(0), array(3), array()),
        parallel_iterations=1,
    )

    def joined(parts: tf.Tensor) -> tf.Tensor:
        parts = tf.transpose(parts, [1, 2, 0, *range(3, len(parts.shape))])  # [B, K, chunks, queries of a chunk, ...]
        batch, slots = batch_and_slots
        leading = [tf.shape(parts)[0] if batch is None else batch, slots, num_chunks * chunk_size]
        return tf.reshape(parts, [*leading, *parts.shape[4:]])[:, :, :num_queries]

    return Decoded(joined(rgb_means.stack()), joined(mask_logits.stack()))
