"""What the image sets of DeepMind's multi_object_datasets share: every byte of an image is a string of its own.

objects_room, clevr_with_masks, multi_dsprites and tetrominoes are GZIP TFRecords of `tf.train.Example`. `image`, `mask`
and the categories hold one value of type bytes per element, each of length 1: an image of 64x64 pixels is a list of
12,288 strings. Making a string of each byte, as `tf.io.parse_single_example` does, costs more than all the rest of
reading. On the wire such a list is the bytes 0a 01 v (field 1, length 1, the byte) once per element, so here the list
is taken as it was written, as one run of bytes, and every third byte is picked out of it. Features that are not asked
for are passed over.
"""

import abc
import functools
import math
import os
import types
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.formats.graph_checks import checked
from simone_tf.data.formats.reader import Attribute, ClipReader
from simone_tf.data.tfrecords.split_files import NO_END
from simone_tf.errors import UserError

_ELEMENT_START = b"\x0a\x01"
_WIDTH = len(_ELEMENT_START) + 1


def decode_one_byte_strings(serialized: tf.Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, tf.Tensor]:
    """Reads features of one-byte strings out of serialized `tf.train.Example`s; graph code.

    Args:
      serialized: [B] strings, B static.
      shapes: feature name -> its shape; the order in which the record holds its features does not matter.

    Returns:
      Feature name -> uint8 tensor [B, *shape].

    Raises:
      tf.errors.InvalidArgumentError: a feature is missing, has another number of elements, or elements that are not one
        byte long; or a record is no Example.
    """
    if not shapes:
        return {}
    # Lists of fields are padded with empty strings to the length of the longest of the batch.
    contents = _strings(serialized, "tensorflow.Example", "features")[:, 0]
    entries = _strings(contents, "tensorflow.Features", "feature")
    names = tf.io.decode_proto(entries, "tensorflow.Features.FeatureEntry", ["key"], [tf.string]).values[0]
    order = tf.range(1, tf.shape(entries)[1] + 1)
    decoded = {}
    for name, shape in shapes.items():
        # A name that comes twice counts as it was written last, as everywhere in protocol buffers.
        last = tf.reduce_max(tf.where(tf.equal(names[:, :, 0], name), order, 0), axis=1)
        last = checked(last, tf.reduce_all(last > 0), f"It has no feature {name}.")
        entry = tf.gather(entries, tf.maximum(last - 1, 0), axis=1, batch_dims=1)
        decoded[name] = tf.reshape(_bytes_of(entry, name, math.prod(shape)), [serialized.shape[0], *shape])
    return decoded


def _bytes_of(entries: tf.Tensor, name: str, size: int) -> tf.Tensor:
    """uint8 [B, size] of [B] serialized entries of this name.

    As every writer spells them, the entry of a name and a size always starts with the same bytes, so that one
    comparison says that it holds what it should. Other spellings of the same are taken apart field by field.
    """
    start = _usual_start(name, size)
    words, as_usual = _compared(entries, start, size)

    def unusual():
        feature = _strings(entries, "tensorflow.Features.FeatureEntry", "value")[:, 0]
        elements = _strings(feature, "tensorflow.Feature", "bytes_list")
        refusal = f"Its feature {name} is not a list of {size} one-byte strings."
        elements = checked(elements, tf.equal(tf.shape(elements)[1], 1), refusal)[:, 0]
        words, fits = _compared(elements, b"", size)
        return _picked(checked(words, fits, refusal), 0, size)

    return tf.cond(as_usual, lambda: _picked(words, len(start), size), unusual)


def _usual_start(name: str, size: int) -> bytes:
    """What an entry of so many one-byte strings has before the first of them: its name, and lengths."""
    elements = tf.train.BytesList(value=[b"\0"] * size)
    entry = tf.train.Features.FeatureEntry(key=name, value=tf.train.Feature(bytes_list=elements)).SerializeToString()
    return entry[: len(entry) - _WIDTH * size]


def _compared(strings: tf.Tensor, start: bytes, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """[B] strings as int64 words [B, n], and whether each is `start` and then `size` strings of one byte.

    Of every three bytes after the start, the first two say "a string of one byte". Eight bytes are compared at a time:
    picking the bytes out first takes seven times as long.
    """
    length = len(start) + _WIDTH * size
    wanted = np.frombuffer(start + (_ELEMENT_START + b"\0") * size, np.uint8)
    relevant = np.frombuffer(b"\xff" * len(start) + (b"\xff" * len(_ELEMENT_START) + b"\0") * size, np.uint8)
    padding = [0, -length % (8 * _WIDTH)]  # whole words and whole elements
    wanted, relevant = (np.pad(values, padding).view("<i8") for values in (wanted, relevant))
    words = tf.io.decode_raw(strings, tf.int64, fixed_length=wanted.nbytes)  # what is missing is zero
    fits = tf.reduce_all(tf.equal(tf.bitwise.bitwise_and(words, relevant), wanted))
    return words, fits & tf.reduce_all(tf.equal(tf.strings.length(strings), length))


def _picked(words: tf.Tensor, start: int, size: int) -> tf.Tensor:
    """uint8 [B, size], the bytes of the elements that begin after so many bytes of the words."""
    elements = tf.reshape(tf.bitcast(words, tf.uint8), [words.shape[0], -1, _WIDTH])
    first, place = divmod(start + len(_ELEMENT_START), _WIDTH)
    return elements[:, first : first + size, place]


def _strings(messages: tf.Tensor, message_type: str, field: str) -> tf.Tensor:
    """The occurrences of a field in each of [B] serialized messages, as serialized strings `[B, n]`."""
    return tf.io.decode_proto(messages, message_type, [field], [tf.string]).values[0]


class OneByteStringImages(ClipReader):
    """Reads an image set of this encoding as clips of one frame; a subclass says what the set holds.

    A set has one file per split, and no held-out split as a rule: `records` divides the file.

    Args:
      data_dir: the folder with the files, or the one above it (`<data_dir>/<folder>`, with the bucket's folder name).
      split: names the file.
      records: (first, stop), the records of the file to read, counted from 0, `stop` not among them; None as `stop`
        reads to the end, None for both reads all. `(0, 320)` and `(320, None)` divide a file into two disjoint parts.
      stand_in, on_corrupt, crop, resize: as for `ClipReader`.

    Raises:
      UserError: `records` is no such pair.
    """

    folder = ""
    """The folder in the bucket gs://multi-object-datasets."""

    parses_batches = True

    num_background = 1
    """How many of the first entities are background; the others are the objects."""

    entity_axis = 0
    """The axis of `mask` that counts the entities."""

    attribute_features: tuple[str, ...] = ()
    """The features whose numbers, one after the other, are the columns of `object_attributes`."""

    published_files: Mapping[str, tuple[int, int]] = types.MappingProxyType({})
    """File name -> size in bytes and number of records of the published file."""

    def __init__(
        self,
        data_dir: str,
        split: str = "train",
        *,
        records: tuple[int, int | None] | None = None,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        super().__init__(data_dir, split, stand_in=stand_in, on_corrupt=on_corrupt, crop=crop, resize=resize)
        self._first, self._stop = _checked_range(records, type(self).__name__)

    @property
    @abc.abstractmethod
    def byte_features(self) -> dict[str, tuple[int, ...]]:
        """The features of one-byte strings: name -> shape; `image` [H, W, C] and `mask` among them."""

    @property
    def float_features(self) -> dict[str, tuple[int, ...]]:
        """The features of real numbers: name -> shape, the entities first."""
        return {}

    @property
    def features(self) -> tuple[str, ...]:
        return (*self.byte_features, *self.float_features)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name, needed in self._needed.items() if needed and set(needed) <= set(self.features))

    @property
    def source(self) -> str:
        return f"gs://multi-object-datasets/{self.folder}"

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.data_dir, os.path.join(self.data_dir, self.folder))

    @property
    def _needed(self) -> dict[str, tuple[str, ...]]:
        """Clip field -> the features it is made of."""
        return {
            "video": ("image",),
            "segments": ("mask",),
            "object_positions": ("x", "y", "z"),
            "object_visible": ("visibility",),
            "object_attributes": self.attribute_features,
        }

    @property
    def _known_count(self) -> Callable[[str], int | None]:
        return functools.partial(_published_count, self.published_files)

    @property
    def _records_of_shard(self) -> tuple[int, int]:
        return self._first, self._stop

    def _decode(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        needed = {feature for name in fields for feature in self._needed[name]}
        floats = {
            name: tf.io.FixedLenFeature(shape, tf.float32)
            for name, shape in self.float_features.items()
            if name in needed
        }
        record = tf.io.parse_single_example(serialized, floats) if floats else {}
        shapes = {name: shape for name, shape in self.byte_features.items() if name in needed}
        record |= {name: values[0] for name, values in decode_one_byte_strings(serialized[tf.newaxis], shapes).items()}
        return {name: getattr(self, f"_{name}")(record) for name in fields}

    def _parse_videos(self, serialized: tf.Tensor, num_frames: int) -> tf.Tensor:
        assert num_frames == 1, num_frames
        images = decode_one_byte_strings(serialized, {"image": self.byte_features["image"]})["image"]
        return self._video({"image": images})[0][:, tf.newaxis]  # [B, 1, H, W, 3]

    def _video(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
        image = record["image"]
        return (tf.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image)[tf.newaxis]  # [1, H, W, 3]

    def _segments(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
        masks = tf.squeeze(record["mask"], axis=-1)
        entities = tf.argmax(masks, axis=self.entity_axis, output_type=tf.int32)
        return tf.maximum(entities - (self.num_background - 1), 0)[tf.newaxis]  # [1, H, W]

    def _object_visible(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return record["visibility"][tf.newaxis, self.num_background :] > 0  # [1, N]

    def _object_positions(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
        positions = tf.stack([record[name] for name in self._needed["object_positions"]], axis=-1)
        return positions[tf.newaxis, self.num_background :]  # [1, N, 3]

    def _object_attributes(self, record: Mapping[str, tf.Tensor]) -> tf.Tensor:
        columns = [
            tf.cast(tf.reshape(record[name], [record[name].shape[0], -1]), tf.float32)
            for name in self.attribute_features
        ]
        return tf.concat(columns, axis=-1)[self.num_background :]  # [N, A]


def category(name: str, num_codes: int, falsified_by: tuple[str, ...] | None = None) -> Attribute:
    """A column of integer codes from 0 on whose meaning the format does not tell: each is called by its number."""
    return Attribute(name, tuple(str(code) for code in range(num_codes)), falsified_by)


def _published_count(published_files: Mapping[str, tuple[int, int]], shard: str) -> int | None:
    """The number of records of a file that has the name and the size of a published one, else None."""
    size, count = published_files.get(os.path.basename(shard), (None, 0))
    return count if tf.io.gfile.stat(shard).length == size else None


def _checked_range(records: tuple[int, int | None] | None, reader: str) -> tuple[int, int]:
    first, stop = (0, None) if records is None else records
    stop = NO_END if stop is None else stop
    if not 0 <= first < stop:
        raise UserError(
            f"{reader}.records is {records}: name the first record and the one to stop before, as in (0, 320), or None "
            "for all."
        )
    return first, stop
