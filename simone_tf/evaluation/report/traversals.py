"""What the latents of a clip mean, seen by changing them: traversals of attributes and crossings of trajectories.

Paper, sections 5.1 and 5.2 and Figures 5 and 6.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.models.scene_model import DecodesQueries, Rendering, SceneModel
from simone_tf.pictures.pixels import as_uint8


class EncodedClip(NamedTuple):
    """All that a clip is drawn from, NumPy arrays without batch axis."""

    latents: dict[str, np.ndarray]  # by name of `SceneModel.latents`, posterior means [*axes, D]
    given: dict[str, np.ndarray]  # by name of `SceneModel.given`, [T, C]


class Traversal(NamedTuple):
    """One object's latent, one attribute at a time moved by fixed offsets."""

    slot: int
    offsets: np.ndarray  # [S] float, 0 among them
    attributes: np.ndarray  # [A] int, dimensions of the object latent, largest pixel change first
    changes: np.ndarray  # [Do] float, mean absolute change of the pixels in [0, 1], by dimension
    frames: np.ndarray  # [A, S, T, H, W, 3] uint8


class Traverser:
    """Renders changed latents of clips.

    Args:
        model: built `SceneModel`.
        frame_size: (H, W) in pixels.
        chunk_size: pixels of a clip decoded at a time; None for all at once.
    """

    def __init__(self, model: SceneModel, frame_size: tuple[int, int], chunk_size: int | None = 4096):
        def renderer(size: tuple[int, int]) -> Callable[[Mapping, Mapping], Rendering]:
            return tf.function(lambda latents, given: model.render(latents, given, size, chunk_size), autograph=False)

        self._model = model
        self._encode = tf.function(model.encode, autograph=False)
        self._render = renderer(frame_size)
        self._preview = self._render
        if isinstance(model, DecodesQueries):
            # To rank attributes, small pictures do: a sixteenth of the work. Not every model can draw them.
            height, width = (max(side // 4, min(side, 16)) for side in frame_size)
            self._preview = renderer((height, width))

    def encode(self, clip: Mapping[str, np.ndarray]) -> EncodedClip:
        """Posterior means of a clip and what the model is given of it, from fields with the model's `inputs`."""
        posteriors = self._encode({name: tf.constant(clip[name][None]) for name in self._model.inputs})
        means = {name: posterior.mean[0].numpy() for name, posterior in posteriors.items()}
        return EncodedClip(means, {name: clip[name] for name in self._model.given})

    def render(self, clip: EncodedClip) -> np.ndarray:
        """Pixels `[T, H, W, 3]` uint8."""
        return as_uint8(_drawn(self._render, clip).reconstruction[0].numpy())

    def largest_slots(self, clip: EncodedClip, count: int) -> list[int]:
        """The slots that show most pixels, without the one that shows most of all, the background's."""
        masks = _drawn(self._preview, clip).slot_masks[0].numpy()  # [K, T, H, W]
        areas = np.bincount(masks.argmax(axis=0).ravel(), minlength=len(masks))
        order = np.argsort(-areas, kind="stable")[1 : count + 1]
        return [int(slot) for slot in order if areas[slot]]

    def traverse(
        self,
        clip: EncodedClip,
        slot: int,
        offsets: Sequence[float] = (-2.0, -1.0, 0.0, 1.0, 2.0),
        num_attributes: int = 6,
    ) -> Traversal:
        """Moves each attribute of one object's latent by fixed offsets (Figure 5), in all frames alike.

        The latent is the model's first with a slot axis. The attributes are ranked by the mean absolute change of the
        clip's pixels between the outermost offsets and the latent as it is, in pictures of a quarter of the size.

        Args:
            clip: as `encode` gives it.
            slot: the object.
            offsets: what is added, in units of the prior's standard deviation.
            num_attributes: how many attributes are drawn, the ones that change most.
        """
        name = self._model.object_latents[0]
        moves = np.asarray(sorted({0.0, *offsets}), np.float32)

        def moved(attribute: int, offset: float) -> EncodedClip:
            latents = clip.latents[name].copy()
            latents[slot, ..., attribute] += offset
            return clip._replace(latents=clip.latents | {name: latents})

        before = _pixels(self._preview, clip)
        changes = np.array(
            [
                np.mean(
                    [np.abs(_pixels(self._preview, moved(attribute, end)) - before).mean() for end in moves[[0, -1]]]
                )
                for attribute in range(clip.latents[name].shape[-1])
            ]
        )
        attributes = np.argsort(-changes, kind="stable")[:num_attributes]
        frames = [[self.render(moved(attribute, offset)) for offset in moves] for attribute in attributes]
        return Traversal(slot, moves, attributes, changes, np.array(frames))

    def cross(self, clips: Sequence[EncodedClip]) -> np.ndarray:
        """The objects of every clip along the camera path of every other (Figure 6).

        Returns:
            `[N, N, T, H, W, 3]` uint8: the scene of the first index from the viewpoints of the second, which are the
            latents of frames and what the model is given.
        """
        return np.array([[self.render(self._seen_as(clip, other)) for other in clips] for clip in clips])

    def _seen_as(self, clip: EncodedClip, other: EncodedClip) -> EncodedClip:
        viewpoint = {name: other.latents[name] for name in self._model.viewpoint_latents}
        return EncodedClip(clip.latents | viewpoint, other.given)


def _drawn(render: Callable[[Mapping, Mapping], Rendering], clip: EncodedClip) -> Rendering:
    return render(*({name: tf.constant(value[None]) for name, value in part.items()} for part in clip))


def _pixels(render: Callable[[Mapping, Mapping], Rendering], clip: EncodedClip) -> np.ndarray:
    return np.clip(_drawn(render, clip).reconstruction[0].numpy(), 0.0, 1.0)
