"""Reading pictures and animations with Pillow: PNG, JPEG, GIF and the like, one frame at a time."""

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from simone_tf.data.videos.source_files import check_size, first_bytes, is_file, missing_bytes
from simone_tf.errors import UserError, first_line

_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")


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
        raise UserError(f"{path} is not a picture that can be read ({first_bytes(path)}): check the file.") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large ({str(error).split(',')[0]}): make it smaller first.") from error
    # Pillow's decoders raise all of these on damaged data.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, MemoryError) as error:
        raise UserError(f"{path} is damaged or cut off ({first_line(error)}): copy or make it again.") from error


def read_pictures(path: str) -> Iterator[np.ndarray]:
    """All frames of one picture file, one for most kinds."""
    with open_picture(path) as image:
        if image.format == "GIF" and missing_bytes(path):
            # Pillow would silently give the frames before the cut.
            raise UserError(f"{path} is cut off (it does not end as a GIF does): copy or make it again.")
        # The second picture inside a JPEG or TIFF is a preview or another page, not a later moment.
        count = getattr(image, "n_frames", 1) if image.format in ("GIF", "PNG", "WEBP") else 1
        for index in range(count):
            image.seek(index)
            yield rgb_of(path, image)


def rgb_of(path: str, image: Image.Image) -> np.ndarray:
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
