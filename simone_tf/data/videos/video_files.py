"""Reading videos as people have them: mp4, mov, webm, animated GIF, or a folder of pictures, frame by frame.

`read_frames` is a generator that holds one frame at a time, so the length of a video does not matter. GIF and pictures
are read with Pillow; all other files with PyAV (FFmpeg), which comes with `pip install simone_tf[video]`. Which it is
the first bytes of a file tell; its name matters only where a folder is listed.
"""

import os
import re
from collections.abc import Iterator, Sequence

import numpy as np

from simone_tf.data.videos.container_video import read_video
from simone_tf.data.videos.damage import Damage
from simone_tf.data.videos.file_kinds import ANIMATION_SUFFIXES, PICTURE_SUFFIXES, VIDEO_SUFFIXES, is_picture
from simone_tf.data.videos.picture_files import read_picture, read_pictures
from simone_tf.data.videos.picture_folders import is_picture_folder, list_pictures, listed, natural_key
from simone_tf.data.videos.picture_series import is_pattern
from simone_tf.data.videos.sixteen_bits import WidePixels
from simone_tf.data.videos.source_files import is_file
from simone_tf.errors import UserError

# What listing pictures and telling kinds apart takes lies in files of its own; here is where it is asked for.
__all__ = [
    "ANIMATION_SUFFIXES",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "find_videos",
    "list_pictures",
    "natural_key",
    "read_frames",
    "video_name",
]


def read_frames(path: str | os.PathLike, damage: Damage | None = None) -> Iterator[np.ndarray]:
    """The frames of one video, one at a time.

    Grey becomes RGB, 16 bits become 8 (where all numbers of a video are small, a warning tells so), what is transparent
    lies on black, a phone's "turned by 90 degrees" or "mirrored" is carried out, and pixels of a video file become
    square (see `shown_frame`). Frames come in the order they are shown, whatever their timing; pictures of a folder in
    the natural order of their names (frame2 before frame10).

    Args:
      path: a video file, an animated GIF, one picture (a video of one frame; the pages of a TIFF are frames), or a
        folder of pictures. Of a folder as Kubric writes it the frames are `rgba_...`; of one with several numbered
        series a pattern names one: `folder/left_*`.
      damage: what becomes of damaged frames of a video file (not of GIF and pictures); None to refuse the video.

    Yields:
      uint8 [H, W, 3] RGB; H and W may differ from frame to frame where the source's do.

    Raises:
      UserError: the source is missing, not readable, damaged or cut off, has no frame, has a frame of more than
        `MAX_FRAME_PIXELS` pixels, or does not tell which of several series is meant; raised when the frame in question
        is reached.
    """
    path = os.fspath(path)
    if is_picture_folder(path):
        with WidePixels(path) as wide:
            for picture in list_pictures(path):
                yield read_picture(picture, wide)
    elif not is_file(path):
        raise UserError(f"{path} does not exist: check its name.")
    elif is_picture(path):
        yield from read_pictures(path)
    else:
        yield from read_video(path, damage)


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
            names = listed(path)
        elif is_picture_folder(path) or is_file(path):
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
    """What a video is called: its file's name without the ending, or its folder's name.

    Of a series in a folder (`walk/left_*.png`) it is both: "walk_left".
    """
    name = os.path.basename(os.path.abspath(path))
    if is_pattern(path):
        folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
        series = "_".join(re.findall(r"\w+", os.path.splitext(name.replace("[0-9]", ""))[0].replace("_", " ")))
        return f"{folder}_{series}" if series else folder
    return name if os.path.isdir(path) else os.path.splitext(name)[0]


def _has_pictures(path: str) -> bool:
    return os.path.isdir(path) and any(name.lower().endswith(PICTURE_SUFFIXES) for name in listed(path))
