"""Reads what can still be read of a damaged TFRecord file.

TensorFlow ends a file at its first damage. The format allows more: each record has its own checksums, so a record whose
data is damaged is left out alone, and behind a damaged length the next record is found again by looking for a place
where a length, its checksum, the data and its checksum all fit. Only where the file is compressed and the compressed
bytes are damaged is everything behind lost: nothing there can be inflated.

Behind two damaged lengths in a row one record is counted as lost, as nothing tells how many there were: the number of
lost records is a least number.
"""

import dataclasses
import zlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from simone_tf.data.tfrecords import tfrecord
from simone_tf.data.tfrecords.faults import reason_of
from simone_tf.files import LFS_POINTER, is_lfs_pointer

_PIECE_BYTES = 2**18
_MAX_WASTED_BYTES = 2**36
"""Bytes of a file that are checksummed in vain before the rest is given up: a few seconds' worth."""


@dataclasses.dataclass
class Damage:
    """What reading a file has met so far.

    Attributes:
      lost_records: a least number of records that could not be read.
      end: why reading ended before the end of the file, None where it did not.
      withheld: whether that is for no fault of its bytes, which are not there or may not be read.
    """

    lost_records: int = 0
    end: str | None = None
    withheld: bool = False


def salvage(path: str, damage: Damage) -> Iterator[bytes]:
    """Yields the records of a file whose checksums fit, in their order; raises nothing for what the file holds.

    Args:
      path: a TFRecord file, plain, GZIP or ZLIB, anywhere that `tf.io.gfile` can read.
      damage: takes up what was lost.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = _Content(file)
            if is_lfs_pointer(content.peek(64)):
                damage.end, damage.withheld = LFS_POINTER, True
                return
            yield from _records(content, damage)
            damage.end = damage.end or content.end
            if content.size == 0:
                damage.end = damage.end or "it is empty"
    except tf.errors.OpError as error:
        damage.end = f"it cannot be read ({reason_of(error)})"
        damage.withheld = not isinstance(error, tf.errors.DataLossError)


def _records(content: "_Content", damage: Damage) -> Iterator[bytes]:
    wasted = 0
    while header := content.peek(tfrecord.HEADER_BYTES):
        length = tfrecord.record_length(header)
        record = None
        if length is not None and length <= tfrecord.MAX_RECORD_BYTES:
            record = tfrecord.unframed(content.peek(tfrecord.FRAME_BYTES + length), length)
            if record is not None:
                content.advance(tfrecord.FRAME_BYTES + length)
                yield record
                continue
        damage.lost_records += 1
        if length is not None and _starts_record_or_ends(content, tfrecord.FRAME_BYTES + length):
            content.advance(tfrecord.FRAME_BYTES + length)
            continue
        content.advance(1)
        wasted = _advance_to_record(content, wasted)
        if wasted > _MAX_WASTED_BYTES:
            damage.end = "it holds too many lengths without their data"
            return


def _starts_record_or_ends(content: "_Content", offset: int) -> bool:
    """Whether a damaged record of this size is followed by another or the end, so that its length can be believed."""
    if offset > tfrecord.FRAME_BYTES + tfrecord.MAX_RECORD_BYTES:
        return False
    behind = content.peek(offset + tfrecord.HEADER_BYTES)
    return len(behind) == offset or tfrecord.record_length(behind[offset:]) is not None


def _advance_to_record(content: "_Content", wasted: int) -> int:
    """Goes to the next whole and sound record, or to the end; returns `wasted` plus the bytes checksummed in vain."""
    while len(window := content.peek(_PIECE_BYTES)) >= tfrecord.HEADER_BYTES:
        for offset, length in _header_places(window):
            end = offset + tfrecord.FRAME_BYTES + length
            if tfrecord.unframed(content.peek(end)[offset:], length) is not None:
                content.advance(offset)
                return wasted
            wasted += length
            if wasted > _MAX_WASTED_BYTES:
                return wasted
        content.advance(len(window) - tfrecord.HEADER_BYTES + 1)
    content.advance(len(window))
    return wasted


def _header_places(window: bytes) -> list[tuple[int, int]]:
    """(offset, length) of each place in the bytes where a length stands before its own checksum."""
    octets = np.frombuffer(window, np.uint8)
    num_places = len(octets) - tfrecord.HEADER_BYTES + 1
    at = [octets[i : i + num_places] for i in range(tfrecord.HEADER_BYTES)]
    # No length is beyond 31 bits: this leaves few places for the checksum.
    places = np.flatnonzero(((at[4] | at[5] | at[6] | at[7]) == 0) & (at[3] < 128))
    crc = np.zeros(len(places), np.uint32)
    for i in range(8):
        crc ^= _TABLES[7 - i][at[i][places] ^ (0xFF if i < 4 else 0)]
    crc = ~crc
    crc = (crc >> 15 | crc << 17) + np.uint32(0xA282EAD8)
    stored = sum(at[8 + i][places].astype(np.uint32) << (8 * i) for i in range(4))
    return [(int(place), int.from_bytes(window[place : place + 4], "little")) for place in places[crc == stored]]


def _crc_tables() -> np.ndarray:
    """[8, 256]: the share of a byte in the CRC-32C of the 8 bytes of a length, by the number of bytes behind it."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    tables = [table]
    for _ in range(7):
        tables.append(tables[-1] >> 8 ^ table[tables[-1] & 0xFF])
    return np.stack(tables)


_TABLES = _crc_tables()


class _Content:
    """The content of a file, inflated if need be, with as much look-ahead as is asked for.

    Attributes:
      size: bytes taken from the file so far.
      end: why the content ends before its end, None where it does not.
    """

    def __init__(self, file: tf.io.gfile.GFile):
        self.size = 0
        self.end: str | None = None
        self._file = file
        self._ahead = bytearray()
        self._position = 0
        self._over = False
        self._inflater = None
        self._window_bits = 0
        start = self._read()
        compression = tfrecord.compression_of(start)
        if compression:
            self._window_bits = tfrecord.WINDOW_BITS[compression]
            self._inflater = zlib.decompressobj(self._window_bits)
        self._take(start)

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or as many as there are."""
        while len(self._ahead) - self._position < size and not self._over:
            self._take(self._read())
        return bytes(memoryview(self._ahead)[self._position : self._position + size])

    def advance(self, size: int) -> None:
        """Goes past `size` bytes that `peek` has shown."""
        self._position += size
        if self._position > max(_PIECE_BYTES, len(self._ahead) // 2):
            del self._ahead[: self._position]
            self._position = 0

    def _read(self) -> bytes:
        piece = self._file.read(_PIECE_BYTES)
        self.size += len(piece)
        return piece

    def _take(self, piece: bytes) -> None:
        if self._inflater is None:
            self._over = not piece
            self._ahead += piece
        elif piece:
            self._inflate(piece)
        else:
            self._over = True
            if not self._inflater.eof:
                self.end = "it is cut off"

    def _inflate(self, piece: bytes) -> None:
        """Inflates a piece as far as it goes: a failing one is halved again and again up to the damaged byte."""
        step = len(piece)
        while piece and not self._over:
            if self._inflater.eof:
                # GZIP files may be joined to one another; what stands behind a ZLIB stream is of no account.
                self._over = (
                    tfrecord.compression_of(piece) != "GZIP" or self._window_bits != tfrecord.WINDOW_BITS["GZIP"]
                )
                self._inflater = zlib.decompressobj(self._window_bits)
                continue
            ahead = self._inflater.copy()
            try:
                inflated = ahead.decompress(piece[:step])
            except zlib.error:
                if step == 1:
                    self._over = True
                    self.end = f"its compressed bytes are damaged at or before byte {self.size - len(piece)}"
                step = max(1, step // 2)
                continue
            self._ahead += inflated
            piece = ahead.unused_data + piece[step:]
            self._inflater = ahead
