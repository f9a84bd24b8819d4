"""Cuts one video, with or without masks and camera, into clips of a fixed number of frames and one size."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.records import MAX_CLIP_PIXELS
from simone_tf.data.framing import MAX_SIDE, Framing
from simone_tf.data.videos.camera_files import read_camera
from simone_tf.data.videos.damage import ON_CORRUPT, Damage
from simone_tf.data.videos.frame_masks import FrameMasks, check_count
from simone_tf.data.videos.mask_files import MaskFolder
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class ImportPlan:
    """How videos are cut into clips.

    Attributes:
      frames: frames of a clip.
      stride: frame step: 2 takes every second frame.
      hop: frames of the video from the start of one clip to the start of the next; None for clips that do not overlap
        (`frames * stride`).
      size: (height, width) of a frame: the largest part of this aspect is cut out of the middle and brought to this
        size, averaged over area, masks by nearest neighbour. None keeps the size.
      start, end: the frames of each video that are used, `end` not among them; None for all to the end.
      clips_per_shard: clips in a file.
      skip_short: leaves out a video that is too short for one clip, instead of refusing it.
      on_corrupt: "raise" refuses a video file with damaged frames; "skip" leaves them out: no clip reaches across the
        gap, and `start` and `end` count the frames that are left. Of a video with masks or camera no frame is left out.
    """

    frames: int = 16
    stride: int = 1
    hop: int | None = None
    size: tuple[int, int] | None = None
    start: int = 0
    end: int | None = None
    clips_per_shard: int = 500
    skip_short: bool = False
    on_corrupt: str = "raise"

    @property
    def span(self) -> int:
        """Frames of the video from the first to the last frame of a clip."""
        return (self.frames - 1) * self.stride + 1

    @property
    def step(self) -> int:
        return self.hop or self.frames * self.stride

    def taken(self, frames: int) -> list[int]:
        """The frames of a video of so many that are in a clip, ascending."""
        last = min(frames, self.end or frames) - self.start - self.span
        starts = range(self.start, self.start + last + 1, self.step)
        return sorted({start + k * self.stride for start in starts for k in range(self.frames)})

    def check(self) -> None:
        """Raises UserError when a number is out of range."""
        limits = {"frames": (1, 10**5), "stride": (1, 10**5), "hop": (1, 10**9), "start": (0, 10**9)}
        limits |= {"end": (1, 10**9), "clips_per_shard": (1, 10**6)}
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise UserError(f"{name} is {value}: choose {least} to {most}.")
        if self.on_corrupt not in ON_CORRUPT:
            raise UserError(f"on_corrupt is {self.on_corrupt!r}: choose {' or '.join(ON_CORRUPT)}.")
        for side in self.size or ():
            if not 1 <= side <= MAX_SIDE:
                raise UserError(f"size is {self.size[0]}x{self.size[1]}: choose 1 to {MAX_SIDE} pixels a side.")
        if self.end is not None and self.end - self.start < self.span:
            raise UserError(
                f"start {self.start} and end {self.end} leave {self.end - self.start} frames, a clip of {self.frames} "
                f"with stride {self.stride} takes {self.span}: choose fewer or others."
            )


@dataclasses.dataclass(frozen=True)
class Source:
    """One video: where its frames are, and its folder of masks and its camera file where there are any."""

    name: str
    path: str
    masks: str | None = None
    camera: str | None = None


def video_clips(
    source: Source,
    plan: ImportPlan,
    on_frame: Callable[[], None] = lambda: None,
    on_damage: Callable[[str], None] = lambda told: None,
) -> Iterator[dict[str, np.ndarray] | int]:
    """The clips of one video, in order of their first frames; only those not complete yet are kept in memory.

    Args:
      source: the video.
      plan: how it is cut.
      on_frame: called after each frame read.
      on_damage: called at the end with a sentence, if frames were left out.

    Yields:
      Clips of `video` uint8 [T, H, W, 3] and, where the source has them, `segments` int32 [T, H, W] and `camera`
      float32 [T, C]; at last an integer, the number of frames from `start` to `end`.

    Raises:
      UserError: the video, its masks or its camera cannot be read or do not fit each other.
    """
    camera = read_camera(source.camera) if source.camera else None
    masks = MaskFolder(source.masks) if source.masks else None
    mask_frames = FrameMasks(source.path, source.masks, masks)
    mask_frames.tell()
    open_windows: list[tuple[int, list[dict[str, np.ndarray]]]] = []
    first_shape = framing = None
    used = origin = gaps = 0
    rows = " and ".join(word for word, path in (("masks", source.masks), ("camera", source.camera)) if path)
    damage = Damage(source.path, plan.on_corrupt, rows and f"its {rows}")
    skipping = {"damage": damage} if plan.on_corrupt == "skip" else {}
    with contextlib.closing(read_frames(source.path, **skipping)) as frames:
        for index, frame in enumerate(frames):
            on_frame()
            if first_shape is None:
                first_shape = frame.shape
                framing = _framing(source.path, first_shape, plan)
            if frame.shape != first_shape:
                raise UserError(
                    f"{source.path}: frame {index} has {frame.shape[1]} x {frame.shape[0]} pixels, frame 0 has "
                    f"{first_shape[1]} x {first_shape[0]}: bring all frames of a video to one size."
                )
            mask = mask_frames.of_frame(index, frame)
            if camera is not None and index >= len(camera):
                raise UserError(
                    f"{source.camera} has {len(camera)} rows, {source.path} has more frames: add the others."
                )
            if index < plan.start:
                continue
            position = index - plan.start
            used = position + 1
            if damage.gaps != gaps:
                gaps, origin = damage.gaps, position
                open_windows.clear()
            if (position - origin) % plan.step == 0:
                open_windows.append((position, []))
            wanting = [window for start, window in open_windows if (position - start) % plan.stride == 0]
            if wanting:
                part = {"video": frame} if mask is None else {"video": frame, "segments": mask}
                part = _framed(framing, part)
                if camera is not None:
                    part["camera"] = camera[index : index + 1]
                for window in wanting:
                    window.append(part)
            if open_windows and len(open_windows[0][1]) == plan.frames:
                start, parts = open_windows.pop(0)
                first = plan.start + start
                mask_frames.check_taken(range(first, first + plan.span, plan.stride))
                yield {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            if index + 1 == plan.end:
                break
        else:
            mask_frames.check_frames(index + 1)
            check_count(source.camera, None if camera is None else len(camera), "rows", source.path, index + 1)
    if damage.told():
        on_damage(damage.told())
    yield used


def _check_frame(
    source: Source,
    index: int,
    frame: np.ndarray,
    masks: MaskFolder | None,
    mask: np.ndarray | None,
    camera: np.ndarray | None,
) -> None:
    """Raises UserError when a frame has no mask of its size or no row of the camera."""
    if masks and mask is None:
        raise UserError(f"{source.masks} holds {len(masks)} masks, {source.path} has more frames: add the others.")
    if mask is not None and mask.shape != frame.shape[:2]:
        raise UserError(
            f"{masks.paths[index]} has {mask.shape[1]} x {mask.shape[0]} pixels, its frame has "
            f"{frame.shape[1]} x {frame.shape[0]}: bring them to one size."
        )
    if camera is not None and index >= len(camera):
        raise UserError(f"{source.camera} has {len(camera)} rows, {source.path} has more frames: add the others.")


def _framed(framing: Framing, frame: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One frame without a time axis -> with one, cropped and resized."""
    with tf.device("CPU:0"):
        framed = framing.apply({name: tf.convert_to_tensor(value[np.newaxis]) for name, value in frame.items()})
    return {name: value.numpy() for name, value in framed.items()}


def _framing(path: str, shape: tuple[int, ...], plan: ImportPlan) -> Framing:
    """Cuts the largest part of the wanted aspect out of the middle, and resizes it."""
    height, width = shape[:2]
    crop = None
    if plan.size is not None:
        rows = min(height, max(1, round(width * plan.size[0] / plan.size[1])))
        columns = min(width, max(1, round(height * plan.size[1] / plan.size[0])))
        crop = ((height - rows) // 2, (width - columns) // 2, rows, columns)
        height, width = plan.size
    if height * width * plan.frames > MAX_CLIP_PIXELS:
        raise UserError(
            f"{path}: a clip of {plan.frames} frames of {width} x {height} pixels is more than the "
            f"{MAX_CLIP_PIXELS // 10**6} million that a record may hold: choose a smaller --size or fewer frames."
        )
    return Framing(crop, plan.size)
