"""What is drawn anew for a clip each time it comes: its window in time, and augmentations."""

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The choices of what is drawn anew for a clip each time it comes.

    Each keeps the statistics of the scenes: it is drawn once per clip, for all frames alike, and `segments` follow
    `video`.

    Attributes:
      num_frames: T, length of the window in time.
      window: "random" draws its first frame uniformly, "start" takes the first frames.
      mirror: flips half of the clips left to right.
      permute_colours: permutes the RGB channels, each of the 6 orders equally often.
      reverse_time: plays half of the clips backwards.
    """

    num_frames: int
    window: str = "random"
    mirror: bool = False
    permute_colours: bool = False
    reverse_time: bool = False

    def check(self, fields: Sequence[str]) -> None:
        """Raises UserError when there is no such window, or a choice would make one of the fields wrong."""
        if self.window not in ("random", "start"):
            raise UserError(f'window is {self.window!r}: choose "random" or "start".')
        falsified = {
            "mirror": ("camera", "object_positions"),
            "reverse_time": ("camera", "object_positions", "object_visible"),
        }
        for choice, falsified_fields in falsified.items():
            for field in falsified_fields:
                if getattr(self, choice) and field in fields:
                    raise UserError(
                        f"{choice} = True would make {field} wrong, which is among the fields {tuple(fields)}: "
                        f"set training_batches.{choice} = False, or leave {field} out."
                    )

    def changes(self, frames: int) -> bool:
        """Whether anything is to be drawn for clips of so many frames."""
        return self.mirror or self.permute_colours or self.reverse_time or frames != self.num_frames

    def apply(self, clip: Clip, draw: tf.Tensor) -> Clip:
        """A clip of `num_frames` frames, as the key `draw` (int64 [2]) has it; graph code."""
        clip = dict(window_of(clip, self.num_frames, draw if self.window == "random" else None))
        # One number per choice, whether it is used or not, so that switching one on leaves the others as they were.
        if self.mirror or self.reverse_time:
            coins = tf.random.stateless_uniform([2], fold_in(draw, 1), alg="philox") < 0.5
        for name in ("video", "segments"):
            if name in clip and self.mirror:
                clip[name] = tf.where(coins[0], tf.reverse(clip[name], [2]), clip[name])
            if name in clip and self.reverse_time:
                clip[name] = tf.where(coins[1], tf.reverse(clip[name], [0]), clip[name])
        if self.permute_colours and "video" in clip:
            channels = tf.random.experimental.stateless_shuffle(tf.range(3), fold_in(draw, 2))
            clip["video"] = tf.gather(clip["video"], channels, axis=-1)
        return clip
