"""Reading videos with PyAV (FFmpeg), which comes with `pip install simone_tf[video]`: mp4, mov, webm and the like."""

import os
from collections.abc import Iterator

import numpy as np

from simone_tf.data.videos.pyav_version import check_version
from simone_tf.data.videos.source_files import MAX_FRAME_PIXELS, check_size, first_bytes, missing_bytes
from simone_tf.errors import UserError, first_line

# FFmpeg finds out by itself what a file is: without this list a text file could send it to other files or addresses.
CONTAINER_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg,flv,asf",
    "protocol_whitelist": "file",
}


def read_video(path: str) -> Iterator[np.ndarray]:
    """The frames of whatever FFmpeg reads."""
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"{path} needs PyAV to be read, which is not installed: pip install simone_tf[video], or bring the video "
            "as a GIF or a folder of frames."
        ) from error
    check_version(av.__version__, path)
    lacking = missing_bytes(path)
    if lacking:
        raise UserError(f"{path} is cut off (at least {lacking} bytes are missing): copy or make it again.")
    index = 0
    try:
        # A title in another encoding is no damage.
        with av.open(
            "file:" + os.path.abspath(path), options=CONTAINER_OPTIONS, metadata_errors="replace"
        ) as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video that can be read ({first_bytes(path)}): check the file.")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ValueError("FFmpeg does not know its codec")
            check_size(path, stream.codec_context.width, stream.codec_context.height)
            # A size can also change further on, before the frame is handed out.
            stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise UserError(f"{path} is cut off or damaged after frame {index}: copy or make it again.")
                for frame in packet.decode():
                    check_size(path, frame.width, frame.height)
                    yield np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                    index += 1
    except UserError:
        raise
    except Exception as error:  # PyAV lets more than its own errors through, such as of texts that are no UTF-8.
        reason = f"after frame {index}" if index else first_bytes(path)
        raise UserError(f"{path} is no video or damaged ({reason}; {first_line(error)}): check the file.") from error
    if not index:
        raise UserError(f"{path} is a video without frames: check the file.")
