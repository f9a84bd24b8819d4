"""Reading pictures and animations with Pillow: PNG, JPEG, GIF and the like, one frame at a time."""

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from simone_tf.data.videos.picture_pages import frame_pages
from simone_tf.data.videos.png_chunks import damaged_chunk
from simone_tf.data.videos.sixteen_bits import WidePixels
from simone_tf.data.videos.source_files import (
    check_size,
    first_bytes,
    is_file,
    missing_bytes,
    read_start,
    unreadable,
)
from simone_tf.errors import UserError, first_line

_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
_ORIENTATION = 0x0112  # of EXIF and TIFF


@contextlib.contextmanager
def open_picture(path: str) -> Iterator[Image.Image]:
    """Opens a picture with Pillow; its header is read and its size checked, its pixels are not decoded yet.

    Raises:
      UserError: also for what goes wrong inside the block when the pixels are decoded.
    """
    if is_file(path):
        read_start(path)
    try:
        with contextlib.ExitStack() as stack:
            with _warnings_heard():
                # By its name Pillow would map the file, and then has wrong sides for grey TIFFs that are turned.
                file = stack.enter_context(open(path, "rb"))
                image = stack.enter_context(Image.open(file, formats=_PICTURE_FORMATS))
            check_size(path, image.width, image.height)
            chunk = damaged_chunk(path) if image.format == "PNG" else ""
            if chunk:
                raise UserError(
                    f"{path} is damaged (the checksum of its chunk {chunk} is wrong): copy or make it again."
                )
            yield image
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture that can be read ({first_bytes(path)}): check the file.") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large ({str(error).split(',')[0]}): make it smaller first.") from error
    # Pillow's decoders raise all of these on damaged data.
    except (
        *(OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, MemoryError),
        *(struct.error, zlib.error, OverflowError, ZeroDivisionError),
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unreadable(path, error) from error
        raise UserError(f"{path} is damaged or cut off ({first_line(error)}): copy or make it again.") from error


def read_pictures(path: str) -> Iterator[np.ndarray]:
    """All frames of one picture file, one for most kinds."""
    with open_picture(path) as image, WidePixels(path) as wide:
        animated = image.format == "GIF" or (image.format == "WEBP" and getattr(image, "n_frames", 1) > 1)
        if animated and missing_bytes(path):
            # Pillow would silently give the frames before the cut.
            raise UserError(f"{path} is cut off (it does not end as a {image.format} does): copy or make it again.")
        with _warnings_heard():
            pages = frame_pages(path, image)
        for page in pages:
            with _warnings_heard():
                image.seek(page)
                frame = rgb_of(path, image, wide)
            yield frame


def read_picture(path: str, wide: WidePixels | None = None) -> np.ndarray:
    """The one frame of a picture among others, uint8 [H, W, 3].

    Raises:
      UserError: also when it holds several frames, of which the others would be lost.
    """
    with open_picture(path) as image, _warnings_heard():
        image.seek(only_page(path, image))
        return rgb_of(path, image, wide)


def only_page(path: str, image: Image.Image) -> int:
    """Where the one frame of a picture is in its file.

    Raises:
      UserError: it has several.
    """
    with _warnings_heard():
        first, *others = frame_pages(path, image)
    if others:
        raise UserError(
            f"{path} holds {1 + len(others)} frames, a picture of a folder is one: name that file as the video, or "
            "save its frames as pictures."
        )
    return first


def rgb_of(path: str, image: Image.Image, wide: WidePixels | None = None) -> np.ndarray:
    """The picture as uint8 [H, W, 3], upright as its EXIF says; what is transparent lies on black."""
    is_wide = wide is not None and wide.stored_so(image)
    image.load()
    orientation = orientation_of(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        # Pillow brings PGM of more than 8 bits to 16, by the maximum that its header states.
        numbers = np.asarray(image)
        frame = np.repeat((numbers >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
        largest = int(numbers.max())
    elif image.mode in ("I", "F"):
        raise UserError(f"{path} holds 32-bit numbers, not a picture of 8 or 16 bits: save it as an 8-bit PNG.")
    else:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
        frame = np.asarray(image.convert("RGB"))
        largest = int(frame.max()) * 257 if is_wide else 0
    if is_wide:
        wide.seen(path, largest)
    return upright(frame, orientation)


def orientation_of(image: Image.Image) -> int:
    """How a picture must be turned to be shown: 1 to 8 of EXIF; 1, as it is, where it says nothing that is known."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, ...] turned and mirrored as an orientation of EXIF says."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


@contextlib.contextmanager
def _warnings_heard() -> Iterator[None]:
    """Keeps Pillow's warnings, which are for programmers, from the user; one of lost frames becomes an error."""
    told: list[Any]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    if any("APNG" in str(warning.message) for warning in told):
        raise ValueError("it says that it is animated, but not by how many frames")
