"""A video's own frames as clip files to train on, with a part of it held out as a check.

A clip lies in one scene: no window of the training holds a cut. Training clips are longer than the model's windows by
all but one frame of one where the scenes allow it, and each begins where the windows of the one before end, so that a
window drawn at random from a clip drawn at random begins at any frame of the video, and no frame is stored more than
twice. What is held out is the end of the longest scene, in windows that lie side by side.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from simone_tf.data.formats.sidecar import read_sidecar, write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.errors import UserError
from simone_tf.files import replacing_folder

TRAIN, CHECK = "train", "test"
"""The splits: what is trained on, and what is held out."""

MAX_CHECKS = 32
"""Windows of what is held out that are scored at most, evenly spread over it."""

_HELD_OUT_SHARE = 10  # One frame of so many.


class Plan(NamedTuple):
    """Which frames of a video are trained on, and which are held out; stretches are (first frame, frame behind it)."""

    trained: list[tuple[int, int]]  # of one scene each, none shorter than a window
    held_out: tuple[int, int] | None  # None: there is no room
    clip_frames: int  # frames of a training clip
    left_out: int  # frames of scenes that are shorter than a window


class OwnClips(NamedTuple):
    """Clip files of a video."""

    folder: str
    plan: Plan
    windows: int  # that a training window can be, by its first frame


def plan_clips(scenes: Sequence[tuple[int, int]], num_frames: int) -> Plan:
    """Decides what is trained on and what is held out.

    A tenth of the video, and a window at least, is held out from the end of its longest scene, if that leaves a window
    of the scene to train on, and at least as much of it as is held out.

    Args:
      scenes: the stretches of the video that are one scene each, in order.
      num_frames: T, frames of a window.
    """
    trained = [(start, end) for start, end in scenes if end - start >= num_frames]
    left_out = sum(end - start for start, end in scenes) - sum(end - start for start, end in trained)
    held_out = None
    if trained:
        longest = max(range(len(trained)), key=lambda index: trained[index][1] - trained[index][0])
        start, end = trained[longest]
        wanted = max(num_frames, min(scenes[-1][1] // _HELD_OUT_SHARE, (end - start) // 2))
        if end - start - wanted >= num_frames:
            held_out = (end - wanted, end)
            trained[longest] = (start, end - wanted)
    shortest = min((end - start for start, end in trained), default=num_frames)
    return Plan(trained, held_out, min(2 * num_frames - 1, shortest), left_out)


def training_starts(plan: Plan, num_frames: int) -> list[int]:
    """First frames of the training clips; those of their windows are every frame that a window can begin at."""
    hop = plan.clip_frames - num_frames + 1
    starts: list[int] = []
    for first, end in plan.trained:
        last = end - plan.clip_frames
        starts += [*range(first, last, hop), last]
    return starts


def check_starts(held_out: tuple[int, int], num_frames: int) -> list[int]:
    """First frames of the windows that what is held out is scored by; the last one ends where it ends."""
    first, last = held_out[0], held_out[1] - num_frames
    starts = [*range(first, last, num_frames), last]
    chosen = np.linspace(0, len(starts) - 1, min(len(starts), MAX_CHECKS)).round().astype(int)
    return [starts[index] for index in chosen]


class FrameStore:
    """Frames of a video kept in a file without a name while it lasts, and what tells them from those of another.

    Args:
      folder: where there is room for them.
      frame_size: (H, W).
    """

    def __init__(self, folder: str, frame_size: tuple[int, int]):
        self._shape = (*frame_size, 3)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by `close`)
        self._sum = hashlib.sha256()
        self.count = 0

    def keep(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Hands frames on, uint8 `[H, W, 3]` each, and keeps them."""
        for frame in frames:
            content = np.ascontiguousarray(frame, np.uint8).tobytes()
            self._file.write(content)
            self._sum.update(content)
            self.count += 1
            yield frame

    def frames(self) -> np.ndarray:
        """All that were kept, uint8 `[F, H, W, 3]`, read as they are asked for."""
        self._file.flush()
        return np.memmap(self._file, np.uint8, "r", shape=(self.count, *self._shape))

    def digest(self, given: Mapping[str, np.ndarray]) -> str:
        """SHA-256, in hexadecimal, of the frames and of what else a model is given of them."""
        whole = self._sum.copy()
        for name, table in sorted(given.items()):
            whole.update(name.encode() + np.ascontiguousarray(table, "<f4").tobytes())
        return whole.hexdigest()

    def close(self) -> None:
        """Gives the file up."""
        self._file.close()


def write_own_clips(
    folder: str,
    frames: np.ndarray,
    given: Mapping[str, np.ndarray],
    plan: Plan,
    num_frames: int,
    origin: Mapping[str, Any],
    instead: str,
) -> OwnClips:
    """Writes the splits `TRAIN` and, where something is held out, `CHECK`; the folder appears as a whole or not at all.

    Args:
      folder: the folder of the clip files.
      frames: uint8 `[F, H, W, 3]`.
      given: what else the model is given, by the name of a clip's field a row `[C]` for every frame.
      plan: of `plan_clips`, with something to train on.
      num_frames: T.
      origin: what the clips come from; where the folder holds clips of the same origin it is left as it is.
      instead: what else can be done where it holds others.

    Raises:
      UserError: the folder holds clips of another origin.
      OSError, tf.errors.OpError: it cannot be written.
    """
    starts = {TRAIN: (training_starts(plan, num_frames), plan.clip_frames)}
    if plan.held_out is not None:
        starts[CHECK] = (check_starts(plan.held_out, num_frames), num_frames)
    windows = sum(end - start - num_frames + 1 for start, end in plan.trained)
    clips = OwnClips(folder, plan, windows)
    if os.path.isdir(folder):
        found = (read_sidecar(folder) or {"splits": {}})["splits"].get(TRAIN, {})
        if found.get("generator") != origin:
            raise UserError(f"{folder} holds clips of another video or model, or made in another way: {instead}.")
        return clips
    with replacing_folder(folder) as workshop:
        for split, (firsts, length) in starts.items():
            name = shard_name(split, 0, 1)
            cut = (_clip(frames, given, first, length) for first in firsts)
            count = write_shard(os.path.join(workshop, name), cut)
            height, width = frames.shape[1:3]
            info = {"num_clips": count, "shards": {name: count}, "frames": length, "height": height, "width": width}
            write_sidecar(workshop, split, info | {"fields": ["video", *given], "generator": dict(origin)})
    return clips


def _clip(frames: np.ndarray, given: Mapping[str, np.ndarray], first: int, length: int) -> dict[str, np.ndarray]:
    rows = slice(first, first + length)
    return {"video": np.array(frames[rows])} | {name: table[rows] for name, table in given.items()}
