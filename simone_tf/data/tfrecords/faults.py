"""The words for faults in records: which errors damage raises, and how a record that does not fit is told."""

from collections.abc import Sequence

import tensorflow as tf

from simone_tf.errors import first_line
from simone_tf.files import is_refusal

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

_REFUSALS = (
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,  # as of a folder in the file's place
    tf.errors.UnavailableError,
)

NOTHING_LEFT = "No record that can be used came in a whole epoch."
"""In the text of the error that ends a stream which would never yield again."""


def reason_of(error: BaseException) -> str:
    """Why a file could not be read: of TensorFlow's errors about files, which begin with the path, the reason alone."""
    return first_line(error).split("; ")[-1]


def unreadable(path: str, error: BaseException, record: int | None = None) -> str:
    """One sentence on a file that could not be read: that it is damaged only where its bytes were seen.

    Args:
      path: the file.
      error: what reading it raised.
      record: the number of the record at which it failed, where that is known.
    """
    if isinstance(error, _REFUSALS) or is_refusal(error):
        return f"{path} cannot be read ({reason_of(error)}): check its name and permissions."
    at = "" if record is None else f" at record {record}"
    return f"{path} is damaged{at} ({first_line(error)}): download or make it again."


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
