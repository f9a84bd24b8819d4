"""Who reads a file: its first bytes decide, since names are wrong more often than bytes."""

import re

from simone_tf.data.videos.source_files import read_start
from simone_tf.errors import UserError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".vob", ".ts", ".m2ts"),
    *(".mts", ".ogv", ".flv", ".wmv", ".asf", ".y4m", ".h264", ".264", ".hevc", ".h265", ".265"),
)
ANIMATION_SUFFIXES = (".gif", ".apng")

_PICTURE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+|P[1-6][\s#]"
    # Two letters are little: of a bitmap also the four bytes that are zero, and the length of its header.
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}",
    re.DOTALL,
)
_VIDEO = re.compile(
    rb"....(ftyp|moov|mdat|free|skip|wide|pnot|moof|styp)|\x1a\x45\xdf\xa3|RIFF....AVI |OggS|FLV\x01"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xba\xb3]",
    re.DOTALL,
)
_JPEG = b"\xff\xd8\xff"
_HEIC = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)


def is_picture(path: str) -> bool:
    """Whether a file is for Pillow (pictures, GIF); otherwise it is for FFmpeg.

    The bytes at its start decide, the name only where they are of no known kind.

    Raises:
      UserError: it cannot be opened, is a Git LFS pointer, or a HEIC picture, of which FFmpeg gives one tile.
    """
    start = read_start(path)
    if _HEIC.match(start) and b"avif" not in start:
        raise UserError(f"{path} is a HEIC picture, which is not read: save it as PNG or JPEG.")
    named_so = path.lower().endswith(PICTURE_SUFFIXES + ANIMATION_SUFFIXES)
    if _PICTURE.match(start):
        return named_so or not (start.startswith(_JPEG) and _is_motion_jpeg(path))
    return named_so and not _VIDEO.match(start)


def _is_motion_jpeg(path: str) -> bool:
    """Whether a JPEG ends early in the file and another begins: Pillow would give the first one only."""
    with open(path, "rb") as file:
        return b"\xff\xd9" + _JPEG in file.read(2**24)
