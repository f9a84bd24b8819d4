"""What is drawn anew for a clip each time it comes: its window in time, and augmentations."""

from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS, Clip
from simone_tf.data.pipeline.order import fold_in
from simone_tf.errors import UserError


def window_of(clip: Clip, num_frames: int, draw: tf.Tensor | None) -> Clip:
    """`num_frames` frames of a clip: from a uniformly drawn one on, or the first ones."""
    if all(clip[name].shape[0] == num_frames for name in clip if name in FRAME_FIELDS):
        return clip  # As of images: there is nothing to draw.
    start = tf.constant(0, tf.int64)
    if draw is not None:
        total = next(tf.shape(clip[name], tf.int64)[0] for name in clip if name in FRAME_FIELDS)
        start = tf.random.stateless_uniform(
            [], draw, maxval=tf.maximum(total - num_frames, 0) + 1, dtype=tf.int64, alg="philox"
        )
    return {name: v[start : start + num_frames] if name in FRAME_FIELDS else v for name, v in clip.items()}


def augment(clip: Clip, draw: tf.Tensor, mirror: bool, permute_colours: bool, reverse_time: bool) -> Clip:
    """Flips half of the clips left to right, permutes their colour channels, plays half of them backwards."""
    clip = dict(clip)
    # One number per choice, whether it is used or not, so that switching one on leaves the others as they were.
    if mirror or reverse_time:
        coins = tf.random.stateless_uniform([2], fold_in(draw, 1), alg="philox") < 0.5
    for name in ("video", "segments"):
        if name in clip and mirror:
            clip[name] = tf.where(coins[0], tf.reverse(clip[name], [2]), clip[name])
        if name in clip and reverse_time:
            clip[name] = tf.where(coins[1], tf.reverse(clip[name], [0]), clip[name])
    if permute_colours and "video" in clip:
        channels = tf.random.experimental.stateless_shuffle(tf.range(3), fold_in(draw, 2))
        clip["video"] = tf.gather(clip["video"], channels, axis=-1)
    return clip


def check_augmentations(fields: Sequence[str], **augmentations: bool) -> None:
    """Raises UserError when `mirror` or `reverse_time` would make one of the fields wrong."""
    falsified = {
        "mirror": ("camera", "object_positions"),
        "reverse_time": ("camera", "object_positions", "object_visible"),
    }
    for augmentation, wanted in augmentations.items():
        for field in falsified[augmentation]:
            if wanted and field in fields:
                raise UserError(
                    f"{augmentation} = True would make {field} wrong, which is among the fields {tuple(fields)}: "
                    f"set {augmentation} = False or leave {field} out."
                )
