"""What every reader of a clip format offers, and how its faults are told to the user."""

import abc
import functools
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from simone_tf.data import tfrecord
from simone_tf.data.clip import FIELDS, FRAME_FIELDS, Clip
from simone_tf.errors import UserError

DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    # TensorFlow quotes a record that is no tf.train.Example in its error text, and Python cannot always decode that.
    UnicodeDecodeError,
)
"""What reading or parsing a damaged or foreign file raises; to be handed to `explain_data_error`."""


class Attribute(NamedTuple):
    """One column of `object_attributes`: its name, and the names of its values 0, 1, ... where it is a category."""

    name: str
    values: tuple[str, ...] = ()


class ClipReader(abc.ABC):
    """Reads one split of a dataset of TFRecord shards in one format.

    A subclass says where its shards are (`folders`, `file_pattern`) and how one record becomes a clip (`fields`,
    `features`, `parse`). Everything here is lazy: nothing is opened before the first call.

    Attributes:
      data_dir: the folder the user named.
      split: for example "train".
      stand_in: a command line that makes look-alike data, `{data_dir}` in it standing for the folder; named in the
        error when the real files are missing.
    """

    source = "its publisher"
    """Where the files come from, to be named when they are missing."""

    def __init__(self, data_dir: str, split: str, *, stand_in: str = ""):
        self.data_dir = os.fspath(data_dir)
        self.split = split
        self.stand_in = stand_in
        self._counts: dict[str, int] = {}

    @property
    @abc.abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The clip fields this dataset can yield."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The columns of `object_attributes`; none where the format has no such field or does not name them."""
        return ()

    @property
    @abc.abstractmethod
    def file_pattern(self) -> str:
        """The shards' file names with `NNNNN` for each number: `train-NNNNN-of-NNNNN.tfrecord`."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders to look in, in this order; the first that holds a shard is the one."""
        return (self.data_dir,)

    @property
    @abc.abstractmethod
    def features(self) -> tuple[str, ...]:
        """The `tf.train.Example` features that every record of this format has."""

    @abc.abstractmethod
    def parse(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        """Turns one serialized record into a clip that holds `fields`; graph code.

        `video` comes as uint8 in [0, 255] where the file holds 8 bits: it is kept small until batches are made, see
        `clip.as_float`. Features that the asked fields do not need are not parsed.

        Raises:
          tf.errors.InvalidArgumentError: the record is not of this format.
        """

    def shards(self) -> tuple[str, ...]:
        """The sorted paths of the split's shards.

        Raises:
          UserError: none is there, one is empty or no TFRecord file, or the shards are of two different sets.
        """
        return tuple(self._compressions)

    def count(self, shard: str) -> int:
        """The number of records of a shard: known for the format, or counted once."""
        if shard not in self._counts:
            known = self.known_count(shard)
            self._counts[shard] = tfrecord.count_records(shard, self._compressions[shard]) if known is None else known
        return self._counts[shard]

    def known_count(self, shard: str) -> int | None:
        """The number of records of a shard where the format tells it without reading the shard, else None."""
        del shard
        return None

    def serialized(self, shards: Sequence[str] | tf.Tensor) -> tf.data.Dataset:
        """The records of some of this reader's shards, one shard after the other, not parsed.

        Args:
          shards: paths as `shards()` gives them; also a string tensor [S], so that graph code may choose the order.

        Returns:
          A dataset of scalar strings.
        """
        paths = list(self._compressions)
        compressions = list(self._compressions.values())

        def records(path: tf.Tensor) -> tf.data.Dataset:
            compression = tf.gather(compressions, tf.argmax(tf.equal(paths, path)))
            return tf.data.TFRecordDataset(path, compression, buffer_size=2**20)

        if not tf.is_tensor(shards):
            shards = tf.constant(list(shards), tf.string)
        return tf.data.Dataset.from_tensor_slices(shards).flat_map(records)

    def first_clip(self, fields: Sequence[str]) -> Clip:
        """The first clip of the split.

        Raises:
          UserError: a field is not one this dataset has, or the first record cannot be read.
        """
        self.check_fields(fields)
        try:
            with tf.device("CPU:0"):
                return self.parse(self.first_record(), fields)
        except DATA_ERRORS as error:
            raise UserError(self._parse_fault(self.shards()[0], 0, self.first_record(), error)) from error

    def clip_shape(self) -> tuple[int, int, int]:
        """(T, H, W) of the split's first clip."""
        frames, height, width, _ = self.first_clip(("video",))["video"].shape
        return frames, height, width

    def check_fields(self, fields: Sequence[str]) -> None:
        """Raises UserError when one of the fields is not in this dataset."""
        missing = [name for name in fields if name not in self.fields]
        if missing:
            raise UserError(
                f"{self.data_dir} (split {self.split!r}) has no {' and no '.join(missing)}: "
                f"it has {', '.join(self.fields)}; choose a dataset that has it or leave out what needs it."
            )

    @functools.cached_property
    def _compressions(self) -> dict[str, str]:
        """Path of each shard, sorted -> its compression."""
        return {path: tfrecord.sniff_compression(path) for path in self._find()}

    def _find(self) -> list[str]:
        pattern = re.compile(re.escape(self.file_pattern).replace("NNNNN", r"(\d+)") + r"\Z")
        for folder in self.folders:
            if not tf.io.gfile.isdir(folder):
                continue
            matches = [match for match in map(pattern.match, sorted(tf.io.gfile.listdir(folder))) if match]
            set_sizes = sorted({match.groups()[-1] for match in matches if match.groups()})
            if len(set_sizes) > 1:
                raise UserError(
                    f"{folder} holds shards of {len(set_sizes)} different sets for split {self.split!r} "
                    f"(-of-{' and -of-'.join(set_sizes)}): move all but one set away."
                )
            if matches:
                return [os.path.join(folder, match.string) for match in matches]
        found = "which does not exist" if not tf.io.gfile.isdir(self.data_dir) else "which holds no such file"
        advice = f"put the files of {self.source} there"
        if self.stand_in:
            # No full stop behind it: the line is there to be copied.
            advice += f", or make a stand-in with: {self.stand_in.replace('{data_dir}', self.data_dir)}"
        else:
            advice += "."
        elsewhere = f" or {' or '.join(self.folders[1:])}" if len(self.folders) > 1 else ""
        raise UserError(f"No {self.file_pattern} in {self.folders[0]}{elsewhere}, {found}: {advice}")

    def first_record(self) -> tf.Tensor:
        """The first record of the first shard, serialized."""
        shard = self.shards()[0]
        try:
            return next(iter(self.serialized([shard])))
        except DATA_ERRORS as error:
            raise UserError(f"{shard} is damaged ({tfrecord.first_line(error)}): download or make it again.") from error

    def _parse_fault(self, shard: str, index: int, record: tf.Tensor, error: Exception) -> str:
        """One sentence on why a record that could be read could not be parsed."""
        found = feature_names(record)
        where = f"{shard}: record {index} is not a record of {type(self).__name__}"
        if found is None:
            return f"{where}: it is not a tf.train.Example; check that the files are those of this dataset."
        missing = [name for name in self.features if name not in found]
        if missing:
            shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
            return (
                f"{where}: it has no feature {' and no '.join(missing)}, only {shown or 'none at all'}; "
                "name the reader that fits these files."
            )
        return f"{where} ({tfrecord.first_line(error)}): download or make it again."


def feature_names(record: tf.Tensor | bytes) -> list[str] | None:
    """The sorted feature names of a serialized `tf.train.Example`, or None when it is no Example."""
    serialized = record.numpy() if tf.is_tensor(record) else record
    try:
        return sorted(tf.train.Example.FromString(serialized).features.feature)
    except Exception:  # The exception class depends on the protobuf implementation.
        return None


def explain_data_error(
    error: Exception, reader: ClipReader, fields: Sequence[str] = ("video",), num_frames: int | None = None
) -> UserError | None:
    """Finds the file behind an error that TensorFlow raised while data was read.

    TensorFlow's message names neither the shard nor the record, so the shards are read again, one by one, up to the
    first that cannot be read or parsed. This takes as long as reading the dataset once, and happens once.

    Args:
      error: what iterating raised, one of `DATA_ERRORS`; for any other the answer is None at once.
      reader: the reader whose data was iterated.
      fields: the clip fields that were asked for.
      num_frames: the frames that every clip needs; None where all clips need as many as the first.

    Returns:
      A `UserError` of one sentence that names the file, to be raised `from error`; None when every record reads and
      parses well, so that the error has another cause.
    """
    if not isinstance(error, DATA_ERRORS):
        return None
    try:
        shapes = {name: value.shape for name, value in reader.first_clip(fields).items()}
        for shard in reader.shards():
            fault = _fault(reader, shard, fields, shapes, num_frames)
            if fault:
                return UserError(fault)
    except UserError as fault:
        return fault
    return None


def _fault(
    reader: ClipReader, shard: str, fields: Sequence[str], shapes: dict[str, tf.TensorShape], num_frames: int | None
) -> str | None:
    """One sentence on the first record of a shard that cannot be read, parsed or batched; None when all is well."""
    if not tf.io.gfile.exists(shard):
        return f"{shard} is gone: it was there when reading started; put it back and start again."
    compression = tfrecord.sniff_compression(shard)
    if compression == "":
        # Before TensorFlow opens it: a damaged length field could end the process.
        tfrecord.count_records(shard, compression)
    index = -1
    parse = tf.function(lambda record: reader.parse(record, fields), input_signature=[tf.TensorSpec([], tf.string)])
    records = iter(reader.serialized([shard]))
    while True:
        try:
            record = next(records, None)
        except DATA_ERRORS as error:
            return (
                f"{shard} is damaged at record {index + 1} ({tfrecord.first_line(error)}): download or make it again."
            )
        if record is None:
            return None
        index += 1
        try:
            clip = parse(record)
        except DATA_ERRORS as error:
            return reader._parse_fault(shard, index, record, error)
        for name, shape in shapes.items():
            found = clip[name].shape
            if num_frames is None or name not in FRAME_FIELDS:
                fits = found == shape
            else:
                fits = found[1:] == shape[1:] and found[0] >= num_frames
            if not fits:
                wanted = f"at least {num_frames} frames and " if num_frames else ""
                return (
                    f"{shard}: {name} of record {index} has shape {list(found)}, but {wanted}the sizes of the first "
                    f"record's {list(shape)} are needed: take this record out."
                )


def check_known_fields(fields: Sequence[str]) -> None:
    """Raises ValueError when a field is not one of `clip.FIELDS`."""
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise ValueError(f"Unknown clip fields {unknown}; the fields are {', '.join(FIELDS)}.")
