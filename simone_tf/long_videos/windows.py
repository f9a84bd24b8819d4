"""A video of any length cut into overlapping windows of T frames, as it streams in; no window holds two scenes."""

import collections
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from simone_tf.errors import UserError
from simone_tf.pictures.pixels import as_float


class WrongRowsError(UserError):
    """What is given of the frames has not as many rows as the video has frames; which file it is from is not known."""

    def __init__(self, name: str, rows: int, frames: int | None) -> None:
        has = "more frames" if frames is None else f"{frames} frames"
        super().__init__(f"`{name}` has {rows} rows, the video has {has}: give every frame one row.")


class Window(NamedTuple):
    """T consecutive frames of a video."""

    start: int  # index of the first frame in the video
    video: np.ndarray  # [T, H, W, 3] float32 in [0, 1]
    num_frames: int  # frames that are the video's; the others, at the end, repeat the last one
    given: dict[str, np.ndarray]  # what else the model is given of these frames, [T, C] by name
    scene_start: int = 0  # index of the first frame of the scene that the window lies in


def default_overlap(num_frames: int) -> int:
    """Half of a window, rounded down: every frame but the first and the last ones lies in two windows."""
    return num_frames // 2


def check_overlap(overlap: int, num_frames: int) -> None:
    """Raises UserError unless windows of `num_frames` can share `overlap` frames and still move on."""
    least = min(1, num_frames - 1)
    if not isinstance(overlap, int) or not least <= overlap < num_frames:
        raise UserError(
            f"An overlap of {overlap} frames does not suit windows of {num_frames}: choose {least} to {num_frames - 1}."
        )


def cut_windows(
    frames: Iterable[np.ndarray],
    num_frames: int,
    frame_size: tuple[int, int],
    overlap: int,
    given: Mapping[str, np.ndarray] | None = None,
    cuts: Container[int] = (),
) -> Iterator[Window]:
    """Cuts a stream of frames; holds one window of them.

    The last window of a scene, of which a video without cuts has one, is shifted back so that it ends with the scene,
    and shares more frames with the one before. A scene shorter than a window is one window in which its last frame is
    held.

    Args:
      frames: `[H, W, 3]` each, uint8 or floating point in [0, 1].
      num_frames: T.
      frame_size: (H, W).
      overlap: frames that a window shares with the next of its scene.
      given: what else the model is given, by name a row `[C]` for every frame of the video; None for nothing.
      cuts: indices of the frames that begin another scene; those of a frame are asked for once it has come.

    Raises:
      UserError: there is no frame at all, `overlap` is out of range, or there are not as many rows as frames.
      ValueError: a frame has another shape or type.
    """
    check_overlap(overlap, num_frames)
    last: collections.deque[np.ndarray] = collections.deque(maxlen=num_frames)
    count = begin = end = 0  # frames seen, first frame of the scene, end of the scene's last window
    given = given or {}

    def window(start: int, video: list[np.ndarray], shown: int) -> Window:
        rows = np.minimum(np.arange(start, start + num_frames), start + shown - 1)
        return Window(start, np.stack(video), shown, {name: table[rows] for name, table in given.items()}, begin)

    def rest_of_scene() -> Iterator[Window]:
        if count - begin < num_frames:
            yield window(begin, [*last, *[last[-1]] * (num_frames - len(last))], count - begin)
        elif count > end:
            yield window(count - num_frames, [*last], num_frames)

    for frame in frames:
        for name, table in given.items():
            if count == len(table):
                raise WrongRowsError(name, count, None)
        if count and count in cuts:
            yield from rest_of_scene()
            last.clear()
            begin = end = count
        last.append(_float_frame(frame, frame_size, count))
        count += 1
        if count == (end - overlap if end > begin else begin) + num_frames:
            yield window(count - num_frames, [*last], num_frames)
            end = count
    if not count:
        raise UserError("The video has no frame: name one that has.")
    for name, table in given.items():
        if count < len(table):
            raise WrongRowsError(name, len(table), count)
    yield from rest_of_scene()


def as_float_frames(frames: Iterable[np.ndarray], frame_size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The frames as float32 in [0, 1].

    Raises:
      ValueError: a frame is not `[H, W, 3]`, uint8 or floating point.
    """
    for index, frame in enumerate(frames):
        yield _float_frame(frame, frame_size, index)


def _float_frame(frame: np.ndarray, frame_size: tuple[int, int], index: int) -> np.ndarray:
    frame = np.asarray(frame)
    if frame.shape != (*frame_size, 3):
        raise ValueError(f"frame {index} is {list(frame.shape)}, the model sees {[*frame_size, 3]}.")
    if frame.dtype == np.uint8:
        return as_float(frame)
    if not np.issubdtype(frame.dtype, np.floating):
        raise ValueError(f"frame {index} is {frame.dtype}; frames are uint8, or floating point in [0, 1].")
    return frame.astype(np.float32)
