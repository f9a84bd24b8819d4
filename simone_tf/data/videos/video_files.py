"""Reading videos as people have them: mp4, mov, webm, animated GIF, or a folder of pictures, frame by frame.

`read_frames` is a generator that holds one frame at a time, so the length of a video does not matter. GIF and pictures
are read with Pillow; all other files with PyAV (FFmpeg), which comes with `pip install simone_tf[video]`.
"""

import os
import re
from collections.abc import Iterator, Sequence

import numpy as np

from simone_tf.data.videos.container_video import read_video
from simone_tf.data.videos.damage import Damage
from simone_tf.data.videos.picture_files import open_picture, read_pictures, rgb_of
from simone_tf.data.videos.source_files import is_file
from simone_tf.errors import UserError, first_line

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".m2ts"),
    *(".mts", ".ogv", ".flv", ".wmv", ".asf", ".y4m", ".h264", ".264", ".hevc", ".h265", ".265"),
)
ANIMATION_SUFFIXES = (".gif", ".apng")


def read_frames(path: str | os.PathLike, damage: Damage | None = None) -> Iterator[np.ndarray]:
    """The frames of one video, one at a time.

    Grey becomes RGB, 16 bits become 8, what is transparent lies on black, a phone's "turned by 90 degrees" or
    "mirrored" is carried out, and pixels of a video file become square (see `shown_frame`). Frames come in the order
    they are shown, whatever their timing; pictures of a folder in the natural order of their names (frame2 before
    frame10).

    Args:
      path: a video file, an animated GIF, one picture (a video of one frame), or a folder of pictures.
      damage: what becomes of damaged frames of a video file (not of GIF and pictures); None to refuse the video.

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
                yield rgb_of(picture, image)
    elif not is_file(path):
        raise UserError(f"{path} does not exist: check its name.")
    elif path.lower().endswith(PICTURE_SUFFIXES + ANIMATION_SUFFIXES):
        yield from read_pictures(path)
    else:
        yield from read_video(path, damage)


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


def _listed(folder: str) -> list[str]:
    try:
        return sorted((name for name in os.listdir(folder) if not name.startswith(".")), key=natural_key)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({first_line(error)}): check its permissions.") from error


def _has_pictures(path: str) -> bool:
    return os.path.isdir(path) and any(name.lower().endswith(PICTURE_SUFFIXES) for name in _listed(path))
