"""The latents that the probes read: whatever a model infers of objects and of frames, put together."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from simone_tf.models.scene_model import SceneModel


class ProbeLatents(NamedTuple):
    """Posterior means of N clips, None of what the model does not infer.

    Attributes:
      objects: `[N, K, Do]`; `[N, K, T, Do]` of a model whose objects have a latent in every frame.
      frames: `[N, T, Df]`, the viewpoints.
    """

    objects: np.ndarray | None
    frames: np.ndarray | None


def probed_names(model: SceneModel) -> tuple[str, ...]:
    """The names under which the measures of a clip hold the latents."""
    return tuple(f"{name}_mean" for name in (*_object_latents(model), *model.viewpoint_latents))


def probe_latents(model: SceneModel, measures: Mapping[str, np.ndarray]) -> ProbeLatents:
    """Takes the latents out of measures of clips; several of one kind stand one after the other."""
    objects = [measures[f"{name}_mean"] for name in _object_latents(model)]
    frames = [measures[f"{name}_mean"] for name in model.viewpoint_latents]
    num_frames = next((values.shape[2] for values in objects if values.ndim == 4), None)
    if num_frames is not None:
        # What an object keeps for the whole clip it has in every frame.
        objects = [
            values if values.ndim == 4 else np.repeat(values[:, :, np.newaxis], num_frames, axis=2)
            for values in objects
        ]
    return ProbeLatents(*(np.concatenate(parts, axis=-1) if parts else None for parts in (objects, frames)))


def over_frames(object_latents: np.ndarray) -> np.ndarray:
    """`[N, K, Do]`: what says of an object what it is for the whole clip; the mean of latents in every frame."""
    return object_latents.mean(axis=2) if object_latents.ndim == 4 else object_latents


def check_latents(frame_latents: np.ndarray | None, object_latents: np.ndarray | None) -> tuple[int, int | None]:
    """N of latents `[N, T, Df]` and `[N, K, Do]` or `[N, K, T, Do]`, and T, None where they do not tell it.

    Raises:
      ValueError: there are none, or their shapes do not fit.
    """
    frames, objects = (() if values is None else values.shape for values in (frame_latents, object_latents))
    clips = {shape[0] for shape in (frames, objects) if shape}
    times = {shape[-2] for shape, rank in ((frames, 3), (objects, 4)) if len(shape) == rank}
    if len(frames) not in (0, 3) or len(objects) not in (0, 3, 4) or len(clips) != 1 or len(times) > 1:
        raise ValueError(
            f"latents must be [N, T, Df] and [N, K, Do] or [N, K, T, Do], got {frames or None} and {objects or None}."
        )
    return clips.pop(), times.pop() if times else None


def _object_latents(model: SceneModel) -> tuple[str, ...]:
    # The one slot of a clip that is not divided holds no object.
    return model.object_latents if model.num_slots > 1 else ()
