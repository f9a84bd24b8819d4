"""What is drawn anew for a clip each time it comes: its window in time, and augmentations."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.formats.reader import Attribute
from simone_tf.data.pipeline.falsified import falsifies
from simone_tf.data.pipeline.order import fold_in
from simone_tf.data.pipeline.window import window_of
from simone_tf.errors import UserError

_FALSIFIED = {
    "mirror": ("camera", "object_positions"),
    "reverse_time": ("camera", "object_positions", "object_visible"),
    "permute_colours": (),
}
"""Choice -> the fields of a clip that it would make wrong, whatever the data set; `object_attributes` by column."""


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

    def check(self, fields: Sequence[str], attributes: Sequence[Attribute] = ()) -> None:
        """Raises UserError when there is no such window, or a choice would make one of the fields wrong.

        Args:
          fields: what of a clip is asked for.
          attributes: the columns of `object_attributes`, as far as they are named; what no name is known of is taken
            to be falsified.
        """
        if self.window not in ("random", "start"):
            raise UserError(f'window is {self.window!r}: choose "random" or "start".')
        for choice in filter(lambda choice: getattr(self, choice), _FALSIFIED):
            for field in _FALSIFIED[choice]:
                if field in fields:
                    raise UserError(_refusal(choice, field, field, fields))
            if "object_attributes" not in fields:
                continue
            wrong = [attribute.name for attribute in attributes if falsifies(choice, attribute)]
            if wrong or not attributes:
                columns = f" (its {', '.join(wrong)})" if wrong else " (whose columns have no names)"
                raise UserError(_refusal(choice, f"object_attributes{columns}", "object_attributes", fields))

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


def _refusal(choice: str, wrong: str, field: str, fields: Sequence[str]) -> str:
    return (
        f"{choice} = True would make {wrong} wrong, which is among the fields {tuple(fields)}: "
        f"set training_batches.{choice} = False, or leave {field} out."
    )
