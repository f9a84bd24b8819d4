"""Measures of clips on disk, so that an evaluation that was ended goes on where it stopped."""

import glob
import json
import os
import re
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, is_lfs_pointer, is_refusal, replacing, write_text
from simone_tf.npz import save_npz

_KEY_FILE = "key.json"
_MAX_BYTES = 2**31
_DAMAGE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


class ClipStore:
    """A folder of `clips-<first>-<end>.npz`, each with the measures of some consecutive clips.

    Args:
        folder: made when missing; only files of the names above are ever deleted in it.
        key: JSON-able; what the measures depend on (checkpoint, data, sizes). Measures of another key are deleted, and
            so are those behind a gap.

    Raises:
        UserError: the folder cannot be written, or what is in it cannot be read.
    """

    def __init__(self, folder: str, key: Any):
        self._folder, self._key = folder, json.loads(json.dumps(key))
        self._arrays: dict[str, list[int]] | None = None  # name -> shape behind the clips
        self._paths: list[str] = []
        self._end = 0
        try:
            os.makedirs(folder, exist_ok=True)
            found = self._find()
            stored_key, self._arrays = self._stored()
            if stored_key == self._key and self._arrays is not None:
                while self._end in found:
                    end, path = found.pop(self._end)
                    self._paths.append(path)
                    self._end = end
            # What a killed process was writing is left under a name of its own.
            half_written = glob.glob(os.path.join(glob.escape(folder), ".clips-*.npz.*.tmp"))
            for path in [*half_written, *(path for _, path in found.values())]:
                os.remove(path)
            if not self._paths:
                self._arrays = None
        except OSError as error:
            raise self._unwritable(error) from error

    def count(self) -> int:
        """The number of clips that are measured, from the first on, without a gap."""
        return self._end

    def append(self, clips: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Writes the measures of the next clips, at once or not at all.

        Args:
            clips: list of dicts of arrays, all with the same names and shapes.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        arrays = {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}
        shapes = {name: list(values.shape[1:]) for name, values in arrays.items()}
        if self._arrays not in (None, shapes):
            raise ValueError(f"clips are measured by {shapes}, those before by {self._arrays}.")
        end = self._end + len(clips)
        path = os.path.join(self._folder, f"clips-{self._end:08d}-{end:08d}.npz")
        try:
            if self._arrays is None:
                text = json.dumps({"key": self._key, "arrays": shapes}, indent=2, sort_keys=True)
                write_text(os.path.join(self._folder, _KEY_FILE), text + "\n")
            with replacing(path) as temporary, open(temporary, "wb") as file:
                save_npz(file, arrays)
        except OSError as error:
            raise self._unwritable(error) from error
        self._paths.append(path)
        self._arrays, self._end = shapes, end

    def parts(
        self, names: Container[str] | None = None, num_clips: int | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Reads measures file by file, so that any number of clips can be gone through in little memory.

        Args:
            names: which; None for all.
            num_clips: the first clips only; None for all.

        Yields:
            dict of name -> `[n, ...]` for the next n clips, those of the names that were stored.

        Raises:
            UserError: a file is damaged or cannot be read.
        """
        left = self._end if num_clips is None else num_clips
        for path in self._paths:
            if left <= 0:
                return
            part = {name: values[:left] for name, values in self._read(path, names).items()}
            left -= _first_and_end(path)[1] - _first_and_end(path)[0]
            yield part

    def load(self, names: Container[str] | None = None, num_clips: int | None = None) -> dict[str, np.ndarray]:
        """The same at once: dict of name -> `[num_clips, ...]`."""
        parts = list(self.parts(names, num_clips))
        if not parts:
            return {}
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _find(self) -> dict[int, tuple[int, str]]:
        """First clip -> (end, path) of the files that are there."""
        found = {}
        for path in sorted(glob.glob(os.path.join(glob.escape(self._folder), "clips-*.npz"))):
            first, end = _first_and_end(path)
            if end > first:
                found[first] = (end, path)
        return found

    def _read(self, path: str, names: Container[str] | None) -> dict[str, np.ndarray]:
        first, end = _first_and_end(path)
        arrays = self._arrays or {}
        try:
            # An array's size is in its header: a small file cannot claim more than it holds without failing here.
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                    raise ValueError("it claims more than 2 GiB")
            with np.load(path, allow_pickle=False) as archive:
                if set(archive.files) != set(arrays):
                    raise ValueError("it holds other arrays than were measured")
                part = {name: archive[name] for name in archive.files if names is None or name in names}
            for name, value in part.items():
                if value.shape[:1] != (end - first,):
                    raise ValueError(f"it does not hold {end - first} clips")
                if list(value.shape[1:]) != arrays[name] or value.dtype.kind not in "biuf":
                    raise ValueError(f"its {name} is another array than was measured")
        except _DAMAGE as error:
            if is_refusal(error):
                raise _unreadable(path, error) from error
            if _is_pointer(path):
                raise UserError(f"{path}: {LFS_POINTER}.") from error
            raise UserError(
                f"{path} is damaged ({first_line(error)}): delete it and run the same command again, which measures "
                "its clips anew."
            ) from error
        return part

    def _stored(self) -> tuple[Any, dict[str, list[int]] | None]:
        """Key and shapes of the arrays of the measures that are there; (None, None) where it cannot be read."""
        path = os.path.join(self._folder, _KEY_FILE)
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            return stored["key"], dict(stored["arrays"])
        except FileNotFoundError:
            return None, None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            # What may not be read is no reason to delete what was measured.
            if is_refusal(error):
                raise _unreadable(path, error) from error
            if _is_pointer(path):
                raise UserError(f"{path}: {LFS_POINTER}.") from error
            return None, None

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"{self._folder} cannot be written ({first_line(error)}): free space or mend its permissions, then run the "
            "same command again; measured clips are kept."
        )


def _unreadable(path: str, error: BaseException) -> UserError:
    return UserError(
        f"{path} cannot be read ({first_line(error)}): mend its permissions, then run the same command again; measured "
        "clips are kept."
    )


def _is_pointer(path: str) -> bool:
    with open(path, "rb") as file:
        return is_lfs_pointer(file.read(64))


def _first_and_end(path: str) -> tuple[int, int]:
    match = re.search(r"clips-(\d{8})-(\d{8})\.npz\Z", path)
    return (int(match[1]), int(match[2])) if match else (0, 0)
