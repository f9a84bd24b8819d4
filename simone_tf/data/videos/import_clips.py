"""Turns videos, with or without masks and camera, into a split of clip files (see `records`).

A split appears as a whole or not at all: it is made in a hidden folder beside its place, and the shards are moved, and
the sidecar is written, when all of them are complete.
"""

import contextlib
import dataclasses
import glob
import itertools
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.sidecar import read_sidecar, split_held, write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.videos.camera_files import SUFFIXES as CAMERA_SUFFIXES
from simone_tf.data.videos.camera_files import read_camera
from simone_tf.data.videos.frame_masks import FrameMasks, check_count
from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.picture_folders import has_kubric_layer, is_picture_folder, listed
from simone_tf.data.videos.picture_series import KUBRIC_FRAMES, KUBRIC_MASKS
from simone_tf.data.videos.source_files import is_file
from simone_tf.data.videos.video_clips import ImportPlan, Source, video_clips
from simone_tf.data.videos.video_files import find_videos, list_pictures, video_name
from simone_tf.errors import UserError, first_line
from simone_tf.interrupts import held


@dataclasses.dataclass(frozen=True)
class Imported:
    """What became of one video."""

    source: Source
    frames: int
    clips: int


def find_sources(paths: Sequence[str], masks: str | None = None, camera: str | None = None) -> list[Source]:
    """Puts videos, masks and cameras together by name.

    Args:
      paths: see `video_files.find_videos`.
      masks: folder of `<video name>/<frame>.png`; for a single video also the folder of its masks itself, or a pattern
        (`folder/mask_*`). Folders as Kubric writes them hold their masks themselves: those are taken where None is
        given and all videos are such.
      camera: folder of `<video name>.npy` (or .csv or .json); for a single video also the file itself.

    Raises:
      UserError: a video, its masks or its camera is missing, or two videos have the same name.
    """
    videos = find_videos(paths)
    names: dict[str, str] = {}
    for path in videos:
        name = unicodedata.normalize("NFC", video_name(path))
        if name in names and (masks or camera or os.path.abspath(names[name]) == os.path.abspath(path)):
            raise UserError(f"{names[name]} and {path} are both named {name!r}: give every video a name of its own.")
        names[name] = path
    of_kubric = masks is None and all(has_kubric_layer(path, KUBRIC_MASKS) for path in videos)
    sources = []
    for path in videos:
        name = video_name(path)
        mask_folder = path if of_kubric else None
        camera_file = None
        if masks is not None:
            mask_folder = _entry(masks, name)
            if len(videos) == 1 and is_picture_folder(masks) and not os.path.isdir(mask_folder):
                mask_folder = masks
        if camera is not None:
            candidates = [_entry(camera, name + suffix) for suffix in CAMERA_SUFFIXES]
            if len(videos) == 1 and is_file(camera):
                candidates = [camera]
            found = [candidate for candidate in candidates if is_file(candidate)]
            if len(found) != 1:
                raise UserError(
                    f"{camera} holds {'no' if not found else 'more than one'} camera file for video {name!r}: there "
                    f"has to be one {name}.npy, {name}.csv or {name}.json."
                )
            camera_file = found[0]
        sources.append(Source(name, path, mask_folder, camera_file))
    return sources


def _entry(folder: str, name: str) -> str:
    """The path of what a folder holds by a name, also where that writes its accents in the other form of Unicode."""
    path = os.path.join(folder, name)
    if os.path.lexists(path) or not os.path.isdir(folder):
        return path
    wanted = unicodedata.normalize("NFC", name)
    found = (entry for entry in listed(folder) if unicodedata.normalize("NFC", entry) == wanted)
    return os.path.join(folder, next(found, name))


def import_split(
    sources: Sequence[Source],
    plan: ImportPlan,
    data_dir: str,
    split: str,
    on_video: Callable[[Imported], None] = lambda imported: None,
    on_frame: Callable[[], None] = lambda: None,
    on_damage: Callable[[str], None] = lambda told: None,
) -> dict[str, Any]:
    """Writes the clips of all videos as one split; its files are the same each time.

    Args:
      sources: the videos, in the order in which their clips are written.
      plan: how they are cut.
      data_dir: the dataset's folder, made when missing; its other splits stay as they are.
      split: for example "train".
      on_video: called after each video.
      on_frame: called after each frame read.
      on_damage: called with a sentence on each video of which damaged frames were left out.

    Returns:
      The sidecar's entry of the split; also when the very same split was there already and nothing was done.

    Raises:
      UserError: a video, mask or camera does not fit, or the folder holds something else or cannot be written. Nothing
        is left behind then.
    """
    plan.check()
    for source in sources:
        _check_lengths(source, plan)
    settings = {
        "tool": "import_video",
        **dataclasses.asdict(plan),
        "size": list(plan.size) if plan.size else None,
        "videos": [_fingerprint(source) for source in sources],
    }
    if plan.on_corrupt == "raise":
        del settings["on_corrupt"]  # As splits say that are older than the choice.
    present = _check_folder(data_dir, split, settings)
    if present is not None:
        return present
    # A folder that it makes is gone again after an error, as long as it is empty.
    with _write_faults(data_dir), split_held(data_dir, split), contextlib.ExitStack() as stack:
        # Again, for another process may have made it meanwhile.
        present = _check_folder(data_dir, split, settings)
        if present is not None:
            return present
        for leftover in glob.glob(os.path.join(glob.escape(data_dir), f".importing-{split}.*")):
            shutil.rmtree(leftover)
        workshop = tempfile.mkdtemp(prefix=f".importing-{split}.", dir=data_dir)
        stack.callback(shutil.rmtree, workshop, ignore_errors=True)
        clips = _Clips(sources, plan, on_video, on_frame, on_damage)
        stack.callback(clips.close)
        counts = []
        while (first := next(clips, None)) is not None:
            batch = itertools.chain([first], itertools.islice(clips, plan.clips_per_shard - 1))
            counts.append(write_shard(os.path.join(workshop, str(len(counts))), batch))
        if not counts:
            raise UserError(f"None of the {len(sources)} videos has the {plan.span} frames that a clip takes.")
        shards = {shard_name(split, index, len(counts)): count for index, count in enumerate(counts)}
        info = {"num_clips": sum(counts), "shards": shards, "generator": settings, **clips.shape}
        # A part of the split without its entry would be a stranger to the next command.
        with held():
            for index, name in enumerate(shards):
                os.replace(os.path.join(workshop, str(index)), os.path.join(data_dir, name))
            write_sidecar(data_dir, split, info)
        return info


class _Clips:
    """Iterates over the clips of all videos and checks that they are of one size."""

    def __init__(self, sources, plan, on_video, on_frame, on_damage):
        self._plan, self._on_frame, self._on_damage = plan, on_frame, on_damage
        self._clips = self._all(sources, on_video)
        self.shape: dict[str, Any] = {}
        self._first: Source | None = None
        self._camera_width = 0

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        return next(self._clips)

    def close(self) -> None:
        """Closes the file that is being read."""
        self._clips.close()

    def _all(self, sources: Sequence[Source], on_video: Callable) -> Iterator[dict[str, np.ndarray]]:
        for source in sources:
            frames = clips = 0
            for item in video_clips(source, self._plan, self._on_frame, self._on_damage):
                if isinstance(item, int):
                    frames = item
                    continue
                self._check_shape(source, item)
                yield item
                clips += 1
            if not clips and not self._plan.skip_short:
                used = f" from frame {self._plan.start} on" if self._plan.start else ""
                raise UserError(
                    f"{source.path} has {frames} frame{'s' * (frames != 1)}{used}, a clip of {self._plan.frames} with "
                    f"stride {self._plan.stride} takes {self._plan.span}: choose fewer --frames, or --skip_short to "
                    "leave such videos out."
                )
            on_video(Imported(source, frames, clips))

    def _check_shape(self, source: Source, clip: dict[str, np.ndarray]) -> None:
        frames, height, width, _ = clip["video"].shape
        camera_width = clip["camera"].shape[1] if "camera" in clip else 0
        if self._first is None:
            self.shape = {"frames": frames, "height": height, "width": width, "fields": list(clip)}
            self._first, self._camera_width = source, camera_width
        elif (height, width) != (self.shape["height"], self.shape["width"]):
            raise UserError(
                f"{source.path} has frames of {width} x {height} pixels, {self._first.path} of {self.shape['width']} x "
                f"{self.shape['height']}: choose one size for all with --size."
            )
        elif camera_width != self._camera_width:
            raise UserError(
                f"{source.camera} has {camera_width} numbers per frame, {self._first.camera} has "
                f"{self._camera_width}: all need the same."
            )


def _check_lengths(source: Source, plan: ImportPlan) -> None:
    """Finds what can be found before anything is decoded: counts that differ, a camera file that cannot be read."""
    masks = MaskFolder(source.masks) if source.masks else None
    camera = len(read_camera(source.camera)) if source.camera else None
    if is_picture_folder(source.path):
        frames = len(list_pictures(source.path))
        of_frames = FrameMasks(source.path, source.masks, masks)
        of_frames.check_frames(frames)
        of_frames.check_taken(plan.taken(frames))
        check_count(source.camera, camera, "rows", source.path, frames)


def _fingerprint(source: Source) -> dict[str, Any]:
    """Tells a video from another of the same name; no folder names, so that a moved copy is still the same."""
    parts = {}
    for key, path in (("video", source.path), ("masks", source.masks), ("camera", source.camera)):
        if path is not None:
            layer = KUBRIC_MASKS if key == "masks" else KUBRIC_FRAMES
            files = list_pictures(path, layer) if is_picture_folder(path) else [path]
            parts[key] = {"files": len(files), "bytes": sum(os.path.getsize(file) for file in files)}
    return {"name": source.name, **parts}


def _check_folder(data_dir: str, split: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The sidecar's entry when the split is there already, made in the same way; None when it is not there."""
    if os.path.exists(data_dir) and not os.path.isdir(data_dir):
        raise UserError(f"{data_dir} is a file: name the folder of the dataset.")
    splits = (read_sidecar(data_dir) or {"splits": {}})["splits"]
    strangers = sorted(glob.glob(os.path.join(glob.escape(data_dir), glob.escape(split) + "-[0-9]*-of-*.tfrecord")))
    if split in splits:
        info = splits[split]
        listed = info.get("shards")
        complete = isinstance(listed, dict) and all(os.path.isfile(os.path.join(data_dir, name)) for name in listed)
        if info.get("generator") == settings and complete:
            return info
        raise UserError(
            f"{data_dir} already holds a split {split!r} of other videos or settings: choose another folder or --split."
        )
    if strangers:
        raise UserError(f"{strangers[0]} is there but not known to {data_dir}/dataset.json: choose another folder.")
    return None


@contextlib.contextmanager
def _write_faults(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = first_line(error).split("; ")[-1]  # TensorFlow names the temporary file first.
        raise UserError(f"{path} could not be written ({reason}): free some space or choose another folder.") from error
