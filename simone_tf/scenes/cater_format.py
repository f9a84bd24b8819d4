"""Writes generated clips in the native format of DeepMind's CATER with masks, so that its reader can be tried offline.

One ZLIB-compressed TFRecord file per shard, one `tf.train.Example` per clip (the schema of `cater_with_masks` in
github.com/google-deepmind/multi_object_datasets; T = 33 frames of 64x64, 11 entities of which the first is the
background):

| feature            | stored as            | meaning                                                            |
|--------------------|----------------------|--------------------------------------------------------------------|
| `image`            | bytes, 405,504       | uint8 [33, 64, 64, 3]                                              |
| `mask`             | bytes, 1,486,848     | uint8 [33, 11, 64, 64, 1], 255 where the entity is seen, else 0    |
| `camera_matrix`    | float, 528           | [33, 4, 4], see `camera.camera_matrices`                           |
| `object_positions` | float, 1,089         | [11, 33, 3]; zeros for the background and for absent objects       |

Here entity k is instance k. What the original means by its matrix and by the positions of absent entities is not
documented.
"""

import os
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from simone_tf.scenes.camera import camera_matrices

FRAMES = 33
SIZE = 64
ENTITIES = 11


def cater_shard_name(split: str, index: int, num_shards: int) -> str:
    """File name of shard `index` (from 0): `cater_with_masks_train.tfrecords-00000-of-00100`."""
    return f"cater_with_masks_{split}.tfrecords-{index:05d}-of-{num_shards:05d}"


def encode_cater_clip(clip: Mapping[str, np.ndarray]) -> bytes:
    """Serializes a generated clip as this module's docstring describes it.

    Args:
      clip: all fields of `generate_clip`, with T = 33, H = W = 64 and N <= 10.

    Raises:
      ValueError: the clip has another shape.
    """
    num_objects = clip["object_positions"].shape[1]
    if clip["video"].shape != (FRAMES, SIZE, SIZE, 3) or num_objects >= ENTITIES:
        raise ValueError(
            f"CATER's format holds video [{FRAMES}, {SIZE}, {SIZE}, 3] and up to {ENTITIES - 1} objects, not "
            f"{list(clip['video'].shape)} and {num_objects}."
        )
    entities = np.arange(ENTITIES)[:, None, None]
    mask = (clip["segments"][:, None] == entities).astype(np.uint8) * 255  # [33, 11, 64, 64]
    positions = np.zeros((ENTITIES, FRAMES, 3), np.float32)
    positions[1 : num_objects + 1] = clip["object_positions"].transpose(1, 0, 2)
    features = {
        "image": _bytes(clip["video"]),
        "mask": _bytes(mask),
        "camera_matrix": _floats(camera_matrices(clip["camera"])),
        "object_positions": _floats(positions),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def write_cater_shard(path: str | os.PathLike, clips: Iterable[Mapping[str, np.ndarray]]) -> int:
    """Writes the clips to one file, atomically: `path` appears only once it is complete.

    Returns:
      The number of clips written.
    """
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    count = 0
    try:
        with tf.io.TFRecordWriter(temporary, "ZLIB") as writer:
            for clip in clips:
                writer.write(encode_cater_clip(clip))
                count += 1
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    return count


def _bytes(array: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))


def _floats(array: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=array.ravel().tolist()))
