"""SIMONe-VS: SIMONe that is given the camera of every frame (Kabra et al., 2021, section 4.1 and Figure 3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.clip_fields import MOMENTS, Batch
from simone_tf.models.parts.camera_vector import REFERENCE_SIZE, CameraVector
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.objective import Geco
from simone_tf.models.parts.queries import Query, RandomQueries, StridedQueries
from simone_tf.models.scene_model import Latent
from simone_tf.models.simone.slot_mixture import SlotMixtureModel, at_frames
from simone_tf.models.simone.view_encoder import ViewEncoder


class SIMONeVS(SlotMixtureModel):
    """SIMONe with given viewpoints in place of frame latents, so that it draws a scene from any viewpoint.

    Every frame's `camera [B, T, C]` is made a vector (`CameraVector`), which the encoder adds to the features of the
    frame and the decoder takes in place of f_t. There is no frame latent and no KL of one. A training step infers the
    objects from some of the frames, drawn at random, and decodes pixels of all of them; afterwards any number of frames
    may be the context, see `SceneModel.render_views`.

    The context has no order where `uses_time` is False: it is a set of frames with their cameras. Where it is True
    only the frames' moments tell their order, so that frames which change places together with cameras and moments give
    the same posteriors, up to rounding. With `CameraVector.relative_to` one of the context frames is the reference, and
    the order of the others is what means nothing.

    Masks are normalised over all that is drawn at once: a view by itself differs a little from the same view among
    others. With `normalize_masks=False` it does not.

    Args:
        encoder: `ViewEncoder`.
        decoder: `PixelDecoder`.
        likelihood: `PixelMixture`.
        queries: which pixels a training step decodes, of all frames: `StridedQueries` or `RandomQueries`.
        camera: `CameraVector`, what the data's cameras are and what the network is given of them.
        num_context_frames: frames that a training step encodes, the same number in every step; None for all.
        uses_time: whether encoder and decoder are told when a frame is, as SIMONe is; needed where things move. In
            still scenes it says nothing, and a view that was not seen has no time.
        alpha, beta_objects, sampling, normalize_masks, mask_epsilon, objective: as for `SIMONe`.

    Raises:
        UserError: for an unknown `sampling`, or fewer than one context frame.
    """

    loss_terms = ("loss", "nats_per_pixel", "object_kl", "weighted_nats_per_pixel", "weighted_object_kl")

    encoder: ViewEncoder

    def __init__(
        self,
        encoder: ViewEncoder | None = None,
        decoder: PixelDecoder | None = None,
        likelihood: PixelMixture | None = None,
        queries: StridedQueries | RandomQueries | None = None,
        camera: CameraVector | None = None,
        num_context_frames: int | None = None,
        uses_time: bool = False,
        alpha: float = 0.2,
        beta_objects: float = 1e-8,
        sampling: str = "per_pixel",
        normalize_masks: bool = True,
        mask_epsilon: float = 1e-5,
        objective: Geco | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            encoder or ViewEncoder(name="encoder"),
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
        if num_context_frames is not None and num_context_frames < 1:
            raise UserError(f"SIMONeVS.num_context_frames is {num_context_frames}: encode at least 1 frame.")
        self.camera = camera or CameraVector()
        self.num_context_frames = num_context_frames
        self.uses_time = uses_time

    @property
    def given(self) -> dict[str, int]:
        """The camera of every frame, in the numbers of the data."""
        return {"camera": self.camera.given_size}

    @property
    def latents(self) -> dict[str, Latent]:
        """Object latents o_k, and the pose that viewpoints are relative to where they are."""
        latents = {"object": Latent(("slot",), self.encoder.object_head.latent_size)}
        if self.camera.relative_to is not None:
            latents["reference"] = Latent((), REFERENCE_SIZE, is_point=True)
        return latents

    def check_given(self, given: Mapping[str, np.ndarray]) -> None:
        """Refuses numbers that are no cameras, see `CameraVector.check`."""
        self.camera.check(given["camera"])

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates every weight for `[B, T, H, W, 3]` video; T, H and W must be static.

        Raises:
            UserError: there are fewer frames than `num_context_frames`.
        """
        self._num_frames = input_shape[1]
        if (self.num_context_frames or 1) > self._num_frames:
            raise UserError(
                f"SIMONeVS.num_context_frames is {self.num_context_frames}, but clips have {self._num_frames} frames: "
                "encode at most as many as there are."
            )
        self.encoder.build(input_shape, (None, self._num_frames, self.camera.size))
        self.build_decoder(self.camera.size)
        self.built = True

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """Posteriors `object [B, K, Do]`, and `reference [B, 4]` where viewpoints are relative, of any frames.

        Args:
            batch: `video [B, N, H, W, 3]` float32 in [0, 1] and `camera [B, N, C]`; `MOMENTS` where time is used.
        """
        batch = self.clips_of(batch)
        posteriors = {}
        if self.camera.relative_to is not None:
            posteriors["reference"] = Posterior(self.camera.reference(batch["camera"]), None)
        viewpoints = self.camera(batch["camera"], _reference({n: p.mean for n, p in posteriors.items()}))
        moments = self._moments(batch, batch["video"].shape[1]) if self.uses_time else None
        return {"object": self.encoder(batch["video"], viewpoints, moments), **posteriors}

    def context_of(self, batch: Mapping[str, tf.Tensor], seed: tf.Tensor) -> Mapping[str, tf.Tensor]:
        """`num_context_frames` of the frames, drawn at random and in random order, the same of all clips."""
        if self.num_context_frames is None:
            return batch
        num_frames = batch["video"].shape[1]
        draws = tf.random.stateless_uniform([num_frames], tf.random.fold_in(seed, 1))
        chosen = tf.argsort(draws)[: self.num_context_frames]
        fields = {name: batch[name] for name in self.inputs} | {MOMENTS: self._moments(batch, num_frames)}
        return {name: tf.gather(value, chosen, axis=1) for name, value in fields.items()}

    def viewpoints(self, latents: Mapping[str, tf.Tensor], given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The cameras' vectors, `[B, T, Dv]`."""
        return self.camera(given["camera"], _reference(latents))

    def times(self, query: Query, num_frames: int | tf.Tensor, given: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """t / T of Eq. 1 where time is used, T that of the training; else 0."""
        if not self.uses_time:
            return tf.zeros_like(query.frames, tf.float32)
        moments = self._moments(given, num_frames)
        if moments.shape[0] == 1:
            return tf.gather(moments[0], query.frames) / self._num_frames
        return at_frames(moments[..., None], query.frames)[..., 0] / self._num_frames

    def drawn(
        self, posteriors: Mapping[str, Posterior], given: Mapping[str, tf.Tensor], query: Query, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Object latents `[B, K, P or 1, Do]` and the cameras' vectors `[B, P, Dv]` for a training step's queries."""
        objects = self.sample_objects(posteriors["object"], query, given["camera"].shape[1], seed)
        means = {name: posterior.mean for name, posterior in posteriors.items()}
        return objects, at_frames(self.viewpoints(means, given), query.frames)

    def _moments(self, fields: Mapping[str, tf.Tensor], num_frames: int | tf.Tensor) -> tf.Tensor:
        """`[B or 1, N]` float32, when the frames are."""
        if MOMENTS in fields:
            return tf.cast(fields[MOMENTS], tf.float32)
        return tf.cast(tf.range(num_frames), tf.float32)[None]


def _reference(latents: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
    return latents.get("reference")
