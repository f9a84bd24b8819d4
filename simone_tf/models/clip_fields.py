"""What a model is handed of clips: their fields by name, and in a sentence what of them it cannot take."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf

from simone_tf.errors import UserError

Batch: TypeAlias = Mapping[str, tf.Tensor] | tf.Tensor
"""Clip fields by name, those of `SceneModel.inputs` among them; video alone may stand for `{"video": video}`."""

MOMENTS = "moments"
"""When each frame is, `[B, N]` float32 counted in frames of a clip of the training from 0; beside the fields of
`SceneModel.given`. Only models that draw views of moving scenes look at it, and without it the frames are 0, 1, ..."""


def as_batch(batch: Batch) -> Mapping[str, tf.Tensor]:
    """Clip fields by name, also where video alone was given.

    Raises:
        ValueError: the video is not of floating point (pixels of bytes would be taken for colours far above 1), or has
            not the five axes of `[B, T, H, W, 3]`.
    """
    batch = batch if isinstance(batch, Mapping) else {"video": batch}
    video = batch.get("video")  # The other clip of a recomposition may be a viewpoint alone.
    if video is not None and not (tf.as_dtype(video.dtype).is_floating and len(video.shape) == 5):
        found = f"{tf.as_dtype(video.dtype).name} {tuple(video.shape)}"
        raise ValueError(f"video is {found}: give float32 [B, T, H, W, 3] in [0, 1].")
    return batch


def check_clips(
    model: str,
    video_shape: tf.TensorShape,
    frame_size: Sequence[int],
    least_frames: int = 1,
    most_frames: int | None = None,
) -> None:
    """Refuses clips that a model was not built for.

    Args:
        model: name of its class.
        video_shape: `[B, T, H, W, 3]`; what is not static is not looked at.
        frame_size: (H, W) in pixels that the model was built for.
        least_frames, most_frames: numbers of frames that it can take; None for any.

    Raises:
        UserError: frames of another size, or too few or too many of them.
    """
    num_frames, *size = video_shape[1:4]
    if any(have not in (None, want) for have, want in zip(size, frame_size, strict=True)):
        raise UserError(
            f"The video's frames are {size[0]}x{size[1]} pixels, and the model was built for "
            f"{frame_size[0]}x{frame_size[1]}: resize them."
        )
    if num_frames is None or (num_frames >= least_frames and (most_frames is None or num_frames <= most_frames)):
        return
    wanted = f"at least {least_frames}" if most_frames is None else f"{least_frames} to {most_frames}"
    if least_frames == most_frames:
        wanted = f"{most_frames}"
    raise UserError(
        f"The video has {num_frames} frames, and {model} takes clips of {wanted}: give it as many, or the file to "
        "python -m simone_tf.decompose, which takes any."
    )


def check_fields(what: str, fields: Mapping[str, tf.Tensor], sizes: Mapping[str, int], num_frames: int | None) -> None:
    """Raises UserError unless fields hold `[B, num_frames, C]` of every size C; any number of at least 1 for None."""
    for name, size in sizes.items():
        if name not in fields:
            raise UserError(f"There is no `{name}` of {what}: give [B, {num_frames or 'M'}, {size}] numbers.")
        shape = fields[name].shape
        wanted = (None, num_frames, size)
        fits = len(shape) == 3 and all(
            want in (None, have) or have is None for want, have in zip(wanted, shape, strict=True)
        )
        if not fits or shape[1] == 0:
            raise UserError(
                f"The `{name}` of {what} is {list(shape)}: give [B, {num_frames or 'M'}, {size}], a row for a frame."
            )
