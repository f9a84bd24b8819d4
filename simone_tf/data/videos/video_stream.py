"""Opens a video file with PyAV (FFmpeg) and finds the stream in it that a player would show."""

import contextlib
import os
from collections.abc import Iterator

from simone_tf.errors import UserError

# FFmpeg finds out by itself what a file is: without this list a text file could send it to other files or addresses.
CONTAINER_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegvideo,mpegts,ogg,flv,asf,yuv4mpegpipe,"
    "h264,hevc",
    "protocol_whitelist": "file",
}

# Of `av.stream.Disposition`, which PyAV has not always had.
_DEFAULT, _ATTACHED_PICTURE, _THUMBNAILS, _STILL = 1 << 0, 1 << 10, 1 << 11, 1 << 20


@contextlib.contextmanager
def open_container(path: str) -> Iterator:
    """Opens a file with PyAV, which has to be there.

    Raises:
      UserError: it may not be read.
      Exception: whatever PyAV makes of a damaged file.
    """
    import av

    try:
        # A title in another encoding is no damage.
        container = av.open("file:" + os.path.abspath(path), options=CONTAINER_OPTIONS, metadata_errors="replace")
    except PermissionError as error:
        raise UserError(f"{path} cannot be opened (Permission denied): check its permissions.") from error
    with container:
        yield container


def choose_stream(container):
    """The stream that a player shows: no cover picture; the one marked as default; the largest picture.

    Where these are equal, FFmpeg's own choice. A stream of a single frame is a poster and comes after real ones, as do
    those whose codec FFmpeg does not know.

    Args:
      container: PyAV's.

    Returns:
      A video stream, or None where the file has none but cover pictures.
    """
    best = container.streams.best("video")

    def merit(stream):
        known = stream.codec_context is not None
        pixels = stream.codec_context.width * stream.codec_context.height if known else 0
        moving = stream.frames != 1 and not _disposition(stream) & _STILL
        return known, moving, bool(_disposition(stream) & _DEFAULT), pixels, best is not None and stream is best

    streams = [s for s in container.streams.video if not _disposition(s) & (_ATTACHED_PICTURE | _THUMBNAILS)]
    return max(streams, key=merit, default=None)


def _disposition(stream) -> int:
    return int(getattr(stream.disposition, "value", stream.disposition))
