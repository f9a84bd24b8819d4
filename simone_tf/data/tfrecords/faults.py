"""How faults in the data are told to the user: which file, which record, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS
from simone_tf.data.tfrecords import tfrecord
from simone_tf.errors import UserError

if TYPE_CHECKING:
    from simone_tf.data.formats.reader import ClipReader

DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    # TensorFlow quotes a record that is no tf.train.Example in its error text, and Python cannot always decode that.
    UnicodeDecodeError,
)
"""What reading or parsing a damaged or foreign file raises; to be handed to `explain_data_error`."""

NOTHING_LEFT = "No record that can be used came in a whole epoch."
"""In the text of the error that ends a stream which would never yield again."""


def feature_names(record: tf.Tensor | bytes) -> list[str] | None:
    """The sorted feature names of a serialized `tf.train.Example`, or None when it is no Example."""
    serialized = record.numpy() if tf.is_tensor(record) else record
    try:
        return sorted(tf.train.Example.FromString(serialized).features.feature)
    except Exception:  # The exception class depends on the protobuf implementation.
        return None


def unfit_record(where: str, reader: str, features: Sequence[str], record: tf.Tensor, error: Exception) -> str:
    """One sentence on a record that could be read but not parsed.

    Args:
      where: the file and the record's number.
      reader: the name of the reader's class.
      features: what every record of the reader has.
      record: the serialized record.
      error: what parsing it raised.
    """
    found = feature_names(record)
    where = f"{where} is not a record of {reader}"
    if found is None:
        return f"{where}: it is not a tf.train.Example; check that the files are those of this dataset."
    missing = [name for name in features if name not in found]
    if missing:
        shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
        return (
            f"{where}: it has no feature {' and no '.join(missing)}, only {shown or 'none at all'}; "
            "name the reader that fits these files."
        )
    return f"{where} ({tfrecord.first_line(error)}): download or make it again."


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
    if reader.on_corrupt == "skip":
        # What is damaged has been left out, so only the lack of everything else can be the data's fault.
        return UserError(reader.nothing_usable()) if NOTHING_LEFT in str(error) else None
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
    if tfrecord.sniff_compression(shard) == "":
        tfrecord.check_lengths(shard)
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
            # Read batch by batch, all records are held to the first one's length.
            if num_frames is None or name not in FRAME_FIELDS or (reader.parses_batches and shape[0] == num_frames):
                fits = found == shape
            else:
                fits = found[1:] == shape[1:] and found[0] >= num_frames
            if not fits:
                wanted = f"at least {num_frames} frames and " if num_frames and found[0] < num_frames else ""
                return (
                    f"{shard}: {name} of record {index} has shape {list(found)}, but {wanted}the sizes of the first "
                    f"record's {list(shape)} are needed: take this record out."
                )
