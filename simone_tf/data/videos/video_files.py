"""Reading videos as people have them: mp4, mov, webm, animated GIF, or a folder of pictures, frame by frame.

`read_frames` is a generator that holds one frame at a time, so the length of a video does not matter. GIF and pictures
are read with Pillow; all other files with PyAV (FFmpeg), which comes with `pip install simone_tf[video]`.
"""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from simone_tf.data.videos.cut_files import missing_bytes
from simone_tf.errors import UserError, first_line

MAX_FRAME_PIXELS = 2**25
"""The most pixels a frame may have: a little more than 8K video (7680 x 4320)."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".flv", ".wmv")
ANIMATION_SUFFIXES = (".gif", ".apng")

_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
# FFmpeg finds out by itself what a file is: without this list a text file could send it to other files or addresses.
CONTAINER_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg,flv,asf",
    "protocol_whitelist": "file",
}


def read_frames(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """The frames of one video, one at a time.

    Grey becomes RGB, 16 bits become 8, what is transparent lies on black, and a phone's "turned by 90 degrees" is
    carried out. Frames come in the order they are shown, whatever their timing; pictures of a folder in the natural
    order of their names (frame2 before frame10).

    Args:
      path: a video file, an animated GIF, one picture (a video of one frame), or a folder of pictures.

    Yields:
      uint8 [H, W, 3] RGB; H and W may differ from frame to frame where the source's do.

    Raises:
      UserError: the source is missing, not readable, damaged or cut off, has no frame, or has a frame of more than
        `MAX_FRAME_PIXELS` pixels; raised when the frame in question is reached.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        for picture in list_pictures(path):
            with open_picture(picture) as image:
                yield _rgb(picture, image)
    elif not is_file(path):
        raise UserError(f"{path} does not exist: check its name.")
    elif path.lower().endswith(PICTURE_SUFFIXES + ANIMATION_SUFFIXES):
        yield from _read_pictures(path)
    else:
        yield from _read_video(path)


def list_pictures(folder: str) -> list[str]:
    """The paths of the pictures of a folder in natural order; hidden files and other kinds are left out.

    Raises:
      UserError: there is none.
    """
    names = [name for name in _listed(folder) if name.lower().endswith(PICTURE_SUFFIXES)]
    if not names:
        raise UserError(f"{folder} holds no picture ({', '.join(PICTURE_SUFFIXES)}): name a folder of frames.")
    return [os.path.join(folder, name) for name in names]


def find_videos(paths: Sequence[str]) -> list[str]:
    """The videos that the user means: files and folders of pictures as they are, and what a folder of videos holds.

    Args:
      paths: video files, folders of pictures, or folders that hold any number of either.

    Returns:
      Paths for `read_frames`, in the order given, those from one folder in natural order.

    Raises:
      UserError: a path does not exist, or a folder holds no video, or both pictures and videos.
    """
    found: list[str] = []
    for path in map(os.fspath, paths):
        if os.path.isdir(path):
            names = _listed(path)
        elif is_file(path):
            found.append(path)
            continue
        else:
            raise UserError(f"{path} does not exist: name video files, folders of frames, or folders of videos.")
        pictures = [name for name in names if name.lower().endswith(PICTURE_SUFFIXES)]
        videos = [
            name
            for name in names
            if name.lower().endswith(VIDEO_SUFFIXES + ANIMATION_SUFFIXES) or _has_pictures(os.path.join(path, name))
        ]
        if pictures and videos:
            raise UserError(
                f"{path} holds both frames ({pictures[0]}) and videos ({videos[0]}): name the ones you mean, or "
                "move them into folders of their own."
            )
        if not pictures and not videos:
            raise UserError(f"{path} holds no video and no folder of frames: name the files or put them there.")
        found += [path] if pictures else [os.path.join(path, name) for name in videos]
    return found


def video_name(path: str) -> str:
    """What a video is called: its file's name without the ending, or its folder's name."""
    name = os.path.basename(os.path.abspath(path))
    return name if os.path.isdir(path) else os.path.splitext(name)[0]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts names as people count: frame2 before frame10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part]


def is_file(path: str) -> bool:
    """Whether there is a file; False where there is nothing or a folder.

    Raises:
      UserError: there is something else, such as a named pipe, whose opening could wait for ever.
    """
    if os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path):
        raise UserError(f"{path} is neither a file nor a folder (a pipe or a device): save the video as a file first.")
    return os.path.isfile(path)


@contextlib.contextmanager
def open_picture(path: str) -> Iterator[Image.Image]:
    """Opens a picture with Pillow; its header is read and its size checked, its pixels are not decoded yet.

    Raises:
      UserError: also for what goes wrong inside the block when the pixels are decoded.
    """
    is_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow's own limit, in words for programmers; the check below is stricter.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=_PICTURE_FORMATS)
        with image:
            check_size(path, image.width, image.height)
            yield image
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that can be read ({_first_bytes(path)}): check the file.") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large ({str(error).split(',')[0]}): make it smaller first.") from error
    # Pillow's decoders raise all of these on damaged data.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, MemoryError) as error:
        raise UserError(f"{path} is damaged or cut off ({first_line(error)}): copy or make it again.") from error


def check_size(path: str, width: int, height: int) -> None:
    """Raises UserError when a frame is too large to be decoded."""
    if width * height > MAX_FRAME_PIXELS:
        raise UserError(
            f"{path} has frames of {width} x {height} pixels, more than the {MAX_FRAME_PIXELS // 10**6} million "
            "that are read: make it smaller first."
        )


def _read_pictures(path: str) -> Iterator[np.ndarray]:
    """All frames of one picture file, one for most kinds."""
    with open_picture(path) as image:
        if image.format == "GIF" and _missing_bytes(path):
            # Pillow would silently give the frames before the cut.
            raise UserError(f"{path} is cut off (it does not end as a GIF does): copy or make it again.")
        # The second picture inside a JPEG or TIFF is a preview or another page, not a later moment.
        count = getattr(image, "n_frames", 1) if image.format in ("GIF", "PNG", "WEBP") else 1
        for index in range(count):
            image.seek(index)
            yield _rgb(path, image)


def _rgb(path: str, image: Image.Image) -> np.ndarray:
    """The picture as uint8 [H, W, 3]."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=-1)
    if image.mode in ("I", "F"):
        raise UserError(f"{path} holds 32-bit numbers, not a picture of 8 or 16 bits: save it as an 8-bit PNG.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _read_video(path: str) -> Iterator[np.ndarray]:
    """The frames of whatever FFmpeg reads."""
    try:
        import av
    except ImportError as error:
        raise UserError(
            f"{path} needs PyAV to be read, which is not installed: pip install simone_tf[video], or bring the video "
            "as a GIF or a folder of frames."
        ) from error
    lacking = _missing_bytes(path)
    if lacking:
        raise UserError(f"{path} is cut off (at least {lacking} bytes are missing): copy or make it again.")
    index = 0
    try:
        # A title in another encoding is no damage.
        with av.open(
            "file:" + os.path.abspath(path), options=CONTAINER_OPTIONS, metadata_errors="replace"
        ) as container:
            if not container.streams.video:
                raise UserError(f"{path} holds no video that can be read ({_first_bytes(path)}): check the file.")
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
        reason = f"after frame {index}" if index else _first_bytes(path)
        raise UserError(f"{path} is no video or damaged ({reason}; {first_line(error)}): check the file.") from error
    if not index:
        raise UserError(f"{path} is a video without frames: check the file.")


def _listed(folder: str) -> list[str]:
    try:
        return sorted((name for name in os.listdir(folder) if not name.startswith(".")), key=natural_key)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({first_line(error)}): check its permissions.") from error


def _has_pictures(path: str) -> bool:
    return os.path.isdir(path) and any(name.lower().endswith(PICTURE_SUFFIXES) for name in _listed(path))


def _missing_bytes(path: str) -> int:
    try:
        return missing_bytes(path)
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({first_line(error)}): check its permissions.") from error


def _first_bytes(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(8)
    return f"it starts with the bytes {start.hex(' ')}" if start else "it is empty"
