"""CATER with masks, in the files that DeepMind published (multi_object_datasets, `cater_with_masks`).

39,364 training and 17,100 test videos of 33 frames of 64x64: CATER scenes with a moving camera and up to two objects
that move at a time. The files are read as they come from gs://multi-object-datasets/cater_with_masks, ZLIB TFRecords of

| feature            | list  | content                                                                        |
|--------------------|-------|--------------------------------------------------------------------------------|
| `image`            | bytes | one string: uint8 [33, 64, 64, 3]                                              |
| `mask`             | bytes | one string: uint8 [33, 11, 64, 64, 1], one mask per entity, nominally 0 or 255 |
| `camera_matrix`    | float | [33, 4, 4], "orientation and position" of the camera                           |
| `object_positions` | float | [11, 33, 3], world positions in the order of the masks                         |

Entity 0 is the background. The masks are soft in places, so a pixel belongs to the entity whose mask is greatest there
(https://github.com/google-deepmind/multi_object_datasets/issues/14). There is no visibility flag, and what stands in
`object_positions` for entities that a scene lacks is unspecified.
"""

import functools
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.formats.reader import ClipReader

FRAMES, HEIGHT, WIDTH, ENTITIES = 33, 64, 64, 11
NUM_SHARDS = 100

_CLIPS_PER_SHARD = {"train": 399, "test": 171}
_SHORT_SHARDS = {("train", 21): 31, ("train", 74): 231}
# A video takes about 224 kB in the published files; a shard far from that is not the published one.
_BYTES_PER_CLIP = range(190_000, 260_001)

MOVING_DISTANCE = 0.01
"""An entity moves when its position leaves that of the first frame by more than this, in world units."""


class CaterWithMasks(ClipReader):
    """Reads the published files of cater_with_masks.

    Fields: `video` uint8 [33, 64, 64, 3], `segments` int32 [33, 64, 64] (0 = background, k = entity k), `camera`
    float32 [33, 16] (the 4x4 matrix, row-major), `object_positions` float32 [33, 10, 3] (entities 1 to 10),
    `object_moving` bool [10]: the entity's position leaves that of the first of the 33 frames by more than
    `MOVING_DISTANCE`, so that one that only turns on the spot does not count; False for an entity that shows no pixel
    in any frame, as its positions may be anything.

    Args:
      data_dir: the folder with the files, or the one above it (`<data_dir>/cater_with_masks`).
      split: "train" or "test".
      stand_in: a command line that makes look-alike data, named when the files are missing.
      on_corrupt, crop, resize: see `ClipReader`.
    """

    fields = ("video", "segments", "camera", "object_positions", "object_moving")
    features = ("image", "mask", "camera_matrix", "object_positions")
    source = "gs://multi-object-datasets/cater_with_masks"
    camera_convention = "matrix"

    @property
    def file_pattern(self) -> str:
        return f"cater_with_masks_{self.split}.tfrecords-NNNNN-of-NNNNN"

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.data_dir, os.path.join(self.data_dir, "cater_with_masks"))

    @property
    def _known_count(self) -> Callable[[str], int | None]:
        return functools.partial(_published_count, self.split)

    def extract(self, serialized: tf.Tensor, fields: Sequence[str]) -> dict[str, tf.Tensor]:
        needed = {
            "video": ("image",),
            "segments": ("mask",),
            "camera": ("camera_matrix",),
            "object_positions": ("object_positions",),
            "object_moving": ("object_positions", "mask"),
        }
        specs = {
            "image": tf.io.FixedLenFeature([], tf.string),
            "mask": tf.io.FixedLenFeature([], tf.string),
            "camera_matrix": tf.io.FixedLenFeature([FRAMES, 4, 4], tf.float32),
            "object_positions": tf.io.FixedLenFeature([ENTITIES, FRAMES, 3], tf.float32),
        }
        wanted = {feature for name in fields for feature in needed[name]}
        return tf.io.parse_single_example(serialized, {feature: specs[feature] for feature in wanted})

    def _decode(self, record: dict[str, tf.Tensor], fields: Sequence[str]) -> Clip:
        segments = _segments(record["mask"]) if "mask" in record else None
        clip = {}
        for name in fields:
            if name == "video":
                clip[name] = tf.reshape(tf.io.decode_raw(record["image"], tf.uint8), [FRAMES, HEIGHT, WIDTH, 3])
            elif name == "segments":
                clip[name] = segments
            elif name == "camera":
                clip[name] = tf.reshape(record["camera_matrix"], [FRAMES, 16])
            elif name == "object_positions":
                clip[name] = tf.transpose(record["object_positions"][1:], [1, 0, 2])
            elif name == "object_moving":
                clip[name] = _moving(record["object_positions"][1:], segments)
        return clip


def _published_count(split: str, shard: str) -> int | None:
    """The number of clips of a shard that has the name and about the size of a published one, else None."""
    index, num_shards = (int(number) for number in shard.rsplit("tfrecords-", 1)[1].split("-of-"))
    count = _SHORT_SHARDS.get((split, index), _CLIPS_PER_SHARD.get(split))
    if count is None or num_shards != NUM_SHARDS:
        return None
    return count if tf.io.gfile.stat(shard).length // count in _BYTES_PER_CLIP else None


def _segments(masks: tf.Tensor) -> tf.Tensor:
    """int32 [33, 64, 64] of the raw masks: the entity whose mask is greatest."""
    masks = tf.reshape(tf.io.decode_raw(masks, tf.uint8), [FRAMES, ENTITIES, HEIGHT, WIDTH])
    return tf.argmax(masks, axis=1, output_type=tf.int32)


def _moving(positions: tf.Tensor, segments: tf.Tensor) -> tf.Tensor:
    """bool [10] of the entities' positions [10, 33, 3] and the segments [33, 64, 64]."""
    pixels = tf.math.bincount(tf.reshape(segments, [-1]), minlength=ENTITIES, maxlength=ENTITIES)
    distances = tf.norm(positions - positions[:, :1], axis=-1)
    return tf.reduce_any(distances > MOVING_DISTANCE, axis=1) & (pixels[1:] > 0)
