"""Which part of the stored frames a clip shows, and at what size: crop, then resize."""

from collections.abc import Mapping

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.errors import UserError

MAX_SIDE = 2**14
"""Pixels along a side; more is a slip of the pen, and would be asked of memory."""


class Framing:
    """Crops and resizes `video` and `segments`; every other field but `object_visible`, the camera too, is left as is.

    `video` is averaged over the area of each new pixel (box filter, also where the factor is no whole number) and
    rounded to uint8 where it was uint8. `segments` are taken from the stored pixel under each new pixel's centre. What
    does not show in these any more is not `object_visible`; without `segments` a crop with that field is refused.

    Args:
      crop: (top, left, height, width) in pixels of the stored frames, None for whole frames.
      resize: (height, width), None to leave the size.

    Raises:
      UserError: these are no whole numbers, or not in range.
    """

    def __init__(self, crop: tuple[int, int, int, int] | None = None, resize: tuple[int, int] | None = None):
        self.crop = None if crop is None else _whole_numbers("crop", crop, ("top", "left", "height", "width"))
        self.resize = None if resize is None else _whole_numbers("resize", resize, ("height", "width"))

    def apply(self, clip: Mapping[str, tf.Tensor]) -> Clip:
        """The clip as framed, its new height and width static where crop or resize set them; graph code.

        Raises:
          tf.errors.InvalidArgumentError: the crop goes beyond the frames.
        """
        framed = {
            name: self._applied(name, value) if name in ("video", "segments") else value for name, value in clip.items()
        }
        if "object_visible" in clip and "segments" in clip and framed["segments"] is not clip["segments"]:
            framed["object_visible"] = clip["object_visible"] & _shown(framed["segments"], clip["object_visible"])
        return framed

    @property
    def changes_frames(self) -> bool:
        """Whether there is a crop or a size to bring frames to."""
        return self.crop is not None or self.resize is not None

    def check(self, clip: Mapping[str, tf.Tensor], where: str) -> None:
        """Raises UserError when the crop goes beyond this clip's frames, or a field could not be told of it.

        Args:
          clip: as stored.
          where: names the data in the error.
        """
        if self.crop is not None and "object_visible" in clip and "segments" not in clip:
            raise UserError(
                f"{where} has no segments to tell by what is object_visible in the part of a frame that crop = "
                f"{self.crop} takes: leave out object_visible, or the crop."
            )
        for name in ("video", "segments"):
            if name in clip and self.crop is not None:
                top, left, height, width = self.crop
                rows, columns = clip[name].shape[1:3]
                if top + height > rows or left + width > columns:
                    raise UserError(
                        f"{where} has frames of {rows}x{columns}, crop is {self.crop} (top, left, height, width): "
                        "choose one inside the frames."
                    )

    def _applied(self, name: str, frames: tf.Tensor) -> tf.Tensor:
        if self.crop is not None:
            top, left, height, width = self.crop
            rest = frames.shape.rank - 3
            rows, columns = tf.shape(frames)[1], tf.shape(frames)[2]
            text = f"The crop {self.crop} (top, left, height, width) goes beyond the frames; rows and columns found:"
            fits = (top + height <= rows) & (left + width <= columns)
            check = tf.debugging.Assert(fits, [text, rows, columns])
            with tf.control_dependencies([check] if check is not None else []):
                frames = tf.identity(frames)
            frames = tf.slice(frames, [0, top, left, *[0] * rest], [-1, height, width, *[-1] * rest])
        if self.resize is None or frames.shape[1:3] == self.resize:
            return frames
        if name == "segments":
            for axis, size in enumerate(self.resize, start=1):
                centres = (2 * tf.range(size) + 1) * tf.shape(frames)[axis] // (2 * size)
                frames = tf.gather(frames, centres, axis=axis)
            return frames
        # In float32 from the start: of uint8, TensorFlow converts every pixel as often as it is used.
        resized = tf.image.resize(tf.cast(frames, tf.float32), self.resize, tf.image.ResizeMethod.AREA)
        return tf.cast(tf.round(resized), tf.uint8) if frames.dtype == tf.uint8 else resized


def _shown(segments: tf.Tensor, visible: tf.Tensor) -> tf.Tensor:
    """bool [T, N], whether instance k = index + 1 has a pixel in the segments [T, H, W]."""
    frames, count = tf.shape(visible)[0], tf.shape(visible)[1]
    found = tf.math.bincount(
        tf.reshape(segments, [frames, -1]), minlength=count + 1, maxlength=count + 1, axis=-1, binary_output=True
    )
    return found[:, 1:] > 0


def _whole_numbers(name: str, values: tuple[int, ...], parts: tuple[str, ...]) -> tuple[int, ...]:
    least = {"top": 0, "left": 0}
    fits = isinstance(values, (tuple, list)) and len(values) == len(parts)
    if not fits or not all(
        type(value) is int and least.get(part, 1) <= value <= MAX_SIDE
        for part, value in zip(parts, values, strict=True)
    ):
        raise UserError(f"{name} is {values!r}: give ({', '.join(parts)}) as whole numbers of pixels, or None.")
    return tuple(values)
