"""MOVi A to F of Kubric, in the files that its authors published by way of TensorFlow Datasets.

Videos of 24 frames, at 12 a second, of rigid bodies that fall and collide; the camera stands still in A to D and moves
in E and F. A set is the folder that TensorFlow Datasets made, `movi_a/128x128/1.0.0` with `features.json`,
`dataset_info.json` and plain TFRecords `movi_a-train.tfrecord-NNNNN-of-NNNNN`, to be copied from, or read at,
gs://kubric-public/tfds. What the set has is taken from `features.json`; of a record these features are used:

| feature                            | list  | content                                                             |
|------------------------------------|-------|---------------------------------------------------------------------|
| `video`, `segmentations`           | bytes | T PNGs, RGB and 8-bit grayscale: 0 = background, k = instance k - 1 |
| `camera/positions`, `/quaternions` | float | [T, 3], [T, 4]                                                      |
| `instances/positions`              | float | [n, T, 3], n differs from clip to clip                              |
| `instances/visibility`             | int64 | [n, T], the pixels that show the instance                           |
| `instances/shape_label`, ...       | int64 | [n], an index into the names in `instances-shape_label.labels.txt`  |

Optical flow, depth and normals, the most of a record's bytes, are passed over without being parsed.
`tensorflow-datasets` (the extra `movi`) reads the metadata; without a copy of its builder's code, and without any look
at its own buckets.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import FIELDS, Clip
from simone_tf.data.formats import png
from simone_tf.data.formats.graph_checks import checked
from simone_tf.data.formats.reader import Attribute, ClipReader
from simone_tf.data.formats.records import MAX_CLIP_PIXELS
from simone_tf.data.tfrecords.faults import reason_of
from simone_tf.data.tfrecords.split_files import Listing
from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, parse_json

FEATURES_FILE, INFO_FILE = "features.json", "dataset_info.json"
MAX_METADATA_BYTES = 2**24
MOVING_DISTANCE = 0.01
"""An instance moves when its position leaves that of the first frame by more than this, in metres."""

_MAX_OBJECTS = {"movi_a": 10, "movi_b": 10, "movi_c": 10}
_MAX_OBJECTS_ELSEWHERE = 23
_ATTRIBUTES = ("shape_label", "size_label", "color_label", "material_label", "category", "scale", "is_dynamic")
_NEEDED = {
    "segments": ("segmentations",),
    "camera": ("camera/positions", "camera/quaternions"),
    "object_positions": ("instances/positions",),
    "object_visible": ("instances/visibility",),
    "object_moving": ("instances/positions",),
}


class MOVi(ClipReader):
    """Reads one split of one variant of MOVi.

    Fields, for T frames of H x W pixels and N = `max_objects`: `video` uint8 [T, H, W, 3]; `segments` int32 [T, H, W];
    `camera` float32 [T, 7]: position x, y, z and rotation quaternion w, x, y, z in world coordinates;
    `object_positions` float32 [T, N, 3]; `object_visible` bool [T, N]; `object_moving` bool [N]: the position leaves
    that of the first frame by more than `MOVING_DISTANCE`; `object_attributes` float32 [N, A], the columns named by
    `attributes`: what the variant has of the labels of shape, size, colour, material and category, scale and
    whether it was tossed in (`is_dynamic`). Behind a clip's own objects the rows are 0 and False.

    Args:
      data_dir: the folder that holds `features.json`, or one above it: `<data_dir>/<name>/<resolution>/1.0.0`,
        `<data_dir>/<resolution>/1.0.0` and `<data_dir>/1.0.0` are looked for. A local folder or a bucket.
      split: "train", "validation" or, where the variant has it, "test".
      name: "movi_a" to "movi_f", checked against the folder; None takes the folder's.
      resolution: "128x128" or "256x256" (F also "512x512"), used to find the folder.
      max_objects: N; None for 10 in A to C and 23 in the others. A clip of more objects is an error.
      stand_in: a command line that makes look-alike data, named when the files are missing.
      on_corrupt, crop, resize: see `ClipReader`; the published sizes are twice and four times the 64x64 of the papers.

    Raises:
      UserError: `max_objects` is no positive number. Anything about the files is found when they are first needed.
    """

    features = ("video", "segmentations")
    camera_convention = "quaternion"
    pictures = "video"

    def __init__(
        self,
        data_dir: str,
        split: str,
        *,
        name: str | None = None,
        resolution: str = "128x128",
        max_objects: int | None = None,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        super().__init__(data_dir, split, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize)
        if max_objects is not None and max_objects < 1:
            raise UserError(f"MOVi.max_objects is {max_objects}: it must be at least 1, or None for the variant's own.")
        self.name = name
        self.resolution = resolution
        self._max_objects = max_objects
        self.source = f"gs://kubric-public/tfds/{name or 'movi_a'}/{resolution}/1.0.0"

    @property
    def max_objects(self) -> int:
        """N, the length of the object axes."""
        return self._max_objects or _MAX_OBJECTS.get(self._builder.name, _MAX_OBJECTS_ELSEWHERE)

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        present = {"video"} | {
            field for field, needed in _NEEDED.items() if all(_lookup(self._features, key) for key in needed)
        }
        if self.attributes:
            present.add("object_attributes")
        return tuple(field for field in FIELDS if field in present)

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        columns = []
        for name in _ATTRIBUTES:
            feature = _lookup(self._features, f"instances/{name}")
            if feature is not None and feature.shape in ((), (None,)):
                columns.append(Attribute(name, _category_names(feature)))
        return tuple(columns)

    @property
    def file_pattern(self) -> str:
        return f"{self._builder.name}-{self.split}.tfrecord-NNNNN-of-NNNNN"

    @property
    def folders(self) -> tuple[str, ...]:
        return (self._folder,)

    @property
    def _listing(self) -> Listing:
        splits = self._builder.info.splits
        if self.split not in splits:
            raise UserError(
                f"{os.path.join(self._folder, INFO_FILE)} has no split {self.split!r}, only {', '.join(splits)}: "
                "choose one of these."
            )
        split = splits[self.split]
        return Listing(INFO_FILE, dict(zip(sorted(split.filenames), split.shard_lengths, strict=True)))

    def extract(self, serialized: tf.Tensor, fields: Sequence[str]) -> dict[str, tf.Tensor]:
        frames = self._video_shape[0]
        specs: dict[str, Any] = {}
        for field in fields:
            if field == "object_attributes":
                for column in self.attributes:
                    key = f"instances/{column.name}"
                    specs[key] = _sequence(self._wire_type(key))
            for key in _NEEDED.get(field, ()):
                specs[key] = {
                    "segmentations": tf.io.FixedLenFeature([frames], tf.string),
                    "camera/positions": tf.io.FixedLenFeature([frames, 3], tf.float32),
                    "camera/quaternions": tf.io.FixedLenFeature([frames, 4], tf.float32),
                    "instances/positions": _sequence(tf.float32, [frames, 3]),
                    "instances/visibility": _sequence(tf.int64, [frames]),
                }[key]
            if field == "video":
                specs["video"] = tf.io.FixedLenFeature([frames], tf.string)
        return tf.io.parse_single_example(serialized, specs)

    def _decode(self, record: dict[str, tf.Tensor], fields: Sequence[str]) -> Clip:
        frames, height, width, _ = self._video_shape
        clip = {}
        for field in fields:
            if field in ("video", "segments"):
                channels = 3 if field == "video" else 1
                key = "video" if field == "video" else "segmentations"
                clip[field] = png.decode_frames(record[key], frames, height, width, channels=channels)
            elif field == "camera":
                clip[field] = tf.concat([record["camera/positions"], record["camera/quaternions"]], axis=1)
            elif field == "object_positions":
                clip[field] = tf.transpose(self._padded(record["instances/positions"]), [1, 0, 2])
            elif field == "object_visible":
                clip[field] = tf.transpose(self._padded(record["instances/visibility"])) > 0
            elif field == "object_moving":
                positions = self._padded(record["instances/positions"])
                distances = tf.norm(positions - positions[:, :1], axis=-1)
                clip[field] = tf.reduce_any(distances > MOVING_DISTANCE, axis=1)
            elif field == "object_attributes":
                columns = [tf.cast(record[f"instances/{column.name}"], tf.float32) for column in self.attributes]
                clip[field] = self._padded(tf.stack(columns, axis=1))
        return clip

    def _padded(self, values: tf.Tensor) -> tf.Tensor:
        """[n, ...] -> [N, ...], filled with zeros."""
        count = tf.shape(values)[0]
        refusal = f"A clip has more objects than max_objects = {self.max_objects}: raise it to"
        missing = self.max_objects - checked(count, count <= self.max_objects, refusal, count)
        padded = tf.pad(values, [[0, missing]] + [[0, 0]] * (values.shape.rank - 1))
        return tf.ensure_shape(padded, [self.max_objects, *values.shape[1:]])

    def _wire_type(self, key: str) -> tf.DType:
        return tf.float32 if np.issubdtype(_lookup(self._features, key).np_dtype, np.floating) else tf.int64

    @functools.cached_property
    def _folder(self) -> str:
        below = os.path.join(self.resolution, "1.0.0")
        folders = [self.data_dir, os.path.join(self.data_dir, "1.0.0"), os.path.join(self.data_dir, below)]
        if self.name:
            folders.append(os.path.join(self.data_dir, self.name, below))
        for folder in folders:
            try:
                if tf.io.gfile.exists(os.path.join(folder, FEATURES_FILE)):
                    return folder
            except tf.errors.OpError as error:  # A bucket out of reach, or of a kind that TensorFlow does not know.
                raise UserError(
                    f"{folder} cannot be looked into ({reason_of(error)}): copy the set to a local folder."
                ) from error
        stand_in = self.stand_in.replace("{data_dir}", self.data_dir)
        if self.name is None:
            # One above the variants' folders is looked into when it is known which of them is meant.
            variant = os.path.join(self.data_dir, "movi_a", below)
            raise UserError(
                f"No {FEATURES_FILE} in {self.data_dir} or {folders[-1]}: name the folder that has it, or set "
                f"MOVi.name = 'movi_a' (to 'movi_f') where it is {variant}; else copy {self.source} there."
            )
        # No full stop behind the command: it is there to be copied.
        advice = f", or make a stand-in with: {stand_in}" if stand_in else "."
        raise UserError(f"No {FEATURES_FILE} in {self.data_dir} or {folders[-1]}: copy {self.source} there{advice}")

    @functools.cached_property
    def _builder(self):
        """The read-only builder of TensorFlow Datasets, its metadata checked."""
        datasets = _tensorflow_datasets()
        _read_json(os.path.join(self._folder, INFO_FILE))
        _check_classes(os.path.join(self._folder, FEATURES_FILE))
        try:
            builder = datasets.builder_from_directory(self._folder)
        except Exception as error:  # Whatever a damaged file makes of its many parsers.
            raise UserError(
                f"{self._folder} is no set that TensorFlow Datasets can read ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:200]}): copy it again."
            ) from error
        if self.name not in (None, builder.name):
            raise UserError(
                f"{self._folder} holds {builder.name}, but MOVi.name is {self.name!r}: set name = {builder.name!r} or "
                "name the folder of the other."
            )
        return builder

    @property
    def _features(self) -> Any:
        return self._builder.info.features

    @functools.cached_property
    def _video_shape(self) -> tuple[int, int, int, int]:
        """T, H, W, 3 as `features.json` has them."""
        path = os.path.join(self._folder, FEATURES_FILE)
        video = _lookup(self._features, "video")
        shape = getattr(video, "shape", None) or ()
        if len(shape) != 4 or None in shape or shape[-1] != 3 or video.np_dtype != np.uint8:
            raise UserError(
                f"{path} describes {self._builder.name}, which has no 'video' of RGB frames of one size: name a "
                "folder of MOVi."
            )
        if min(shape) < 1 or shape[0] * shape[1] * shape[2] > MAX_CLIP_PIXELS:
            raise UserError(f"{path} claims videos of {shape}, more than {MAX_CLIP_PIXELS} pixels: copy it again.")
        return shape


def _tensorflow_datasets():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise UserError(
            f"MOVi needs tensorflow-datasets, which cannot be imported ({error}): pip install 'simone_tf[movi]'."
        ) from error
    return tensorflow_datasets


def _read_json(path: str) -> Any:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return parse_json(file.read(MAX_METADATA_BYTES + 1), MAX_METADATA_BYTES)
    except tf.errors.OpError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}): check its name and permissions.") from error
    except ValueError as error:
        if str(error) == LFS_POINTER:
            raise UserError(f"{path}: {LFS_POINTER}.") from error
        raise UserError(f"{path} is not readable JSON ({first_line(error)}): copy the whole set again.") from error


def _check_classes(path: str) -> None:
    """Refuses a `features.json` that names other classes than TensorFlow Datasets' own, which would import them."""
    foreign = sorted(
        name for name in _class_names(_read_json(path)) if not name.startswith("tensorflow_datasets.core.features.")
    )
    if foreign:
        raise UserError(
            f"{path} names the Python class {foreign[0]!r}, which is no feature of TensorFlow Datasets: name a folder "
            "of MOVi."
        )


def _class_names(content: Any) -> set[str]:
    names, rest = set(), [content]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            for key in ("pythonClassName", "python_class_name", "type"):
                if isinstance(value.get(key), str):
                    names.add(value[key])
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
    return names


def _lookup(features: Any, key: str) -> Any | None:
    """The feature at "a/b/c", None where there is none."""
    for part in key.split("/"):
        try:
            if part not in features:
                return None
            features = features[part]
        except (TypeError, AttributeError, KeyError):
            return None
    return features


def _category_names(feature: Any) -> tuple[str, ...]:
    if not hasattr(feature, "num_classes"):
        return ()
    names = getattr(feature, "names", None)
    return tuple(names) if names else tuple(map(str, range(feature.num_classes or 0)))


def _sequence(dtype: tf.DType, shape: Sequence[int] = ()) -> tf.io.FixedLenSequenceFeature:
    return tf.io.FixedLenSequenceFeature(list(shape), dtype, allow_missing=True)
