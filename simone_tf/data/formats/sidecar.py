"""`dataset.json` of a folder of clip files: what is in which split; `records` says what it looks like."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from simone_tf import locks
from simone_tf.data.tfrecords.faults import reason_of
from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, is_lfs_pointer, replacing

SCHEMA_VERSION = 1
"""Of the clip records and of the sidecar alike."""

SIDECAR = "dataset.json"
MAX_SIDECAR_BYTES = 2**24

# Changing a sidecar takes moments.
_WAIT_SECONDS = 60.0


def write_sidecar(data_dir: str | os.PathLike, split: str, info: Mapping[str, Any]) -> None:
    """Merges one split into `<data_dir>/dataset.json`, atomically; the other splits stay as they are.

    Any number of processes may do so at once, each with a split of its own, see `split_held`.

    Args:
      data_dir: the dataset's folder.
      split: for example "train".
      info: JSON-able; `num_clips`, `shards` {file name: clips}, `frames`, `height`, `width`, `fields`, `generator`.

    Raises:
      UserError: the sidecar that is there cannot be read, or another process holds it for a minute.
    """
    with sidecar_held(data_dir):
        merge_split(data_dir, split, info)


def merge_split(data_dir: str | os.PathLike, split: str, info: Mapping[str, Any]) -> None:
    """`write_sidecar` for a caller that has `sidecar_held`, such as to look at the other splits first."""
    path = os.path.join(data_dir, SIDECAR)
    sidecar = read_sidecar(data_dir) or {"schema_version": SCHEMA_VERSION, "splits": {}}
    sidecar["splits"][split] = dict(info)
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(sidecar, file, indent=2, sort_keys=True)
        file.write("\n")


@contextlib.contextmanager
def sidecar_held(data_dir: str | os.PathLike) -> Iterator[None]:
    """Keeps other processes from changing the sidecar; waits for one that does. The folder is made when missing."""
    subject = f"{os.path.join(data_dir, SIDECAR)} is being changed"
    with locks.held(locks.inside(data_dir, SIDECAR), subject, "choose another folder", _WAIT_SECONDS):
        yield


@contextlib.contextmanager
def split_held(data_dir: str | os.PathLike, split: str) -> Iterator[None]:
    """Keeps other processes from writing the same split of a dataset. The folder is made when missing.

    Raises:
      UserError: another one does; names it.
    """
    subject = f"Split {split!r} of {data_dir} is being made"
    with locks.held(locks.inside(data_dir, split), subject, "choose another folder or --split"):
        yield


def read_sidecar(data_dir: str | os.PathLike) -> dict[str, Any] | None:
    """The content of `<data_dir>/dataset.json`, or None when there is none.

    Raises:
      UserError: it is not the JSON object that `records` describes, or newer than this program.
    """
    path = os.path.join(data_dir, SIDECAR)
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            text = file.read(MAX_SIDECAR_BYTES + 1)
        if len(text) > MAX_SIDECAR_BYTES:
            raise ValueError(f"it has more than {MAX_SIDECAR_BYTES} bytes")
        sidecar = json.loads(text)
    except tf.errors.OpError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}): check its permissions.") from error
    except (ValueError, RecursionError) as error:
        if is_lfs_pointer(text):
            raise UserError(f"{path}: {LFS_POINTER}.") from error
        raise UserError(f"{path} is not readable JSON ({first_line(error)}): restore it or move it away.") from error
    splits = sidecar.get("splits") if isinstance(sidecar, dict) else None
    if not isinstance(splits, dict) or not all(isinstance(info, dict) for info in splits.values()):
        raise UserError(f"{path} has no object 'splits' of one object per split: restore it or move it away.")
    version = sidecar.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema_version {version!r}, this program reads up to {SCHEMA_VERSION}: update simone_tf."
        )
    return sidecar
