"""PNG and GIF of uint8 pictures, as bytes and as files."""

import io
import os

import numpy as np
from PIL import Image
from scipy import spatial

from simone_tf.errors import UserError, first_line
from simone_tf.files import replacing
from simone_tf.pictures.colours import BACKGROUND, PALETTE, PAPER
from simone_tf.pictures.quantization import best_colours, colour_codes, colours_of


def encode_png(image: np.ndarray) -> bytes:
    """PNG bytes of a `[H, W, 3]` uint8 image."""
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(f"an image is [H, W, 3] uint8, got {image.shape} {image.dtype}.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def encode_gif(frames: np.ndarray, frames_per_second: float = 6.0) -> bytes:
    """Bytes of an endless GIF of `[T, H, W, 3]` uint8 frames, in the best 256 colours of each frame."""
    if frames.ndim != 4 or not len(frames) or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"an animation is [T, H, W, 3] uint8 with T > 0, got {frames.shape} {frames.dtype}.")
    pictures = [_quantize(frame) for frame in frames]
    buffer = io.BytesIO()
    duration = max(20, round(1000 / frames_per_second / 10) * 10)  # GIF counts in 1/100 s; browsers slow down below 2
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0)
    return buffer.getvalue()


def _quantize(frame: np.ndarray) -> Image.Image:
    """The best 256 colours, of which those of the segments are certain: a small patch of one would lose its own."""
    certain = np.concatenate([PALETTE, BACKGROUND[np.newaxis], np.array([PAPER], np.uint8)])
    adaptive, _ = best_colours(frame, 256 - len(certain))
    palette = np.concatenate([certain, adaptive])[:256]
    # Pillow's own search for the nearest colour is coarse enough to turn white paper grey.
    seen, places = np.unique(colour_codes(frame), return_inverse=True)
    nearest = spatial.KDTree(palette).query(colours_of(seen))[1].astype(np.uint8)
    picture = Image.fromarray(nearest[places].reshape(frame.shape[:2]))
    picture.putpalette(palette.tobytes())
    return picture


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes a `[H, W, 3]` uint8 image, in one piece or not at all; UserError if it cannot be written."""
    _save(path, encode_png(image))


def save_gif(path: str | os.PathLike, frames: np.ndarray, frames_per_second: float = 6.0) -> None:
    """Writes `[T, H, W, 3]` uint8 frames as an endless GIF, in one piece or not at all; UserError if it cannot be."""
    _save(path, encode_gif(frames, frames_per_second))


def _save(path: str | os.PathLike, content: bytes) -> None:
    """Writes an encoded picture, in one piece or not at all; UserError if it cannot be written."""
    try:
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(content)
    except OSError as error:
        raise UserError(
            f"Cannot write the picture {path}: {first_line(error)}; free or choose another place."
        ) from error
