"""What the bytes of a TFRecord file say about it, found out before TensorFlow opens it.

TensorFlow silently yields nothing for a zero-byte file, answers a wrong compression type with "corrupted record at 0",
and ends the process when a length field asks for more memory than there is. So the framing is looked at first.

The format: each record is its length (8 bytes, little-endian), the masked CRC-32C of those 8 bytes (4), the data, and
the masked CRC-32C of the data (4). The whole file may be compressed with GZIP or ZLIB.
"""

import os
import struct
import zlib

import google_crc32c
import tensorflow as tf

from simone_tf.data.tfrecords.faults import DATA_ERRORS, reason_of, unreadable
from simone_tf.errors import UserError
from simone_tf.files import LFS_POINTER, is_lfs_pointer

MAX_RECORD_BYTES = 2**31 - 1
"""Protocol buffers end here, so a greater length is damage."""

HEADER_BYTES = 12
"""Of a length and its checksum."""

FRAME_BYTES = HEADER_BYTES + 4
"""What a record takes beside its data."""

WINDOW_BITS = {"GZIP": 31, "ZLIB": 15}
"""What zlib calls the two compressions."""


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
        raise UserError(f"{path} cannot be opened ({reason_of(error)}): check its name and permissions.") from error
    if size == 0:
        raise UserError(f"{path} is empty (0 bytes): download or make it again.")
    length = record_length(start)
    if length is not None:
        if length > size - FRAME_BYTES:
            raise UserError(
                f"{path} is cut off: its first record claims {length} bytes in a file of {size}; "
                "download or make it again."
            )
        return ""
    name = compression_of(start)
    if name:
        stream = zlib.decompressobj(WINDOW_BITS[name])
        try:
            head = stream.decompress(start, HEADER_BYTES)
        except zlib.error:
            head = b""
        if stream.eof and not head:
            raise UserError(f"{path} is empty ({name} of 0 bytes): download or make it again.")
        length = record_length(head)
        if length is not None and length <= MAX_RECORD_BYTES:
            return name
    if is_lfs_pointer(start):
        raise UserError(f"{path}: {LFS_POINTER}.")
    raise UserError(
        f"{path} is not a TFRecord file, neither plain nor in GZIP or ZLIB: it starts with the bytes "
        f"{start[:8].hex(' ')}, which no record does that is whole; download or make it again."
    )


def compression_of(start: bytes) -> str:
    """The compression that the first bytes of a file speak for, "" where they speak for none."""
    if record_length(start) is not None:
        return ""
    if start[:2] == b"\x1f\x8b":
        return "GZIP"
    is_zlib = len(start) >= 2 and start[0] == 0x78 and int.from_bytes(start[:2], "big") % 31 == 0
    return "ZLIB" if is_zlib else ""


def count_records(path: str, compression: str) -> int:
    """Counts the records of a file; of a plain local file by its length fields alone, without reading the data.

    Raises:
      UserError: a record is cut off or damaged.
    """
    if compression == "" and "://" not in path:
        return _walk(path)
    try:
        return int(tf.data.TFRecordDataset(path, compression).reduce(tf.constant(0, tf.int64), lambda n, _: n + 1))
    except DATA_ERRORS as error:
        raise UserError(unreadable(path, error)) from error


def check_lengths(path: str) -> None:
    """Looks at the lengths of a plain file's records, without reading the data; of a file elsewhere does nothing.

    Raises:
      UserError: a length is damaged or goes beyond the end of the file, or it cannot be read.
    """
    if "://" not in path:
        _walk(path)


class LengthChecks:
    """`check_lengths` for graph code (`tf.numpy_function`), of each file once."""

    def __init__(self):
        self._passed: set[bytes] = set()

    def check(self, path: bytes, compression: bytes) -> bytes:
        """The path, once the lengths of the file have been looked at where it is plain.

        Raises:
          ValueError: as `check_lengths`, or the file cannot be read. TensorFlow makes it an InvalidArgumentError.
        """
        if path not in self._passed and not compression:
            try:
                check_lengths(path.decode())
            except UserError as error:
                raise ValueError(str(error)) from error
            self._passed.add(path)
        return path


def record_length(header: bytes) -> int | None:
    """The length a record header states, or None when the header's own checksum denies it."""
    if len(header) < HEADER_BYTES:
        return None
    length, checksum = struct.unpack("<QI", header[:HEADER_BYTES])
    return length if masked_crc32c(header[:8]) == checksum else None


def unframed(framed: bytes, length: int) -> bytes | None:
    """The data of a whole record of `length` bytes of data, None when it is cut off or its checksum denies it."""
    data = framed[HEADER_BYTES : HEADER_BYTES + length]
    footer = framed[HEADER_BYTES + length : FRAME_BYTES + length]
    fits = len(footer) == 4 and int.from_bytes(footer, "little") == masked_crc32c(data)
    return data if fits else None


def masked_crc32c(data: bytes) -> int:
    """TFRecord's checksum: CRC-32C (Castagnoli), rotated by 15 bits, plus 0xa282ead8."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _walk(path: str) -> int:
    try:
        return _walked(path)
    except OSError as error:
        raise UserError(unreadable(path, error)) from error


def _walked(path: str) -> int:
    size = os.path.getsize(path)
    position = count = 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            length = record_length(file.read(HEADER_BYTES))
            end = None if length is None else position + FRAME_BYTES + length
            if end is None or end > size:
                raise UserError(
                    f"{path} is damaged or cut off at record {count} (byte {position} of {size}): "
                    "download or make it again."
                )
            position = end
            count += 1
    return count
