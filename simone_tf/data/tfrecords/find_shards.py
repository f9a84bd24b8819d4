"""Finding the shards of a split by their names."""

import logging
import os
import re
from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.tfrecords.faults import reason_of
from simone_tf.errors import UserError

_LOG = logging.getLogger(__name__)


def find_shards(
    folders: Sequence[str], file_pattern: str, *, split: str, source: str = "its publisher", stand_in: str = ""
) -> list[str]:
    """The sorted paths of a split's shards. Of a set that is there in part, a line in the log says how much.

    Args:
      folders: where to look, in this order; the first that holds a shard is the one.
      file_pattern: the file names with `NNNNN` for each number; the last number is that of the shards of the set.
      split: named in messages.
      source: where the files come from, named when there are none.
      stand_in: a command line that makes look-alike data, `{data_dir}` in it standing for the first folder.

    Raises:
      UserError: there is none, or there are shards of two different sets, or a folder cannot be looked into.
    """
    pattern = re.compile(re.escape(file_pattern).replace("NNNNN", r"(\d+)") + r"\Z")
    for folder in folders:
        matches = [match for match in map(pattern.match, _names_in(folder)) if match]
        set_sizes = sorted({match.groups()[-1] for match in matches if match.groups()})
        if len(set_sizes) > 1:
            raise UserError(
                f"{folder} holds shards of {len(set_sizes)} different sets for split {split!r} "
                f"(-of-{' and -of-'.join(set_sizes)}): move all but one set away."
            )
        if matches:
            if set_sizes and len(matches) < int(set_sizes[0]):
                present = f"{len(matches)} of {int(set_sizes[0])} shards"
                _LOG.warning("%s: %s of split %r are there; the rest is not read.", folder, present, split)
            return [os.path.join(folder, match.string) for match in matches]
    data_dir = folders[0]
    found = "which holds no such file" if tf.io.gfile.isdir(data_dir) else "which does not exist"
    advice = f"put the files of {source} there"
    if stand_in:
        # No full stop behind it: the line is there to be copied.
        advice += f", or make a stand-in with: {stand_in.replace('{data_dir}', data_dir)}"
    else:
        advice += "."
    elsewhere = f" or {' or '.join(folders[1:])}" if len(folders) > 1 else ""
    raise UserError(f"No {file_pattern} in {data_dir}{elsewhere}, {found}: {advice}")


def _names_in(folder: str) -> list[str]:
    """The sorted names in a folder, none where there is no such folder."""
    try:
        return sorted(tf.io.gfile.listdir(folder)) if tf.io.gfile.isdir(folder) else []
    except tf.errors.OpError as error:
        raise UserError(
            f"{folder} cannot be looked into ({reason_of(error)}): check its name and permissions."
        ) from error
