"""Bringing the frames of any video to the model's size, their aspect kept, and to a size that is nice to look at."""

import collections
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from simone_tf.data.framing import Framing
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError
from simone_tf.long_videos import FITS

_DISPLAY_SIDE = 320


class Fitting:
    """How frames of one size become frames of another.

    Args:
        frame_shape: (H, W, ...) of the video.
        size: (height, width) that the model takes.
        fit: 'crop' cuts the largest part of the wanted aspect out of the middle; 'pad' keeps all of the frame and
            repeats its outermost pixels to the missing sides.

    Attributes:
        crop: (top, left, height, width) of what is used, in pixels of the video.
        content: (top, left, height, width) of where it lies in the model's frame, in that frame's pixels.
        scale: whole number, even where the frame is smaller than 160 pixels, by which `display` is larger than the
            model's frame.

    Raises:
        UserError: `fit` is neither.
    """

    def __init__(self, frame_shape: tuple[int, ...], size: tuple[int, int], fit: str = "crop"):
        if fit not in FITS:
            raise UserError(f"--fit={fit}: choose one of {', '.join(FITS)}.")
        (height, width), (rows, columns) = frame_shape[:2], size
        self._size = tuple(size)
        self.crop, self.content = (0, 0, height, width), (0, 0, rows, columns)
        if fit == "crop":
            cut_rows = min(height, max(1, round(width * rows / columns)))
            cut_columns = min(width, max(1, round(height * columns / rows)))
            self.crop = ((height - cut_rows) // 2, (width - cut_columns) // 2, cut_rows, cut_columns)
        else:
            factor = min(rows / height, columns / width)
            kept_rows = min(rows, max(1, round(height * factor)))
            kept_columns = min(columns, max(1, round(width * factor)))
            self.content = ((rows - kept_rows) // 2, (columns - kept_columns) // 2, kept_rows, kept_columns)
        self.scale = display_scale(size)
        self._framing = Framing(resize=self.content[2:])

    def for_model(self, frame: np.ndarray) -> np.ndarray:
        """The frame as the model takes it, averaged over area as the training's data are: uint8 [H, W, 3]."""
        top, left, height, width = self.crop
        frame = np.ascontiguousarray(frame[top : top + height, left : left + width])
        with tf.device("CPU:0"):
            fitted = self._framing.apply({"video": tf.constant(frame[np.newaxis])})["video"][0].numpy()
        return self._padded(fitted, self.content, self._size)

    def for_display(self, frame: np.ndarray) -> np.ndarray:
        """The same part of the frame, `scale` times as large as the model's frame: uint8 [scale H, scale W, 3]."""
        top, left, height, width = self.crop
        content = tuple(side * self.scale for side in self.content)
        box = (left, top, left + width, top + height)
        # Area averaging downwards, whole pixels upwards.
        resized = Image.fromarray(frame).resize(content[:1:-1], Image.Resampling.BOX, box)
        return self._padded(np.asarray(resized), content, tuple(side * self.scale for side in self._size))

    @staticmethod
    def _padded(frame, content, size):
        top, left, height, width = content
        if (height, width) == size:
            return frame
        return np.pad(frame, ((top, size[0] - top - height), (left, size[1] - left - width), (0, 0)), mode="edge")


class FittedFrames:
    """Iterates over the frames of a video at the model's size; keeps those not taken yet at the size for pictures.

    Args:
        video: `VideoSource`.
        size, fit: as for `Fitting`.

    Raises:
        UserError: the video cannot be read; also while iterating.
    """

    def __init__(self, video: VideoSource, size: tuple[int, int], fit: str):
        self._video, self._size, self._fit = video, size, fit
        self._frames = video.frames()
        self._shown = collections.deque()
        self._fitting = self._shape = None
        # What is wrong with the first frame is wrong with the video.
        self._first = next(self._frames)
        self._shape = self._first.shape
        self._fitting = Fitting(self._shape, size, fit)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in itertools.chain([self._first], self._frames):
            self._first = None
            self._shown.append(self._fitting.for_display(frame))
            yield self._fitting.for_model(frame)

    def take_shown(self) -> np.ndarray:
        """The earliest frame not taken yet."""
        return self._shown.popleft()

    def describe(self) -> dict:
        """What was used of the video, for `decomposition.json`."""
        fitting = self._fitting
        return {"size": self._shape[:2], "fit": self._fit, "crop": fitting.crop, "content": fitting.content}

    def close(self) -> None:
        """Closes the video's file."""
        self._frames.close()


def display_scale(size: tuple[int, int]) -> int:
    """How many times pictures of a model's frames are enlarged, at least once."""
    scale = max(1, round(_DISPLAY_SIDE / max(size)))
    return scale if scale == 1 else scale // 2 * 2
