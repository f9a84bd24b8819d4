"""What the bytes of a TFRecord file say about it, found out before TensorFlow opens it.

TensorFlow silently yields nothing for a zero-byte file, answers a wrong compression type with "corrupted record at 0",
and ends the process when a length field asks for more memory than there is. So the framing is looked at first.

The format: each record is its length (8 bytes, little-endian), the masked CRC-32C of those 8 bytes (4), the data, and
the masked CRC-32C of the data (4). The whole file may be compressed with GZIP or ZLIB.
"""

import os
import struct
import zlib

import tensorflow as tf

from simone_tf.errors import UserError

MAX_RECORD_BYTES = 2**31 - 1
"""Protocol buffers end here, so a greater length is damage."""

_HEADER_BYTES = 12
_FOOTER_BYTES = 4


def sniff_compression(path: str) -> str:
    """The compression of a TFRecord file, from its first bytes: "", "GZIP" or "ZLIB".

    Raises:
      UserError: the file cannot be opened, is empty, is no TFRecord file, or its first record is cut off.
    """
    try:
        size = tf.io.gfile.stat(path).length
        with tf.io.gfile.GFile(path, "rb") as file:
            start = file.read(4096)
    except tf.errors.OpError as error:
        raise UserError(f"{path} cannot be opened ({error.message}): check its name and permissions.") from error
    if size == 0:
        raise UserError(f"{path} is empty (0 bytes): download or make it again.")
    length = record_length(start)
    if length is not None:
        if length > size - _HEADER_BYTES - _FOOTER_BYTES:
            raise UserError(
                f"{path} is cut off: its first record claims {length} bytes in a file of {size}; "
                "download or make it again."
            )
        return ""
    for name, magic, window_bits in (("GZIP", start[:2] == b"\x1f\x8b", 31), ("ZLIB", _is_zlib_header(start), 15)):
        if magic:
            stream = zlib.decompressobj(window_bits)
            try:
                head = stream.decompress(start, _HEADER_BYTES)
            except zlib.error:
                continue
            if stream.eof and not head:
                raise UserError(f"{path} is empty ({name} of 0 bytes): download or make it again.")
            length = record_length(head)
            if length is not None and length <= MAX_RECORD_BYTES:
                return name
    raise UserError(
        f"{path} is not a TFRecord file, neither plain nor in GZIP or ZLIB: it starts with the bytes "
        f"{start[:8].hex(' ')}; download or make it again."
    )


def count_records(path: str, compression: str) -> int:
    """Counts the records of a file; of a plain local file by its length fields alone, without reading the data.

    Raises:
      UserError: a record is cut off or damaged.
    """
    if compression == "" and "://" not in path:
        return _walk(path)
    try:
        return int(tf.data.TFRecordDataset(path, compression).reduce(tf.constant(0, tf.int64), lambda n, _: n + 1))
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise UserError(f"{path} is damaged ({first_line(error)}): download or make it again.") from error


def record_length(header: bytes) -> int | None:
    """The length a record header states, or None when the header's own checksum denies it."""
    if len(header) < _HEADER_BYTES:
        return None
    length, checksum = struct.unpack("<QI", header[:_HEADER_BYTES])
    return length if masked_crc32c(header[:8]) == checksum else None


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum of a few bytes: CRC-32C (Castagnoli), rotated by 15 bits, plus 0xa282ead8."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def first_line(error: Exception) -> str:
    """The first line of TensorFlow's error text, without the graph node's name."""
    if isinstance(error, UnicodeDecodeError):
        return "it holds bytes that are no text, and TensorFlow's own words quote them"
    text = (getattr(error, "message", None) or str(error)).split("}} ", 1)[-1].strip()
    line = (text.splitlines() or [type(error).__name__])[0].split(" [Op:")[0][:200].rstrip(".")
    return "".join(character if character.isprintable() else "?" for character in line)


def _walk(path: str) -> int:
    size = os.path.getsize(path)
    position = count = 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            length = record_length(file.read(_HEADER_BYTES))
            end = None if length is None else position + _HEADER_BYTES + length + _FOOTER_BYTES
            if end is None or end > size:
                raise UserError(
                    f"{path} is damaged or cut off at record {count} (byte {position} of {size}): "
                    "download or make it again."
                )
            position = end
            count += 1
    return count


def _is_zlib_header(start: bytes) -> bool:
    return len(start) >= 2 and start[0] == 0x78 and int.from_bytes(start[:2], "big") % 31 == 0


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()
