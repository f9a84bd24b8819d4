"""Finding the file and the record behind an error that TensorFlow raised while data was read."""

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.window import fields_to_read
from simone_tf.data.tfrecords import tfrecord
from simone_tf.data.tfrecords.faults import DATA_ERRORS, NOTHING_LEFT, unreadable
from simone_tf.errors import UserError


@contextlib.contextmanager
def data_faults_told(
    reader: ClipReader, fields: Sequence[str] = ("video",), num_frames: int | None = None
) -> Iterator[None]:
    """Context in which a fault of a reader's data is told as one sentence; see `explain_data_error`.

    An error that the data does not explain is raised as it is. Where several readers are read, one context stands
    inside the other; the innermost is looked at first.

    Args:
      reader: whose clips are read inside.
      fields: the clip fields that are asked for.
      num_frames: the frames that every clip needs; None where all clips need as many as the first.

    Raises:
      UserError: a record or file cannot be read or parsed, or has another size than the first.
    """
    try:
        yield
    except DATA_ERRORS as error:
        explained = explain_data_error(error, reader, fields, num_frames)
        if explained is None:
            raise
        raise explained from error


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
    if reader.files.on_corrupt == "skip":
        # What is damaged has been left out, so only the lack of everything else can be the data's fault.
        return UserError(reader.files.nothing_usable()) if NOTHING_LEFT in str(error) else None
    try:
        fields = fields_to_read(reader, fields)
        shapes = {name: value.shape for name, value in reader.first_clip(fields).items()}
        for shard in reader.files.shards():
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
    index = reader.files.records[0] - 1
    serialized = tf.TensorSpec([], tf.string)
    parse = tf.function(lambda record: reader.parse(record, fields), input_signature=[serialized], autograph=False)
    records = iter(reader.files.serialized([shard]))
    while True:
        try:
            record = next(records, None)
        except DATA_ERRORS as error:
            return unreadable(shard, error, record=index + 1)
        if record is None:
            return None
        index += 1
        try:
            clip = parse(record)
        except DATA_ERRORS as error:
            return reader.parse_fault(shard, index, record, error)
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
