"""Clip: the one structure between the data readers and everything else.

A clip is a dict of tensors (or NumPy arrays) with fixed names. A reader yields what its format has; what is absent is
absent, never faked. Only `video` is required.

| field              | shape        | dtype   | meaning                                                                |
|--------------------|--------------|---------|------------------------------------------------------------------------|
| `video`            | [T, H, W, 3] | float32 | RGB in [0, 1]                                                          |
| `segments`         | [T, H, W]    | int32   | 0 = background, k = instance k, the same k in every frame              |
| `camera`           | [T, C]       | float32 | camera pose per frame; C and its meaning are the dataset's             |
| `object_positions` | [T, N, 3]    | float32 | world position per frame; index k - 1 is instance k                    |
| `object_visible`   | [T, N]       | bool    | whether instance k = index + 1 shows at least one pixel in the frame   |
| `object_moving`    | [N]          | bool    | whether instance k = index + 1 moves by itself during the clip         |
| `object_attributes`| [N, A]       | float32 | what instance k = index + 1 is; `ClipReader.attributes` names columns  |

All are those of the frames that are given: of a window of a stored clip `object_moving` is judged anew, of cropped and
resized frames `object_visible`, and an augmentation is refused beside a field that it would make wrong. World positions
and camera poses are those of the scene, whatever part of a frame is cut out.

On disk, in memory caches and in the scene generator `video` is uint8 in [0, 255]; `as_float` is the one conversion.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from simone_tf.pictures.pixels import LEVEL

Clip = dict[str, tf.Tensor]

DTYPES: dict[str, tf.DType] = {
    "video": tf.float32,
    "segments": tf.int32,
    "camera": tf.float32,
    "object_positions": tf.float32,
    "object_visible": tf.bool,
    "object_moving": tf.bool,
    "object_attributes": tf.float32,
}
"""The fields of a clip, in their canonical order, and what each holds."""

RANKS: dict[str, int] = {
    "video": 4,
    "segments": 3,
    "camera": 2,
    "object_positions": 3,
    "object_visible": 2,
    "object_moving": 1,
    "object_attributes": 2,
}

FIELDS: tuple[str, ...] = tuple(DTYPES)

FRAME_FIELDS: tuple[str, ...] = ("video", "segments", "camera", "object_positions", "object_visible")
"""The fields whose first axis is time."""


def as_float(clip: Mapping[str, tf.Tensor]) -> Clip:
    """Turns a uint8 `video` in [0, 255] into float32 in [0, 1]; the rest, and a float `video`, pass unchanged."""
    clip = dict(clip)
    if "video" in clip and clip["video"].dtype == tf.uint8:
        clip["video"] = pixels_as_float(clip["video"])
    return clip


def pixels_as_float(pixels: tf.Tensor) -> tf.Tensor:
    """Turns uint8 in [0, 255] into float32 in [0, 1], of any shape; `pictures.pixels.as_float` does it in NumPy."""
    return tf.cast(pixels, tf.float32) * LEVEL


def check_known_fields(fields: Sequence[str]) -> None:
    """Raises ValueError when a field is not one of `clip.FIELDS`."""
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise ValueError(f"Unknown clip fields {unknown}; the fields are {', '.join(FIELDS)}.")
