"""Writing an MP4 frame by frame with PyAV, where it is installed."""

import contextlib
import os
from fractions import Fraction

import numpy as np

_CODECS = ("libx264", "mpeg4")
_QUALITY = {"libx264": {"crf": "16", "preset": "veryfast"}, "mpeg4": {"qscale": "2"}}


def can_write_mp4() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


class Mp4Writer:
    """An MP4 (H.264 where this PyAV has it, else MPEG-4; 4:2:0) that grows frame by frame.

    Args:
        path: the file, which is written anew.
        rate: frames per second.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str | os.PathLike, rate: Fraction):
        import av

        self._container = av.open(os.fspath(path), "w", format="mp4")
        self._codec = next(name for name in _CODECS if name in av.codecs_available)
        self._rate = rate
        self._stream = None

    def add(self, frame: np.ndarray) -> None:
        """Appends a uint8 `[H, W, 3]` frame; of an odd height or width the last row or column is repeated."""
        import av

        frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._container.add_stream(self._codec, self._rate, options=_QUALITY[self._codec])
            self._stream.height, self._stream.width = frame.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            # More threads than frames to come keep frames waiting, and their memory.
            self._stream.thread_count = 1
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))

    def close(self) -> None:
        """Ends the video, which is complete then if it has a frame."""
        with contextlib.closing(self._container):
            if self._stream is not None:
                self._container.mux(self._stream.encode())
