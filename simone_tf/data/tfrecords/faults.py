"""The words for faults in records: which errors damage raises, and how a record that does not fit is told."""

from collections.abc import Sequence

import tensorflow as tf

from simone_tf.errors import first_line

DATA_ERRORS = (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    # TensorFlow quotes a record that is no tf.train.Example in its error text, and Python cannot always decode that.
    UnicodeDecodeError,
)
"""What reading or parsing a damaged or foreign file raises; `data_faults_told` finds the file behind it."""

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
    return f"{where} ({first_line(error)}): download or make it again."
