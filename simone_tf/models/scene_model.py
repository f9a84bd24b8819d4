"""The contract of a model: what training, evaluation, figures, long videos and exports ask, and nothing more.

A model states what it is given and what it infers; what follows from that (taking a clip apart, recombining two) is
written once, here. Nothing outside `models/` knows a model by its name.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.clip_fields import MOMENTS, Batch, as_batch, check_clips, check_fields
from simone_tf.models.parts.decoder import Decoded
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.queries import Query

AXES = ("slot", "frame")
"""What a latent may have one of each of."""


class Latent(NamedTuple):
    """One kind of latent of a model.

    Its axes say what it describes: `("slot",)` an object for the whole clip, `("frame",)` the viewpoint of a frame,
    `("slot", "frame")` an object in one frame, `()` the scene as a whole.
    """

    axes: tuple[str, ...]  # of `AXES`, in that order
    size: int  # D, numbers of one latent
    is_point: bool = False  # whether it is inferred as a point, without a log scale


class Rendering(NamedTuple):
    """Clips drawn from latents; float32, colours about [0, 1] (decoders do not clip them)."""

    reconstruction: tf.Tensor  # [B, T, H, W, 3]
    slot_rgb: tf.Tensor  # [B, K, T, H, W, 3]
    slot_masks: tf.Tensor  # [B, K, T, H, W], sums to 1 over K


class Decomposition(NamedTuple):
    """A clip taken apart, at the posterior means."""

    reconstruction: tf.Tensor  # [B, T, H, W, 3] float32
    segments: tf.Tensor  # [B, T, H, W] int32, slot with the largest mask at each pixel
    slot_rgb: tf.Tensor  # [B, K, T, H, W, 3] float32
    slot_masks: tf.Tensor  # [B, K, T, H, W] float32, sums to 1 over K
    posteriors: dict[str, Posterior] | None = None  # by name, of the clip that the objects come from


class SceneModel(keras.Model):
    """A model that takes video apart. `build` takes the shape `(None, T, H, W, 3)` of its video, all but B static."""

    loss_terms: tuple[str, ...] = ("loss",)
    """What `losses` returns: "loss" first, then its terms as they are read (`object_kl`), then `weighted_*`, the shares
    that add up to the loss."""

    def __init__(self, name: str | None = None) -> None:
        # Under mixed precision clips stay float32, and what the model does with them outside of its layers.
        super().__init__(name=name, autocast=False)

    @property
    def given(self) -> dict[str, int]:
        """Clip fields besides `video` that the model is given, such as `camera`, with the numbers C of each frame.

        They are float32 `[B, T, C]` and describe the viewpoint: a recomposition takes them from the other clip.
        """
        return {}

    def check_given(self, given: Mapping[str, np.ndarray]) -> None:
        """Looks whether numbers can be what the model is given; by default any are.

        Args:
            given: by name of `given`, `[..., C]`.

        Raises:
            UserError: in one sentence, such as for a camera's matrix that mirrors.
        """
        del given

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the clip fields that the model is given."""
        return ("video", *self.given)

    @property
    def num_slots(self) -> int:
        """K, the parts that a clip is divided into; 1 where it is not divided."""
        raise NotImplementedError

    @property
    def latents(self) -> dict[str, Latent]:
        """What the model infers of a clip, by name; known once it is built."""
        raise NotImplementedError

    def losses(self, batch: Batch, noise_seed: tf.Tensor, shared_seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """The loss and its terms, float32 scalars, means over the batch, by the names `loss_terms`.

        Args:
            batch: clip fields with the names `inputs`: `video [B, T, H, W, 3]` float32 in [0, 1].
            noise_seed: `[2]` int32 stateless seed of noise; differs between replicas.
            shared_seed: `[2]` int32 stateless seed of what all replicas choose alike, such as which pixels are decoded.
        """
        raise NotImplementedError

    def encode(self, batch: Batch) -> dict[str, Posterior]:
        """What is inferred of the clips: by name of `latents`, mean and log scale `[B, *axes, D]` float32.

        Where the model `renders_views` the clips may have any number N of frames from 1 to T, `video [B, N, H, W, 3]`.
        """
        raise NotImplementedError

    def render(
        self,
        latents: Mapping[str, tf.Tensor],
        given: Mapping[str, tf.Tensor],
        frame_size: tuple[int, int],
        chunk_size: int | tf.Tensor | None = None,
    ) -> Rendering:
        """Draws every pixel of the clips that the latents describe, of whatever origin they are.

        Args:
            latents: by name, `[B, *axes, D]` float32.
            given: by name of `given`, `[B, T, C]` float32; where the model `renders_views`, any number of viewpoints in
                place of T.
            frame_size: (H, W) in pixels, the one the model was built for; of `DecodesQueries` also any other.
            chunk_size: pixels of a clip decoded at a time, which bounds the memory; None for all at once.
        """
        raise NotImplementedError

    def log_prob(self, video: tf.Tensor, rendering: "Rendering | Decomposition") -> tf.Tensor | None:
        """Log-likelihood in nats of every pixel, `[B, T, H, W]` float32; None of a model without a likelihood.

        Args:
            video: `[B, T, H, W, 3]` float32 in [0, 1].
            rendering: what the model draws of it.
        """
        del video, rendering
        return None

    def after_step(self, losses: Mapping[str, tf.Tensor]) -> None:
        """Called in every replica after the weights were updated, with the losses of the whole batch.

        For multipliers that an objective moves by itself; most models have none.
        """
        del losses  # A body, without which AutoGraph cannot read the method and warns.

    # What follows for every model.

    @property
    def viewpoint_latents(self) -> tuple[str, ...]:
        """Names of the latents that describe a frame whatever is in it, axes `("frame",)`."""
        return viewpoint_latents(self.latents)

    @property
    def object_latents(self) -> tuple[str, ...]:
        """Names of the latents of which every slot has its own."""
        return object_latents(self.latents)

    @property
    def recomposes(self) -> bool:
        """Whether the viewpoint is apart from the scene, inferred or given, so that it can be another clip's."""
        return bool(self.viewpoint_latents or self.given)

    @property
    def renders_views(self) -> bool:
        """Whether it draws a scene from viewpoints that it was never seen from.

        That is so where viewpoints are given and no latent belongs to a frame. Such a model infers its latents from any
        1 to T frames and draws any number of viewpoints.
        """
        return bool(self.given) and not any("frame" in latent.axes for latent in self.latents.values())

    def call(self, batch: Batch) -> Decomposition:
        """Same as `decompose(batch)` at once, without chunks."""
        return self.decompose(batch)

    def decompose(self, batch: Batch, chunk_size: int | tf.Tensor | None = None) -> Decomposition:
        """Takes clips apart at the posterior means.

        A model that divides the clip itself, before there are latents, overrides this: its masks are then those it
        divided the clip by, while `render` knows only those that its latents draw.

        Args:
            batch: clip fields with the names `inputs`, or `video [B, T, H, W, 3]` alone where that is all.
            chunk_size: pixels of a clip decoded at a time; None for all at once.
        """
        batch = as_batch(batch)
        posteriors = self.encode(batch)
        means = {name: posterior.mean for name, posterior in posteriors.items()}
        rendering = self.render(means, self._given_of(batch), batch["video"].shape[2:4], chunk_size)
        return decomposition_of(rendering, posteriors)

    def recompose(self, batch: Batch, other: Batch, chunk_size: int | None = None) -> Decomposition:
        """Shows the objects of one batch of clips from the viewpoints of another (paper, Figure 1).

        Args:
            batch: the clips that give the scene: all latents but those of the viewpoint.
            other: as many clips that give the latents of the frames, and what else the model is given.
            chunk_size: pixels of a clip decoded at a time; None for all at once.

        Returns:
            `Decomposition`; its posteriors are those of `batch`.

        Raises:
            UserError: the model does not tell a viewpoint from its scene, see `recomposes`.
        """
        if not self.recomposes:
            raise UserError(
                f"{type(self).__name__} does not tell a viewpoint from its scene: there is nothing to recompose."
            )
        batch, other = as_batch(batch), as_batch(other)
        posteriors = self.encode(batch)
        means = {name: posterior.mean for name, posterior in posteriors.items()}
        if self.viewpoint_latents:
            seen = self.encode(other)
            means |= {name: seen[name].mean for name in self.viewpoint_latents}
        rendering = self.render(means, self._given_of(other), batch["video"].shape[2:4], chunk_size)
        return decomposition_of(rendering, posteriors)

    def render_views(
        self, context: Batch, views: Mapping[str, tf.Tensor], chunk_size: int | None = None
    ) -> Decomposition:
        """Draws the scene of some frames from other viewpoints; only where the model `renders_views`.

        Args:
            context: fields with the names `inputs` of N frames, 1 <= N <= T: `video [B, N, H, W, 3]` and what is given.
            views: by name of `given`, `[B, M, C]` float32, M any number; with `MOMENTS` where things move.
            chunk_size: pixels of a clip decoded at a time; None for all at once.

        Returns:
            `Decomposition` of M frames; its posteriors are those of the context.

        Raises:
            UserError: something that the model is given is missing, or of another shape.
        """
        context = as_batch(context)
        check_fields("the context", context, self.given, context["video"].shape[1])
        check_fields("the views", views, self.given, None)
        posteriors = self.encode(context)
        means = {name: posterior.mean for name, posterior in posteriors.items()}
        rendering = self.render(means, views, context["video"].shape[2:4], chunk_size)
        return decomposition_of(rendering, posteriors)

    def clips_of(self, batch: Batch, least_frames: int = 1, most_frames: int | None = None) -> Mapping[str, tf.Tensor]:
        """`as_batch` of clips that can be encoded; with it `encode` begins.

        Args:
            batch: what `encode` was given.
            least_frames, most_frames: numbers of frames that it can encode; None for any.

        Raises:
            UserError: frames of another size than the model was built for, or too few or too many of them.
            ValueError: as `as_batch`.
        """
        batch = as_batch(batch)
        (built,) = self._build_shapes_dict.values()
        check_clips(type(self).__name__, batch["video"].shape, built[2:4], least_frames, most_frames)
        return batch

    def _given_of(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: batch[name] for name in (*self.given, MOMENTS) if name in self.given or name in batch}

    # Keras takes what `build` was given for all that a model is called with, and traces the model so when it is part of
    # a SavedModel.

    def _get_save_spec(self, dynamic_batch: bool = True) -> dict[str, tf.TensorSpec]:
        (shape,) = self._build_shapes_dict.values()
        batch = None if dynamic_batch else shape[0]
        shapes = {"video": shape[1:], **{name: (shape[1], size) for name, size in self.given.items()}}
        return {name: tf.TensorSpec([batch, *rest], tf.float32, name) for name, rest in shapes.items()}

    @property
    def _default_save_signature(self) -> Any:
        return tf.function(lambda batch: self(batch), input_signature=(self._get_save_spec(),), autograph=False)


class DecodesQueries:
    """A model that can decode single pixels, also between those of a frame."""

    def decode(
        self,
        latents: Mapping[str, tf.Tensor],
        query: Query,
        chunk_size: int | tf.Tensor | None = None,
        given: Mapping[str, tf.Tensor] | None = None,
    ) -> Decoded:
        """Decodes any latents at any pixels.

        Args:
            latents: by name, `[B, *axes, D]` float32.
            query: `Query` of P pixels.
            chunk_size: pixels decoded at a time; None for all at once.
            given: by name of `given`, `[B, T, C]` float32, as for `render`; None of a model that is given nothing.

        Returns:
            `Decoded` of `[B, K, P, 3]` and `[B, K, P]`.
        """
        raise NotImplementedError


def viewpoint_latents(latents: Mapping[str, Latent]) -> tuple[str, ...]:
    """Names of those that describe a frame whatever is in it, axes `("frame",)`."""
    return tuple(name for name, latent in latents.items() if latent.axes == ("frame",))


def object_latents(latents: Mapping[str, Latent]) -> tuple[str, ...]:
    """Names of those of which every slot has its own."""
    return tuple(name for name, latent in latents.items() if "slot" in latent.axes)


def rendering_of(slot_rgb: tf.Tensor, slot_masks: tf.Tensor) -> Rendering:
    """The slots' colours `[B, K, T, H, W, 3]` with their mixture by the masks `[B, K, T, H, W]`."""
    return Rendering(tf.einsum("bkthw,bkthwc->bthwc", slot_masks, slot_rgb), slot_rgb, slot_masks)


def decomposition_of(rendering: Rendering, posteriors: dict[str, Posterior] | None = None) -> Decomposition:
    """A rendering with the segments that follow from its masks."""
    segments = tf.argmax(rendering.slot_masks, axis=1, output_type=tf.int32)
    return Decomposition(rendering.reconstruction, segments, rendering.slot_rgb, rendering.slot_masks, posteriors)
