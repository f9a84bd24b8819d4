"""What needs no model: the seen frame whose camera is nearest, and the mean image of a data set."""

import numpy as np

from simone_tf.cameras.nearest import nearest_cameras
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.evaluation.views.tasks import ViewTask

MEAN_IMAGE_CLIPS = 200
"""Clips whose frames the mean image is of; more would not change it."""

_BATCH_SIZE = 8


def nearest_frames(task: ViewTask, camera: np.ndarray | None, convention: str | None) -> np.ndarray:
    """Of each unseen frame the seen frame that is nearest, `[B, m]` int, numbers of the clip's frames.

    Args:
        task: which frames are seen and which not.
        camera: `[B, F, C]`; None where there is none, and nearest in time is meant. Of equals it is the earlier one.
        convention: what the camera's numbers are, see `camera_conventions`.

    Raises:
        UserError: the numbers do not follow the convention.
    """
    context, unseen = np.array(task.context), np.array(task.unseen)
    if camera is None:
        return context[np.abs(unseen[:, np.newaxis] - context).argmin(axis=-1)][np.newaxis]
    return context[nearest_cameras(camera[:, unseen], camera[:, context], convention)]


def mean_image(clips: ClipReader, frame_size: tuple[int, int], num_frames: int) -> np.ndarray:
    """The mean of the first `num_frames` frames of the first clips, `[H, W, 3]` float32 in [0, 1].

    Args:
        clips: those of the training, so that nothing of the scored ones is in it.
        frame_size: (H, W) in pixels.
        num_frames: frames of each clip.

    Raises:
        UserError: the clips cannot be read or do not fit.
    """
    total, count = np.zeros((*frame_size, 3)), 0
    for batch in evaluation_batches(
        clips,
        batch_size=_BATCH_SIZE,
        num_frames=num_frames,
        num_clips=MEAN_IMAGE_CLIPS,
        fields=("video",),
        frame_size=frame_size,
    ):
        real = batch["video"].numpy()[batch["clip_mask"].numpy()]
        total += real.sum(axis=(0, 1), dtype=np.float64)
        count += real.shape[0] * real.shape[1]
    return (total / count).astype(np.float32)
