"""TFRecord files written byte by byte, with nothing shared with the readers or with TensorFlow."""

import gzip
import struct
import types
import zlib

import numpy as np
import pytest


def crc32c(data: bytes) -> int:
    """CRC-32C one bit at a time (reversed polynomial 0x82f63b78)."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x82F63B78 * (register & 1)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def frame(record: bytes) -> bytes:
    """One TFRecord record."""
    length = struct.pack("<Q", len(record))
    return length + masked(length) + record + masked(record)


def compress(content: bytes, compression: str) -> bytes:
    return {"": bytes, "GZIP": gzip.compress, "ZLIB": zlib.compress}[compression](content)


def varint(number: int) -> bytes:
    number %= 2**64
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited protocol buffer field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def feature(value) -> bytes:
    """tf.train.Feature: bytes (or a list of bytes), else integers or floats of an array."""
    if isinstance(value, bytes):
        value = [value]
    if isinstance(value, list) and all(isinstance(item, bytes) for item in value):
        return field(1, b"".join(field(1, item) for item in value))
    array = np.asarray(value).ravel()
    if array.dtype.kind == "f":
        return field(2, field(1, array.astype("<f4").tobytes()))
    return field(3, field(1, b"".join(varint(int(item)) for item in array)))


def example(features: dict) -> bytes:
    """tf.train.Example."""
    entries = (field(1, field(1, name.encode()) + field(2, feature(value))) for name, value in features.items())
    return field(1, b"".join(entries))


def png(image: np.ndarray, claimed_size: tuple[int, int] | None = None) -> bytes:
    """An 8- or 16-bit PNG of an array [H, W] or [H, W, 3]; `claimed_size` (W, H) may lie in its header."""
    height, width = image.shape[:2]
    header = struct.pack(">II", *(claimed_size or (width, height)))
    header += bytes([image.itemsize * 8, 2 if image.ndim == 3 else 0, 0, 0, 0])
    big_endian = image.astype(image.dtype.newbyteorder(">"))
    lines = zlib.compress(b"".join(b"\0" + line.tobytes() for line in big_endian))
    chunks = ((b"IHDR", header), (b"IDAT", lines), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.fixture(scope="session")
def handmade() -> types.SimpleNamespace:
    """The functions of this file."""
    return types.SimpleNamespace(masked=masked, frame=frame, compress=compress, example=example, png=png)
