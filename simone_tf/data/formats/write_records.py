"""Writing this project's own clip files; `records` reads them and says what is in them."""

import os
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS
from simone_tf.data.formats import png
from simone_tf.data.formats.sidecar import SCHEMA_VERSION
from simone_tf.files import replacing


def shard_name(split: str, index: int, num_shards: int) -> str:
    """File name of shard `index` (from 0) of `num_shards`: `train-00000-of-00004.tfrecord`."""
    return f"{split}-{index:05d}-of-{num_shards:05d}.tfrecord"


def encode_clip(clip: Mapping[str, np.ndarray]) -> bytes:
    """Serializes one clip of NumPy arrays; lossless.

    Args:
      clip: `video` uint8 [T, H, W, 3] (required); optionally `segments` integer [T, H, W] in [0, 65535], `camera`
        [T, C], `object_positions` [T, N, 3], `object_visible` [T, N], `object_moving` [N] and
        `object_attributes` [N, A].

    Returns:
      A serialized `tf.train.Example` as the docstring of `records` describes it.

    Raises:
      ValueError: a field is unknown or has another shape, dtype or range.
    """
    arrays = {name: np.asarray(value) for name, value in clip.items()}
    frames, height, width, num_objects = _checked_sizes(arrays)
    per_image = png.frames_per_image(frames, height)
    features = {
        "schema_version": _int64([SCHEMA_VERSION]),
        "shape": _int64([frames, height, width]),
        "frames_per_image": _int64([per_image]),
        "video": _bytes(png.encode_frames(arrays["video"], per_image)),
    }
    if "segments" in arrays:
        segments = arrays["segments"]
        smallest = segments.astype(np.uint8 if segments.max() < 256 else np.uint16)
        features["segments"] = _bytes(png.encode_frames(smallest, per_image))
    if "camera" in arrays:
        features["camera_width"] = _int64([arrays["camera"].shape[1]])
        features["camera"] = _floats(arrays["camera"])
    if num_objects is not None:
        features["num_objects"] = _int64([num_objects])
    for name in ("object_positions", "object_attributes"):
        if name in arrays:
            features[name] = _floats(arrays[name])
    if "object_attributes" in arrays:
        features["attribute_width"] = _int64([arrays["object_attributes"].shape[1]])
    for name in ("object_visible", "object_moving"):
        if name in arrays:
            features[name] = _int64(arrays[name].astype(bool).astype(int).ravel().tolist())
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)


def write_shard(path: str | os.PathLike, clips: Iterable[Mapping[str, np.ndarray]], compression: str = "") -> int:
    """Writes the clips to one TFRecord file, atomically: `path` appears only once it is complete.

    Args:
      path: the file; its folder is made when missing. `shard_name` gives the name the reader looks for.
      clips: NumPy clips: `video` uint8 [T, H, W, 3], and what else `encode_clip` names.
      compression: "", "GZIP" or "ZLIB".

    Returns:
      The number of clips written.
    """
    count = 0
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with replacing(path) as temporary, tf.io.TFRecordWriter(temporary, compression) as writer:
        for clip in clips:
            writer.write(encode_clip(clip))
            count += 1
    return count


def _checked_sizes(arrays: Mapping[str, np.ndarray]) -> tuple[int, int, int, int | None]:
    video = arrays.get("video")
    if video is None or video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3 or not video.size:
        found = "nothing" if video is None else f"{video.dtype} {list(video.shape)}"
        raise ValueError(f"A clip needs video uint8 [T, H, W, 3], not {found}.")
    frames, height, width, _ = video.shape
    # The axis of N comes after time where there is one.
    counts = {n: arrays[n].shape[n in FRAME_FIELDS] for n in arrays if n.startswith("object_")}
    num_objects = next(iter(counts.values()), None)
    wanted = {
        "video": video.shape,
        "segments": (frames, height, width),
        "camera": (frames, arrays["camera"].shape[-1] if "camera" in arrays else None),
        "object_positions": (frames, num_objects, 3),
        "object_visible": (frames, num_objects),
        "object_moving": (num_objects,),
        "object_attributes": (num_objects, *arrays.get("object_attributes", video).shape[1:2]),
    }
    for name, array in arrays.items():
        if name not in wanted:
            raise ValueError(f"Unknown clip field {name!r}; the fields are {', '.join(wanted)}.")
        if array.shape != wanted[name]:
            raise ValueError(f"Clip field {name!r} has shape {array.shape}, expected {wanted[name]}.")
    segments = arrays.get("segments")
    if segments is not None and (segments.dtype.kind not in "iu" or segments.min() < 0 or segments.max() > 65535):
        raise ValueError("Clip field 'segments' needs integers in [0, 65535].")
    return frames, height, width, num_objects


def _bytes(values: Iterable[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int64(values: Iterable[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(array: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=array.astype(np.float32).ravel().tolist()))
