"""Which of the pictures in one file are the frames of a video; others are previews, or what is shown in its stead."""

import re

from PIL import Image

from simone_tf.data.videos.source_files import check_size
from simone_tf.errors import UserError

_NEW_SUBFILE, _OLD_SUBFILE, _SUB_IFDS, _DESCRIPTION = 254, 255, 330, 270  # tags of TIFF
_PREVIEW, _TRANSPARENCY = 1, 4  # bits of _NEW_SUBFILE
_OLD_PREVIEW = 2
_NETPBM = re.compile(rb"\s*P[1-6]\s")


def frame_pages(path: str, image: Image.Image) -> list[int]:
    """Where the frames of a file are, for `Image.seek`.

    Of GIF and WebP, all. Of an APNG whose first picture is only for programs that know no APNG, all but that. Of a TIFF
    the pages, but for those that say of themselves that they are previews or masks of transparency; pages of several
    sizes or kinds, or that are channels, are refused. The further pictures inside a JPEG are previews.

    Raises:
      UserError: the pages of a TIFF are no frames of one video.
    """
    count = getattr(image, "n_frames", 1)
    if image.format in ("GIF", "WEBP"):
        return list(range(count))
    if image.format == "PNG":
        hidden = count > 1 and bool(image.info.get("default_image"))
        return list(range(int(hidden), count))
    if image.format == "PPM":
        _check_alone(path, image)
    return _tiff_pages(path, image, count) if image.format == "TIFF" else [0]


def _check_alone(path: str, image: Image.Image) -> None:
    """PBM, PGM and PPM may follow each other in one file; Pillow reads the first."""
    codec, _, offset, arguments = image.tile[0]
    if codec == "ppm_plain":
        return  # Only binary pictures may.
    maximum = arguments[1] if isinstance(arguments, tuple) and image.mode != "F" else 255
    wide = maximum > 255 or arguments == "I;16B"
    size = 4 if image.mode == "F" else 1 + wide
    row = -(-image.width // 8) if image.mode == "1" else image.width * len(image.getbands()) * size
    with open(path, "rb") as file:
        file.seek(offset + row * image.height)
        if _NETPBM.match(file.read(64)):
            raise UserError(f"{path} holds several pictures one after the other: save each as a file of its own.")


def _tiff_pages(path: str, image: Image.Image, count: int) -> list[int]:
    pages, kinds = [], {}
    has_others = False
    for page in range(count):
        image.seek(page)
        tags = image.tag_v2
        has_others = has_others or _SUB_IFDS in tags
        if tags.get(_NEW_SUBFILE, 0) & (_PREVIEW | _TRANSPARENCY) or tags.get(_OLD_SUBFILE) == _OLD_PREVIEW:
            continue
        check_size(path, image.width, image.height)
        pages.append(page)
        kinds.setdefault((image.size, image.mode), page)
    image.seek(0)
    if not pages and (has_others or count > 1):
        raise UserError(f"{path} holds only previews of a picture in another form: save it as PNG.")
    if len(kinds) > 1:
        (first, a), (other, b) = list(kinds.items())[:2]
        raise UserError(
            f"{path} is a TIFF whose page {a + 1} has {first[0][0]} x {first[0][1]} pixels ({first[1]}) and page "
            f"{b + 1} has {other[0][0]} x {other[0][1]} ({other[1]}), so they are not the frames of one video: save "
            "the frames as pictures in a folder."
        )
    if len(pages) > 1:
        _check_imagej(path, str(image.tag_v2.get(_DESCRIPTION, "")))
    return pages or [0]


def _check_imagej(path: str, description: str) -> None:
    """ImageJ stores channels and slices as pages like frames, and tells which they are in a text."""
    if not description.startswith("ImageJ"):
        return
    told = {
        name: int(value) for name, value in re.findall(r"(?m)^(channels|slices|frames)=([0-9]{1,9})\s*$", description)
    }
    channels, slices, frames = (told.get(name, 1) for name in ("channels", "slices", "frames"))
    # Slices alone are how a video is often saved.
    if channels > 1 or (slices > 1 and frames > 1):
        raise UserError(
            f"{path} is an ImageJ stack of {channels} channels, {slices} slices and {frames} frames, each a page: save "
            "the frames as RGB pictures in a folder."
        )
