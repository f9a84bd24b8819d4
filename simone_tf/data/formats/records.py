"""This project's own clip files: TFRecords of lossless clips with segments, camera and object states.

A dataset is one folder:

    <data_dir>/dataset.json                         the sidecar: what is in which split (below)
    <data_dir>/<split>-00000-of-00004.tfrecord      shards of a split: TFRecord, plain or as a whole in GZIP or ZLIB

Each record is a serialized `tf.train.Example` with these features (T frames of H x W pixels, N objects, C camera
numbers). All but the first three may be missing; what is missing is not known.

| feature            | list  | length    | meaning                                                                   |
|--------------------|-------|-----------|---------------------------------------------------------------------------|
| `schema_version`   | int64 | 1         | 1; a reader refuses a number greater than the one it knows                |
| `shape`            | int64 | 3         | T, H, W                                                                   |
| `video`            | bytes | T / F     | 8-bit RGB PNGs of F * H lines of W pixels: F consecutive frames, one      |
|                    |       |           | below the other, the first on top                                         |
| `frames_per_image` | int64 | 1         | F, a divisor of T: how many frames one PNG holds                          |
| `segments`         | bytes | T / F     | grayscale PNGs of the same layout: 0 = background, k = instance k, the    |
|                    |       |           | same k in every frame; 8-bit when every k of the clip is below 256,       |
|                    |       |           | else 16-bit                                                               |
| `camera_width`     | int64 | 1         | C                                                                         |
| `camera`           | float | T * C     | row-major [T, C]; generated scenes have C = 7: x, y, z, sin(yaw),         |
|                    |       |           | cos(yaw), sin(pitch), cos(pitch) of the viewing direction                 |
| `num_objects`      | int64 | 1         | N; index i of the lists below is instance k = i + 1 of `segments`   |
| `object_positions` | float | T * N * 3 | row-major [T, N, 3], world coordinates; of generated clips the centre of  |
|                    |       |           | the object's bounding box, which of a ring or a table lies off its mask   |
| `object_visible`   | int64 | T * N     | row-major [T, N], 0 or 1: the instance shows at least one pixel           |
| `object_moving`    | int64 | N         | 0 or 1: the instance moves by itself during the clip                      |
| `attribute_width`  | int64 | 1         | A                                                                         |
| `object_attributes`| float | N * A     | row-major [N, A]; the sidecar's `attributes` says what the columns are    |

All records of a split have the same T, H, W, N and C. The sidecar `dataset.json` saves counting the records of a big
set and says how they were made; a set is readable without it:

    {"schema_version": 1,
     "splits": {"train": {"num_clips": 3000, "frames": 4, "height": 24, "width": 24,
                          "fields": ["video", "segments", "object_attributes"],
                          "attributes": [{"name": "shape", "values": ["sphere", "cube"]}, {"name": "size"}],
                          "shards": {"train-00000-of-00002.tfrecord": 1500, "train-00001-of-00002.tfrecord": 1500},
                          "generator": {"preset": "quickstart", "seed": 0}}}}

To read one record without this package: parse the Example, decode the PNGs of `video` and reshape them to [T, H, W, 3].
`write_records` writes such files.
"""

import contextlib
import functools
import os
from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.clip import DTYPES, FIELDS, Clip
from simone_tf.data.formats import png
from simone_tf.data.formats.graph_checks import checked
from simone_tf.data.formats.reader import Attribute, ClipReader
from simone_tf.data.formats.sidecar import SCHEMA_VERSION, SIDECAR, read_sidecar
from simone_tf.data.tfrecords.faults import DATA_ERRORS, feature_names
from simone_tf.data.tfrecords.split_files import Listing
from simone_tf.errors import UserError

PACKAGE_PREFIX = "package:"
MAX_CLIP_PIXELS = 2**27
"""A record that claims more pixels than this in all its frames is refused: 2**27 is 8,192 frames of 128x128."""


class ClipRecords(ClipReader):
    """Reads the clip files described above.

    Args:
      data_dir: the dataset's folder, or "package:NAME" for a set that is shipped inside this package.
      split: for example "train".
      stand_in: a command line that makes such a set, named when the files are missing.
      on_corrupt, crop, resize: as for `ClipReader`.
    """

    source = "a set made by tools/make_dataset.py"
    pictures = "video"
    parses_batches = True
    features = ("schema_version", "shape", "frames_per_image", "video")

    def __init__(
        self,
        data_dir: str,
        split: str,
        *,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        data_dir = os.fspath(data_dir)
        if data_dir.startswith(PACKAGE_PREFIX):
            name = data_dir.removeprefix(PACKAGE_PREFIX)
            embedded = os.path.join(os.path.dirname(os.path.dirname(__file__)), "embedded")
            shipped = sorted(os.listdir(embedded)) if os.path.isdir(embedded) else []
            if name not in shipped:
                raise UserError(
                    f"No dataset {name!r} is shipped with this package: use one of "
                    f"{', '.join(PACKAGE_PREFIX + other for other in shipped) or 'your own folders'}."
                )
            data_dir = os.path.join(embedded, name)
        super().__init__(data_dir, split, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize)

    @property
    def file_pattern(self) -> str:
        return f"{self.split}-NNNNN-of-NNNNN.tfrecord"

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        record = self.first_record()
        try:
            self._parse(record, ())
        except DATA_ERRORS as error:
            raise UserError(self.parse_fault(self.files.shards()[0], 0, record, error)) from error
        present = feature_names(record)
        return tuple(name for name in FIELDS if name in present)

    @functools.cached_property
    def camera_convention(self) -> str | None:
        # Of generated clips it is known, an imported set may say it.
        split = (read_sidecar(self.data_dir) or {"splits": {}})["splits"].get(self.split, {})
        return "yaw_pitch" if "preset" in (split.get("generator") or {}) else split.get("camera_convention")

    @functools.cached_property
    def attributes(self) -> tuple[Attribute, ...]:
        sidecar = read_sidecar(self.data_dir) or {"splits": {}}
        columns = sidecar["splits"].get(self.split, {}).get("attributes", [])
        try:
            return tuple(
                Attribute(str(column["name"]), tuple(map(str, column.get("values", ())))) for column in columns
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(
                f"{os.path.join(self.data_dir, SIDECAR)} gives no list of names in 'attributes' of split "
                f"{self.split!r}: restore it or move it away."
            ) from error

    @property
    def _listing(self) -> Listing:
        sidecar = read_sidecar(self.data_dir) or {"splits": {}}
        listed = sidecar["splits"].get(self.split, {}).get("shards", {})
        if not isinstance(listed, dict) or not all(isinstance(n, int) and n > 0 for n in listed.values()):
            path = os.path.join(self.data_dir, SIDECAR)
            raise UserError(
                f"{path} gives no clip counts in 'shards' of split {self.split!r}: restore it or move it away."
            )
        return Listing(SIDECAR, listed)

    def _decode(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        one = tf.io.FixedLenFeature([], tf.int64)
        spec = {"schema_version": one, "shape": tf.io.FixedLenFeature([3], tf.int64), "frames_per_image": one}
        kinds = {"video": tf.string, "segments": tf.string}
        for name in fields:
            kind = kinds.get(name, tf.float32 if DTYPES[name] == tf.float32 else tf.int64)
            spec[name] = tf.io.FixedLenSequenceFeature([], kind, allow_missing=True)
        if "camera" in fields:
            spec["camera_width"] = one
        if "object_attributes" in fields:
            spec["attribute_width"] = one
        if any(name.startswith("object_") for name in fields):
            spec["num_objects"] = one
        record = tf.io.parse_single_example(serialized, spec)
        for name in ("camera_width", "attribute_width", "num_objects"):
            if name in record:
                # To a reshape, -1 would be whatever fits.
                refusal = f"{name} is negative or beyond {MAX_CLIP_PIXELS}; found:"
                fits = (record[name] >= 0) & (record[name] <= MAX_CLIP_PIXELS)
                record[name] = checked(record[name], fits, refusal, record[name])
        shape = _checked_shape(record["schema_version"], record["shape"])
        frames, height, width = shape[0], shape[1], shape[2]
        clip = {}

        def filled(name, values, *sides):
            """The values in their shape, once there are as many as it takes."""
            wanted = tf.reduce_prod(tf.stack([tf.cast(side, tf.int64) for side in sides]))
            found = tf.size(values, tf.int64)
            refusal = f"{name} has another number of values than its sizes say; found, and wanted:"
            return tf.reshape(checked(values, found == wanted, refusal, found, wanted), sides)

        for name in fields:
            values = record[name]
            if name in ("video", "segments"):
                count, per_image = tf.size(values, tf.int64), record["frames_per_image"]
                refusal = f"{name} has other pictures than its frames need; pictures, frames in each, and frames found:"
                fits = (per_image > 0) & (per_image <= frames) & (count * per_image == frames)
                values = checked(values, fits, refusal, count, per_image, frames)
                clip[name] = png.decode_frames(values, frames, height, width, channels=3 if name == "video" else 1)
            elif name == "camera":
                clip[name] = filled(name, values, frames, record["camera_width"])
            elif name == "object_positions":
                clip[name] = filled(name, values, frames, record["num_objects"], 3)
            elif name == "object_visible":
                clip[name] = filled(name, values, frames, record["num_objects"]) > 0
            elif name == "object_moving":
                clip[name] = filled(name, values, record["num_objects"]) > 0
            elif name == "object_attributes":
                clip[name] = filled(name, values, record["num_objects"], record["attribute_width"])
        return clip

    def _parse_videos(self, serialized: tf.Tensor, num_frames: int) -> tf.Tensor:
        # The size and layout are those of the first record, the other records are held to them.
        height, width, per_image = self._layout
        batch, count = serialized.shape[0], num_frames // per_image
        layout = {"shape": [num_frames, height, width], "frames_per_image": [per_image]}
        spec = {name: tf.io.FixedLenFeature([len(values)], tf.int64) for name, values in layout.items()}
        spec["schema_version"] = tf.io.FixedLenFeature([], tf.int64)
        record = tf.io.parse_example(serialized, spec | {"video": tf.io.FixedLenFeature([count], tf.string)})
        images = tf.reshape(record["video"], [batch * count])
        newest = tf.reduce_max(record["schema_version"])
        images = checked(images, newest <= SCHEMA_VERSION, f"schema_version is beyond {SCHEMA_VERSION}:", newest)
        for name, values in layout.items():
            wanted = "x".join(map(str, values))  # Brackets would be taken for those of the list of what was found.
            refusal = f"A clip of the batch has another {name} than the first, which has {wanted}; found:"
            images = checked(images, tf.reduce_all(record[name] == [values]), refusal, record[name], summarize=30)
        frames = png.decode_frames(images, batch * num_frames, height, width, channels=3)
        return tf.reshape(frames, [batch, num_frames, height, width, 3])

    @functools.cached_property
    def _layout(self) -> tuple[int, int, int]:
        """H and W of the stored frames, and how many frames one picture holds, in the first record."""
        features = {"shape": [3], "frames_per_image": []}
        spec = {name: tf.io.FixedLenFeature(shape, tf.int64) for name, shape in features.items()}
        with tf.init_scope():  # Asked for while a graph is made.
            first = tf.io.parse_single_example(self.first_record(), spec)
            return (*first["shape"].numpy().tolist()[1:], int(first["frames_per_image"]))

    def _looks_right(self, record: tf.Tensor) -> bool:
        try:
            self._parse(record, ())
        except DATA_ERRORS:
            return False
        return super()._looks_right(record)

    def parse_fault(self, shard: str, index: int, record: tf.Tensor, error: Exception) -> str:
        with contextlib.suppress(Exception):  # Whatever cannot be read as an Example is told by the base class.
            example = tf.train.Example.FromString(record.numpy())
            version = example.features.feature["schema_version"].int64_list.value[0]
            if version > SCHEMA_VERSION:
                return (
                    f"{shard}: record {index} has schema_version {version}, this program reads up to "
                    f"{SCHEMA_VERSION}: update simone_tf."
                )
        return super().parse_fault(shard, index, record, error)


def _checked_shape(version: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """`shape` once it is known to be of this schema and of a size that is safe to allocate."""
    fits = (
        (version <= SCHEMA_VERSION)
        & tf.reduce_all((shape > 0) & (shape <= MAX_CLIP_PIXELS))
        # One factor after the other, so that the product cannot leave 64 bits.
        & (shape[0] * shape[1] <= MAX_CLIP_PIXELS)
        & (shape[0] * shape[1] * shape[2] <= MAX_CLIP_PIXELS)
    )
    return checked(shape, fits, "The record's schema_version or shape is beyond what can be read:", version, shape)
