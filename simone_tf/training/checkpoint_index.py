"""What the index file of a checkpoint says of its data files, read without TensorFlow, which writes it in place.

The format is that of LevelDB's tables: blocks of sorted keys and values, each with a checksum behind it, then a block
that says where they are, and 48 bytes that say where that one is. The value of the empty key is a `BundleHeaderProto`,
all others are `BundleEntryProto`s, which say where in which data file the bytes of a tensor are.
"""

import os
from collections.abc import Iterator

import google_crc32c
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

_MAX_BYTES = 2**28
_FOOTER_BYTES, _MAGIC = 48, bytes.fromhex("57fb808b247547db")
_TRAILER_BYTES = 5  # of a block: how it is compressed, which TensorFlow's never are, and its checksum
_MAX_FILES = 10**5


class NotWhole(Exception):  # noqa: N818  (it is a finding, told as a sentence or passed over)
    """The files of a checkpoint were looked at, and are not what a finished save leaves; says what is wrong."""


def data_files(prefix: str) -> dict[str, int]:
    """What the index of a checkpoint says: ending of the names of its data files -> the bytes that each has at least.

    Args:
      prefix: path of the checkpoint, without an ending.

    Raises:
      NotWhole: the index is not whole.
      OSError: it is there and cannot be read, so that nothing is known of it.
    """
    return _data_files(_read(f"{prefix}.index"))


def check_whole(prefix: str) -> None:
    """Makes sure that a checkpoint has an index that is whole, and the data files that it speaks of in full length.

    Raises:
      NotWhole: they are not.
      OSError: a file that is there cannot be read.
    """
    for name, size in data_files(prefix).items():
        try:
            found = os.stat(f"{prefix}{name}").st_size
        except FileNotFoundError:
            raise NotWhole("its data file is missing") from None
        if found < size:
            raise NotWhole(f"its data file has {found} bytes, its index speaks of {size}")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotWhole("its index file is missing") from None
    if not content:
        raise NotWhole("its index file is empty")
    if len(content) > _MAX_BYTES:
        raise NotWhole(f"its index file has more than {_MAX_BYTES} bytes")
    if content[-8:] != _MAGIC or len(content) < _FOOTER_BYTES:
        raise NotWhole("its index file is cut off or overwritten")
    return content


def _data_files(content: bytes) -> dict[str, int]:
    """Ending of the names of the data files -> the bytes that each has at least."""
    ends: dict[int, int] = {}
    num_files = 0
    try:
        for key, value in _entries(content):
            if key:
                entry = BundleEntryProto.FromString(value)
                ends[entry.shard_id] = max(ends.get(entry.shard_id, 0), entry.offset + entry.size)
            else:
                num_files = BundleHeaderProto.FromString(value).num_shards
    except (DecodeError, IndexError) as error:
        raise NotWhole("its index file is damaged") from error
    if not 0 < num_files <= _MAX_FILES or not all(0 <= number < num_files for number in ends):
        raise NotWhole("its index file is damaged")
    return {f".data-{number:05d}-of-{num_files:05d}": ends.get(number, 0) for number in range(num_files)}


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table; IndexError where it ends too early."""
    footer = content[-_FOOTER_BYTES:]
    _, position = _handle(footer, 0)
    where, _ = _handle(footer, position)
    for _, handle in _block(content, where):
        yield from _block(content, _handle(handle, 0)[0])


def _block(content: bytes, where: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    offset, size = where
    block = content[offset : offset + size + 1]
    checksum = content[offset + size + 1 : offset + size + _TRAILER_BYTES]
    if len(block) != size + 1 or len(checksum) != 4 or int.from_bytes(checksum, "little") != _checksum(block):
        raise NotWhole("its index file is damaged, a checksum in it does not match")
    if block[-1]:
        raise NotWhole("its index file is compressed, which TensorFlow's are not")
    num_restarts = int.from_bytes(block[-5:-1], "little")
    end = size - 4 - 4 * num_restarts
    key, position = b"", 0
    while position < end:
        shared, position = _varint(block, position)
        added, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + added]
        position += added
        yield key, block[position : position + length]
        position += length


def _checksum(block: bytes) -> int:
    """CRC-32C as LevelDB writes it: rotated by 15 bits, plus 0xa282ead8."""
    crc = google_crc32c.value(block)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and the position behind them."""
    offset, position = _varint(content, position)
    size, position = _varint(content, position)
    return (offset, size), position


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """A number as protocol buffers write it, and the position behind it."""
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise IndexError("a number of more than 64 bits")
