"""Frames as strips of PNG: consecutive frames one below the other, so that one picture holds a whole short clip.

One strip compresses far better than one PNG per frame: the frames of a clip repeat each other, and the fixed cost of a
PNG is paid once. Measured on 4 rendered frames of 24x24: 2,400 bytes as four PNGs, 2,000 as one strip, 1,700 as one
strip without PNG's line filters, which hide exact repeats from the compressor. So both are tried and the smaller kept.
"""

import io
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

from simone_tf.data.formats.graph_checks import checked

MAX_HEIGHT = 16384
"""The most rows one strip may have."""

_MOST_UNROLLED = 64
# A strip of more bytes than this is compressed less hard: 2 % more bytes of 16 frames of 64x64, in a sixth of the time.
_LARGE_STRIP = 2**16

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB = 0, 2


def frames_per_image(frames: int, height: int) -> int:
    """The largest divisor of `frames` that keeps a strip of frames of this height within `MAX_HEIGHT` (or 1)."""
    fitting = (f for f in range(1, frames + 1) if frames % f == 0 and f * height <= MAX_HEIGHT)
    return max(fitting, default=1)


def encode_frames(frames: np.ndarray, per_image: int) -> list[bytes]:
    """Lossless strips of `per_image` frames each.

    Args:
      frames: uint8 [T, H, W, 3], or uint8 or uint16 [T, H, W].
      per_image: a divisor of T.
    """
    strips = frames.reshape(-1, per_image * frames.shape[1], *frames.shape[2:])
    return [min(_filtered(strip), _unfiltered(strip), key=len) for strip in strips]


def decode_frames(
    images: tf.Tensor, frames: tf.Tensor, height: tf.Tensor, width: tf.Tensor, channels: int
) -> tf.Tensor:
    """Frames of the strips that `encode_frames` made; graph code.

    The sizes in the PNG headers are compared with the sizes wanted before anything is decoded, so that a picture cannot
    make the reader allocate more than the caller has agreed to.

    Args:
      images: strings [n], n a divisor of `frames`.
      frames, height, width: integer scalars.
      channels: 3 for RGB, 1 for grayscale of 8 or 16 bits.

    Returns:
      uint8 [T, H, W, 3], or int32 [T, H, W] for one channel.

    Raises:
      tf.errors.InvalidArgumentError: a string is not such a PNG, or its size is not the one wanted.
    """
    frames, height, width = (tf.cast(size, tf.int32) for size in (frames, height, width))
    count = tf.size(images)
    strip_height = frames // tf.maximum(count, 1) * height
    # Read as if padded with zeros: TensorFlow's error about a string that is too short quotes it, which Python cannot
    # always decode.
    header = tf.io.decode_raw(images, tf.uint8, fixed_length=28)
    sizes = tf.io.decode_raw(images, tf.int32, little_endian=False, fixed_length=28)[:, 4:6]
    kinds = header[:, 24:26]
    if channels == 3:
        kind_fits = kinds[:, 0] == 8
    else:
        kind_fits = ((kinds[:, 0] == 8) | (kinds[:, 0] == 16)) & (kinds[:, 1] == _GRAY)
    header_fits = (
        (count > 0)
        & tf.reduce_all(header[:, :8] == list(_SIGNATURE))
        & tf.reduce_all(sizes == tf.stack([width, strip_height]))
        & tf.reduce_all(kind_fits)
    )
    refusal = "A picture is not a PNG of the size that `shape` claims; width and height found:"
    images = checked(images, header_fits, refusal, sizes)
    dtype = tf.uint8 if channels == 3 else tf.uint16

    def decode(image):
        return tf.io.decode_png(image, channels=channels, dtype=dtype)

    if images.shape[0] and images.shape[0] <= _MOST_UNROLLED:
        # Faster by a quarter than the loop, for 24 pictures of 128x128.
        strips = tf.stack([decode(image) for image in tf.unstack(images)])
    else:
        strips = tf.cond(
            count == 1,
            lambda: decode(images[0])[tf.newaxis],
            lambda: tf.map_fn(decode, images, fn_output_signature=tf.TensorSpec([None, None, channels], dtype)),
        )
    if channels == 3:
        return tf.reshape(strips, [frames, height, width, 3])
    # TensorFlow widens 8 bits to 16 by multiplying with 257.
    widened = tf.where(kinds[:, 0] == 8, 257, 1)
    values = tf.cast(strips, tf.int32) // widened[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.reshape(values, [frames, height, width])


def _filtered(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    effort = {"optimize": True} if image.nbytes <= _LARGE_STRIP else {"compress_level": 6}
    Image.fromarray(image).save(buffer, "PNG", **effort)
    return buffer.getvalue()


def _unfiltered(image: np.ndarray) -> bytes:
    """A PNG whose lines all have filter type 0, which Pillow cannot be asked for."""
    height, width = image.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, _RGB if image.ndim == 3 else _GRAY, 0, 0, 0)
    lines = image.astype(image.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    pixels = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1).tobytes()
    level = 9 if image.nbytes <= _LARGE_STRIP else 6
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, level)), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return _SIGNATURE + b"".join(body)
