"""One video to take apart, wherever it comes from, and what can be known of it before it is read."""

import os
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from simone_tf.data.videos.damage import Damage
from simone_tf.data.videos.file_kinds import is_picture
from simone_tf.data.videos.npy_video import open_npy_video, read_npy_frames
from simone_tf.data.videos.picture_files import open_picture
from simone_tf.data.videos.picture_folders import is_picture_folder
from simone_tf.data.videos.source_files import is_file
from simone_tf.data.videos.video_files import list_pictures, read_frames, video_name
from simone_tf.data.videos.video_stream import choose_stream, open_container
from simone_tf.errors import UserError

DEFAULT_RATE = Fraction(12)
"""Frames per second where the source does not say."""

MIN_RATE, MAX_RATE = Fraction(1, 10), Fraction(240)


class VideoSource:
    """A video file, an animated GIF, a picture, a folder of pictures, or a `.npy` file.

    Attributes:
        path: as the user named it.
        name: its file or folder name without the ending.
        num_frames: frames it says it has, None where it does not say; a guess that only a progress bar may trust.
        rate: frames per second as a `Fraction`, `DEFAULT_RATE` where it does not say.
        damage: the `Damage` found in what was read last.

    Raises:
        UserError: it is missing, neither file nor folder, a folder without pictures, or a `.npy` file without a video.
    """

    def __init__(self, path: str | os.PathLike, on_corrupt: str = "raise", rows: str | None = None):
        """Args:
        path: the video.
        on_corrupt: "raise", or "skip" to leave damaged frames of a video file out.
        rows: what goes with the frames by their number, such as "its camera": then no frame is left out.
        """
        self.path = os.fspath(path)
        self._on_damage = (on_corrupt, rows)
        self.damage = Damage(self.path, *self._on_damage)
        if "://" in self.path:
            raise UserError(f"{self.path} is an address: copy the video to a local file, then name that.")
        if not is_picture_folder(self.path) and not is_file(self.path):
            raise UserError(f"{self.path} does not exist: check its name.")
        self.name = video_name(self.path)
        self._npy = open_npy_video(self.path) if self.path.lower().endswith(".npy") else None
        self.num_frames, rate = self._facts()
        self.rate = DEFAULT_RATE if rate is None else rate

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames as uint8 `[H, W, 3]`, one at a time.

        Raises:
            UserError: the video cannot be read, is damaged or cut off, has frames of several sizes, or one that is too
                large; raised when the frame in question is reached.
        """
        first = None
        self.damage = Damage(self.path, *self._on_damage)
        frames = read_frames(self.path, self.damage) if self._npy is None else read_npy_frames(self._npy)
        for index, frame in enumerate(frames):
            first = frame.shape if first is None else first
            if frame.shape != first:
                raise UserError(
                    f"{self.path}: frame {index} has {frame.shape[1]} x {frame.shape[0]} pixels, frame 0 has "
                    f"{first[1]} x {first[0]}: bring all frames of a video to one size."
                )
            yield frame

    def _facts(self) -> tuple[int | None, Fraction | None]:
        """Number of frames and rate; None for what is not known. Faults are left to whoever reads the frames."""
        if self._npy is not None:
            return self._npy.num_frames, None
        if is_picture_folder(self.path):
            return len(list_pictures(self.path)), None
        try:
            if is_picture(self.path):
                return _facts_of_picture(self.path)
            return _facts_of_video(self.path)
        except Exception:  # Whatever a damaged header leads to: the reader tells it better.
            return None, None


def as_rate(value: float | Fraction | None) -> Fraction | None:
    """Frames per second brought into a sensible range; None for what is no rate."""
    if value is None or not 0 < value < 10**6:
        return None
    return min(max(Fraction(value).limit_denominator(1001), MIN_RATE), MAX_RATE)


def _facts_of_picture(path):
    with open_picture(path) as image:
        if image.format == "WEBP":
            image.load()  # Only a frame that was decoded tells its time.
        milliseconds = image.info.get("duration")
        # A GIF's frames are counted by going through all of it; the first two tell its rate.
        return None, as_rate(Fraction(1000) / Fraction(milliseconds) if milliseconds else None)


def _facts_of_video(path):
    with open_container(path) as container:
        stream = choose_stream(container)
        return stream.frames or None, as_rate(stream.average_rate)
