"""The datasets of Generative Query Networks (GQN), in the files that DeepMind published (gqn-datasets).

A record is a scene and some views of it from random places; nothing moves. **The views have no order**: a clip of them
is no video, and an object's place in one view says nothing about its place in the next. The files are read as they
come from gs://gqn-dataset, plain TFRecords `<name>/<train|test>/<i>-of-<n>.tfrecord` counted from 1 and padded with
zeros to the width of n (`0001-of-2160.tfrecord`), of

| feature   | list  | content                                                            |
|-----------|-------|--------------------------------------------------------------------|
| `frames`  | bytes | T JPEGs of H x H pixels                                            |
| `cameras` | float | [T, 5]: x, y, z, yaw, pitch of each view's camera, angles in radians |

There are no masks. The sets, with their T and H:

| name                                     | T   | H   | shards: train, test |
|------------------------------------------|-----|-----|---------------------|
| `rooms_ring_camera`                      | 10  | 64  | 2160, 240           |
| `rooms_free_camera_no_object_rotations`  | 10  | 64  | 2160, 240           |
| `rooms_free_camera_with_object_rotations`| 10  | 128 | 2034, 226           |
| `jaco`                                   | 11  | 64  | 3600, 400           |
| `shepard_metzler_5_parts`                | 15  | 64  | 900, 100            |
| `shepard_metzler_7_parts`                | 15  | 64  | 900, 100            |
| `mazes`                                  | 300 | 84  | 1080, 120           |

Any part of the shards may be there: they are big, and each is a random part of the set.
"""

import os
from collections.abc import Sequence

import tensorflow as tf
from google.protobuf.message import DecodeError

from simone_tf.data.clip import Clip
from simone_tf.data.formats.graph_checks import checked
from simone_tf.data.formats.reader import ClipReader
from simone_tf.errors import UserError

SETS: dict[str, tuple[int, int]] = {
    "rooms_ring_camera": (10, 64),
    "rooms_free_camera_no_object_rotations": (10, 64),
    "rooms_free_camera_with_object_rotations": (10, 128),
    "jaco": (11, 64),
    "shepard_metzler_5_parts": (15, 64),
    "shepard_metzler_7_parts": (15, 64),
    "mazes": (300, 84),
}
"""Name of each published set -> views per scene, pixels of a view's side."""


class GQNRooms(ClipReader):
    """Reads the published files of one of the GQN sets.

    Fields: `video` uint8 [T, H, H, 3], the views in the order of the file, which means nothing; `camera` float32
    [T, 7]: x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch) of each view. T and H are the set's, see the module.

    Args:
      data_dir: the folder that holds the folders `<name>/<split>`, or the folder `<name>` itself.
      split: "train" or "test".
      name: which set, one of `SETS`.
      stand_in: a command line that makes look-alike data, named when the files are missing.
      on_corrupt, crop, resize: see `ClipReader`.

    Raises:
      UserError: there is no such set.
    """

    fields = ("video", "camera")
    camera_convention = "yaw_pitch"
    pictures = "frames"
    features = ("frames", "cameras")
    file_pattern = "NNNNN-of-NNNNN.tfrecord"

    def __init__(
        self,
        data_dir: str,
        split: str,
        *,
        name: str = "rooms_ring_camera",
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        if name not in SETS:
            raise UserError(f"GQNRooms.name is {name!r}: choose one of {', '.join(SETS)}.")
        super().__init__(data_dir, split, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize)
        self.name = name
        self.source = f"gs://gqn-dataset/{name}/{split}"

    @property
    def folders(self) -> tuple[str, ...]:
        return (os.path.join(self.data_dir, self.name, self.split), os.path.join(self.data_dir, self.split))

    def parse_fault(self, shard: str, index: int, record: tf.Tensor, error: Exception) -> str:
        """As that of every reader; of a record with the views of another set it names that set."""
        fault = super().parse_fault(shard, index, record, error)
        views = SETS[self.name][0]
        try:
            found = len(tf.train.Example.FromString(record.numpy()).features.feature["frames"].bytes_list.value)
        except DecodeError:
            return fault
        if found in (0, views):
            return fault
        others = [name for name, (count, _) in SETS.items() if count == found]
        mend = f"set GQNRooms.name to {' or '.join(others)}" if others else "download or make it again"
        return (
            f"{shard}: record {index} is not a record of GQNRooms with name {self.name!r}: it has {found} views and "
            f"not {views}; {mend}."
        )

    def _decode(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        views, size = SETS[self.name]
        specs = {
            "video": ("frames", tf.io.FixedLenFeature([views], tf.string)),
            "camera": ("cameras", tf.io.FixedLenFeature([views, 5], tf.float32)),
        }
        record = tf.io.parse_single_example(serialized, dict(specs[name] for name in fields))
        clip = {}
        for name in fields:
            value = record[specs[name][0]]
            clip[name] = _decode_jpegs(value, size) if name == "video" else _camera(value)
        return clip


def _decode_jpegs(images: tf.Tensor, size: int) -> tf.Tensor:
    """uint8 [T, size, size, 3] of T JPEGs; their headers are looked at before anything is allocated for a picture."""
    encoded = tf.unstack(images)
    sizes = tf.stack([tf.image.extract_jpeg_shape(image) for image in encoded])
    refusal = f"A view is not {size} pixels high and wide; heights, widths and channels found:"
    encoded = checked(encoded, tf.reduce_all(sizes[:, :2] == size), refusal, sizes, summarize=6)
    # TensorFlow's default cosine transform is off by up to 8 of 255 and hardly faster.
    frames = [tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE") for image in encoded]
    return tf.ensure_shape(tf.stack(frames), [len(frames), size, size, 3])


def _camera(cameras: tf.Tensor) -> tf.Tensor:
    """[T, 7] of [T, 5], as GQN's own reader hands it to its network: an angle as the point it makes on a circle."""
    yaw, pitch = cameras[:, 3:4], cameras[:, 4:5]
    return tf.concat([cameras[:, :3], tf.sin(yaw), tf.cos(yaw), tf.sin(pitch), tf.cos(pitch)], axis=1)
