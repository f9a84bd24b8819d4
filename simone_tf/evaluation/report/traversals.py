"""What the latents of a clip mean, seen by changing them: traversals of attributes and crossings of trajectories.

Paper, sections 5.1 and 5.2 and Figures 5 and 6.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


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
        model: built `SIMONe`.
        frame_size: (H, W) in pixels.
        chunk_size: queries decoded at a time.
    """

    def __init__(self, model, frame_size, chunk_size=4096):
        def renderer(size):
            return tf.function(lambda objects, frames: model.render(objects, frames, size, chunk_size))

        self._encode = tf.function(model.encode)
        self._render = renderer(frame_size)
        # To rank attributes, small pictures do: a sixteenth of the work.
        self._preview = renderer(tuple(max(side // 4, min(side, 16)) for side in frame_size))

    def encode(self, video):
        """Posterior means of a clip `[T, H, W, 3]`: `[K, Do]` and `[T, Df]`."""
        posteriors = self._encode(tf.constant(video[None]))
        return posteriors.objects.mean[0].numpy(), posteriors.frames.mean[0].numpy()

    def render(self, object_latents, frame_latents):
        """Pixels `[T, H, W, 3]` uint8 of latents `[K, Do]` and `[T, Df]`."""
        return _uint8(_pixels(self._render, object_latents, frame_latents))

    def largest_slots(self, object_latents, frame_latents, count):
        """The slots that show most pixels, without the one that shows most of all, the background's."""
        drawn = self._preview(tf.constant(object_latents[None]), tf.constant(frame_latents[None]))
        areas = np.bincount(drawn.segments.numpy().ravel(), minlength=len(object_latents))
        order = np.argsort(-areas, kind="stable")[1 : count + 1]
        return [int(slot) for slot in order if areas[slot]]

    def traverse(self, object_latents, frame_latents, slot, offsets=(-2.0, -1.0, 0.0, 1.0, 2.0), num_attributes=6):
        """Moves each attribute of one object's latent by fixed offsets (Figure 5).

        The attributes are ranked by the mean absolute change of the clip's pixels between the outermost offsets and
        the latent as it is, in pictures of a quarter of the size.

        Args:
            object_latents: `[K, Do]`, as `encode` gives them.
            frame_latents: `[T, Df]`.
            slot: the object.
            offsets: what is added, in units of the prior's standard deviation.
            num_attributes: how many attributes are drawn, the ones that change most.

        Returns:
            `Traversal`.
        """
        offsets = np.asarray(sorted({0.0, *offsets}), np.float32)

        def moved(attribute, offset):
            latents = object_latents.copy()
            latents[slot, attribute] += offset
            return latents

        before = _pixels(self._preview, object_latents, frame_latents)
        changes = np.array(
            [
                np.mean(
                    [
                        np.abs(_pixels(self._preview, moved(attribute, end), frame_latents) - before).mean()
                        for end in (offsets[0], offsets[-1])
                    ]
                )
                for attribute in range(object_latents.shape[1])
            ]
        )
        attributes = np.argsort(-changes, kind="stable")[:num_attributes]
        frames = np.stack(
            [
                np.stack([self.render(moved(attribute, offset), frame_latents) for offset in offsets])
                for attribute in attributes
            ]
        )
        return Traversal(slot, offsets, attributes, changes, frames)

    def cross(self, clips):
        """The objects of every clip along the camera path of every other (Figure 6).

        Args:
            clips: list of (object_latents `[K, Do]`, frame_latents `[T, Df]`).

        Returns:
            `[N, N, T, H, W, 3]` uint8: objects of the first index, frame latents of the second.
        """
        return np.stack([np.stack([self.render(objects, frames) for _, frames in clips]) for objects, _ in clips])


def _pixels(render, object_latents, frame_latents):
    drawn = render(tf.constant(object_latents[None]), tf.constant(frame_latents[None]))
    return np.clip(drawn.reconstruction[0].numpy(), 0.0, 1.0)


def _uint8(pixels):
    return np.round(pixels * 255).astype(np.uint8)
