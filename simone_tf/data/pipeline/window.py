"""A clip's window in time, and what has to be told anew of it.

`object_moving` is one flag for a whole clip. An object that moves in the clip may stand still in the frames of a
window, so of a window it is judged again by `object_positions`; where there are none it is refused.
"""

from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS, Clip
from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError

MOVING_DISTANCE = 0.01
"""An object moves in a window when it leaves its first place in it by more than this, in world units."""


def window_of(clip: Clip, num_frames: int, draw: tf.Tensor | None) -> Clip:
    """`num_frames` frames of a clip: from a uniformly drawn one on, or the first ones.

    `object_moving` is that of the window where the clip has `object_positions`, see `fields_to_read`: True for what
    moves in the clip, and leaves its place in the window's first frame by more than `MOVING_DISTANCE`.
    """
    if all(clip[name].shape[0] == num_frames for name in clip if name in FRAME_FIELDS):
        return clip  # As of images: there is nothing to draw.
    start = tf.constant(0, tf.int64)
    total = next(tf.shape(clip[name], tf.int64)[0] for name in clip if name in FRAME_FIELDS)
    if draw is not None:
        start = tf.random.stateless_uniform(
            [], draw, maxval=tf.maximum(total - num_frames, 0) + 1, dtype=tf.int64, alg="philox"
        )
    window = {name: v[start : start + num_frames] if name in FRAME_FIELDS else v for name, v in clip.items()}
    if "object_moving" in clip and "object_positions" in clip:
        positions = window["object_positions"]  # [T, N, 3]
        moves = tf.reduce_any(tf.norm(positions - positions[:1], axis=-1) > MOVING_DISTANCE, axis=0)
        # A clip without frames to spare is its own window: its flags are what its maker says.
        window["object_moving"] = clip["object_moving"] & (moves | (total <= num_frames))
    return window


def fields_to_read(reader: ClipReader, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields, and what else of a clip its windows need for them."""
    judged = "object_moving" in fields and "object_positions" not in fields and "object_positions" in reader.fields
    return (*fields, "object_positions") if judged else tuple(fields)


def unknown_in_window(reader: ClipReader, fields: Sequence[str], num_frames: int) -> str | None:
    """One sentence on a field that nobody can tell for windows of so many frames; None where there is none."""
    if "object_moving" not in fields or "object_positions" in reader.fields:
        return None
    frames = reader.clip_shape()[0]
    if frames <= num_frames:
        return None
    return (
        f"{reader.files.where} tells object_moving for its whole clips of {frames} frames, num_frames is {num_frames}, "
        f"and it has no object_positions to judge the window by: set num_frames to {frames}, or leave object_moving "
        "out."
    )


def can_be_told(reader: ClipReader, fields: Sequence[str], num_frames: int) -> tuple[str, ...]:
    """Those of the fields that a reader's clips have and that can be told for windows of so many frames."""
    there = [name for name in fields if name in reader.fields]
    if "object_visible" in there and "segments" not in reader.fields and reader.framing.crop is not None:
        there.remove("object_visible")
    if unknown_in_window(reader, there, num_frames):
        there.remove("object_moving")
    return tuple(there)


def check_window(reader: ClipReader, fields: Sequence[str], num_frames: int) -> None:
    """Raises UserError where a field cannot be told for windows of so many frames."""
    if sentence := unknown_in_window(reader, fields, num_frames):
        raise UserError(sentence)
