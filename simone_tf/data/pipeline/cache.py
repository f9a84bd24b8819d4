"""All clips of a share of a dataset, parsed once and kept in memory or in a folder on disk.

Either way the clips are NumPy arrays that TensorFlow gathers from without a copy. On disk they are one `.npy` file per
field, `[num_clips, ...]`, in a folder of their own that is named after everything they depend on: the files with their
sizes and dates, the reader's settings, the fields and the share of the input pipeline. So the clips of other data or
settings are never taken for these, and a folder that was not finished has a name that nobody looks for.
"""

import contextlib
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from simone_tf import locks
from simone_tf.data.clip import Clip
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.data.pipeline.share import Share
from simone_tf.errors import UserError, first_line
from simone_tf.files import is_refusal, replacing_folder

MEMORY = "memory"
_FORMAT = 1  # One more where `object_visible` is that of cropped or resized frames.
_BATCH_SIZE = 32
_WAIT_SECONDS = 60.0
_ALIGNMENT = 64  # What TensorFlow asks of memory that it is to use as it lies.

_LOADED: weakref.WeakKeyDictionary[ClipReader, dict[str, "CachedClips"]] = weakref.WeakKeyDictionary()


class CachedClips:
    """Clips that lie in memory or on disk; see `load`."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._dtypes = {name: array.dtype for name, array in arrays.items()}
        # As bytes: DLPack, by which TensorFlow takes an array over without a copy, is not sure to know of bool.
        bare = {name: array.view(np.uint8) if array.dtype == bool else array for name, array in arrays.items()}
        with tf.device("CPU:0"):
            self._tensors = {
                name: tf.experimental.dlpack.from_dlpack(array.__dlpack__()) if array.size else tf.constant(array)
                for name, array in bare.items()
            }
        self.count = len(next(iter(arrays.values())))

    def clip(self, index: tf.Tensor) -> Clip:
        """The clip of this number; graph code."""
        clip = {name: tf.gather(values, index) for name, values in self._tensors.items()}
        return {name: tf.cast(value, self._dtypes[name]) for name, value in clip.items()}


@tf.autograph.experimental.do_not_convert
def load(reader: ClipReader, share: Share, fields: Sequence[str], where: str) -> CachedClips:
    """All clips of a share; loaded once per reader, however often this is called.

    Args:
      reader: parses the records.
      share: which records.
      fields: what of them.
      where: "memory", or a folder that is made when it is not there.

    Raises:
      UserError: there is not enough memory or room on the disk, the folder cannot be written, or the data is damaged.
    """
    key = _key(reader, share, fields)
    loaded = _LOADED.setdefault(reader, {})
    if (key + where) not in loaded:
        loaded[key + where] = CachedClips(
            _in_memory(reader, share, fields) if where == MEMORY else _on_disk(reader, share, fields, where, key)
        )
    return loaded[key + where]


def _in_memory(reader: ClipReader, share: Share, fields: Sequence[str]) -> dict[str, np.ndarray]:
    count = share.count()
    first = {name: value.numpy() for name, value in reader.first_clip(fields).items()}
    wanted = _num_bytes(count, first)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if wanted > memory:
        raise UserError(
            f"{reader.files.where} would take {wanted / 1e9:.1f} GB of memory to load, this "
            f"machine has {memory / 1e9:.1f} GB: set cache to a folder on a disk, or to False."
        )
    arrays = {name: _aligned([count, *value.shape], value.dtype) for name, value in first.items()}
    done = 0
    for batch in _batches(reader, share, fields, count):
        for name, values in batch.items():
            arrays[name][done : done + len(values)] = values
        done += len(values)
    return arrays


def _on_disk(reader: ClipReader, share: Share, fields: Sequence[str], where: str, key: str) -> dict[str, np.ndarray]:
    folder = os.path.join(where, f"clips-{key}")
    first = {name: value.numpy() for name, value in reader.first_clip(fields).items()}
    shapes = {name: (share.count(), *value.shape) for name, value in first.items()}
    arrays = _opened(folder, first, shapes)
    if arrays is None:
        try:
            _write(reader, share, fields, folder, first, shapes)
        except OSError as error:
            needed = _num_bytes(share.count(), first)
            raise UserError(
                f"The cache of {reader.files.where} cannot be written to {where} "
                f"({first_line(error)}): it takes {needed / 1e9:.2g} GB; name another folder or set cache = False."
            ) from error
        arrays = _opened(folder, first, shapes)
    if arrays is None:
        raise UserError(f"{folder} cannot be read as it was written: check the disk, or set cache = False.")
    return arrays


def _opened(folder: str, first: Mapping[str, np.ndarray], shapes: Mapping[str, tuple]) -> dict[str, np.ndarray] | None:
    """The arrays of a finished folder; None when it is not there or not whole, UserError when it may not be read."""
    arrays = {}
    for name, value in first.items():
        path = os.path.join(folder, f"{name}.npy")
        try:
            # Mapped copy-on-write, though nothing writes: DLPack does not take what is read-only.
            arrays[name] = np.load(path, mmap_mode="c" if 0 not in shapes[name] else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            if is_refusal(error) and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise UserError(
                    f"The cache {path} cannot be read ({first_line(error)}): mend its permissions, name another folder "
                    "as cache, or set cache = False."
                ) from error
            return None
        if arrays[name].dtype != value.dtype or arrays[name].shape != shapes[name]:
            return None
    return arrays


def _write(
    reader: ClipReader,
    share: Share,
    fields: Sequence[str],
    folder: str,
    first: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple],
) -> None:
    """Writes the arrays into a new folder that takes its name when it is whole.

    Plain writes, not through a memory map: on a full disk such a write ends the process.
    """
    # Another process may be faster and have written the same, which others may be reading by then.
    with replacing_folder(folder, keep_existing=True) as unfinished:
        with contextlib.ExitStack() as stack:
            files = {name: stack.enter_context(open(os.path.join(unfinished, f"{name}.npy"), "wb")) for name in shapes}
            for name, file in files.items():
                header = {
                    "descr": np.lib.format.dtype_to_descr(first[name].dtype),
                    "fortran_order": False,
                    "shape": shapes[name],
                }
                np.lib.format.write_array_header_1_0(file, header)
            for batch in _batches(reader, share, fields, share.count()):
                for name, values in batch.items():
                    files[name].write(np.ascontiguousarray(values).data)
        # Held, for another process may remove what is harmed, and make it anew, before it is removed here.
        with locks.held(locks.beside(folder), f"{folder} is being made anew", "name another cache", _WAIT_SECONDS):
            if os.path.isdir(folder) and _opened(folder, first, shapes) is None:
                shutil.rmtree(folder)


def _batches(reader: ClipReader, share: Share, fields: Sequence[str], count: int):
    """Dicts of arrays [at most 32, ...], `count` clips in all, every clip of the size of the first."""
    done = 0
    shapes = {name: value.shape for name, value in reader.first_clip(fields).items()}

    def parse(record):
        return {name: tf.ensure_shape(value, shapes[name]) for name, value in reader.parse(record, fields).items()}

    clips = share.everything().map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    with data_faults_told(reader, fields):
        for batch in clips.batch(_BATCH_SIZE).as_numpy_iterator():
            done += len(next(iter(batch.values())))
            if done > count:
                break
            yield batch
    if done != count:
        raise UserError(
            f"{reader.files.where} holds {'more' if done > count else 'fewer'} than the {count} "
            "clips that are listed for it: copy or make the whole set again."
        )


def _aligned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def _num_bytes(count: int, first: Mapping[str, np.ndarray]) -> int:
    return count * sum(value.nbytes for value in first.values())


def _key(reader: ClipReader, share: Share, fields: Sequence[str]) -> str:
    """A name for all that the parsed clips of a share depend on."""
    files = []
    for piece in share.pieces:
        stat = tf.io.gfile.stat(piece.shard)
        files.append([os.path.basename(piece.shard), *piece[1:], stat.length, stat.mtime_nsec])
    content = {
        "format": _FORMAT + ("object_visible" in fields and reader.framing.changes_frames),
        "reader": reader.settings(),
        "part": share.key,
        "fields": list(fields),
        "files": files,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]
