"""One clip's scene drawn from cameras all around it, or from all viewpoints between those that it was seen from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.cameras.sweeps import camera_sweep
from simone_tf.evaluation.views.synthesis import interpolation_weights
from simone_tf.models.clip_fields import MOMENTS
from simone_tf.models.scene_model import Decomposition, SceneModel, decomposition_of

_STEPS_PER_FRAME = 8


class FlyAround(NamedTuple):
    """A grid of views of one scene, D along the second axis and Y along the first."""

    reconstruction: np.ndarray  # [D, Y, H, W, 3] float32, about [0, 1]
    segments: np.ndarray  # [D, Y, H, W] int32, slots
    first: np.ndarray  # [Y], what the views differ in
    first_name: str  # "yaw", degrees from the middle seen frame; "frame", numbers of the clip's frames
    second: np.ndarray  # [D]
    second_name: str  # as of `CameraSweep`; of one value where there is nothing to be changed


def fly_around(
    model: SceneModel,
    clip: Mapping[str, np.ndarray],
    convention: str | None,
    num_yaws: int = 24,
    chunk_size: int | None = 4096,
) -> FlyAround | None:
    """Draws a scene; None where the meaning of the camera's numbers is not known, so that there are no others.

    Args:
        model: built, one that draws unseen views.
        clip: fields with the names of the model's `inputs` of the frames that it is shown, without batch axis.
        convention: what the camera's numbers are, see `camera_conventions`.
        num_yaws: views of a turn.
        chunk_size: pixels decoded at a time; None for all at once.

    Raises:
        UserError: the numbers do not follow the convention.
    """
    size = clip["video"].shape[1:3]
    batch = {name: tf.constant(clip[name][np.newaxis]) for name in model.inputs}
    count = len(clip["video"])
    if not model.renders_views:
        means = {name: posterior.mean for name, posterior in model.encode(batch).items()}
        steps = _STEPS_PER_FRAME if count > 1 else 1
        weights = tf.constant(interpolation_weights(count, steps), tf.float32)
        means |= {name: tf.einsum("sn,bnd->bsd", weights, means[name]) for name in model.viewpoint_latents}
        drawn = _drawn(decomposition_of(model.render(means, {}, size, chunk_size)))
        last = steps * (count - 1) + 1  # what is held behind the last frame tells nothing
        first = np.arange(last) / steps
        return FlyAround(drawn[0][:, :last], drawn[1][:, :last], first, "frame", np.zeros(1), "")
    if convention is None or set(model.given) != {"camera"}:
        return None
    sweep = camera_sweep(clip["camera"], convention, num_yaws)
    batch[MOMENTS] = tf.range(count, dtype=tf.float32)[tf.newaxis]
    # Where things move, all stand as they did in the middle of what was seen.
    moments = tf.fill([1, num_yaws], float(count // 2))
    rows = [
        _drawn(model.render_views(batch, {"camera": tf.constant(row[np.newaxis]), MOMENTS: moments}, chunk_size))
        for row in sweep.cameras
    ]
    reconstruction, segments = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return FlyAround(reconstruction, segments, sweep.yaws, "yaw", sweep.second, sweep.second_name)


def _drawn(decomposition: Decomposition) -> tuple[np.ndarray, np.ndarray]:
    return decomposition.reconstruction.numpy(), decomposition.segments.numpy()
