"""Finds places at which the structure of a video file is broken: where FFmpeg goes on further behind, frames are lost.

What lies inside a frame is judged elsewhere (`damaged_packets`, and by the decoder).
"""

import contextlib
import mmap
import os
import re
import struct
from typing import NamedTuple

import numpy as np

from simone_tf.data.videos.matroska_elements import broken_elements

_FOURCC = re.compile(rb"[ -~]{4}")
_AVI_FRAME = re.compile(rb"[0-9][0-9](?:dc|db|wb)|idx1|RIFF")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ZEROS = re.compile(rb"\0{48,}")
_SYSTEM_START = 0xB9
"""Start codes of MPEG from here on are of the program stream, those below of the video in it."""


class BrokenPlace(NamedTuple):
    """A part of a file, in bytes from its start, that is not what it should be; empty where something is lost there."""

    start: int
    end: int
    reason: str


def broken_places(path: str | os.PathLike) -> list[BrokenPlace]:
    """The places at which the file's structure is broken, in order.

    Known are Matroska and WebM (elements, and the checksums of clusters that have one), MP4 and QuickTime (the
    outermost boxes), AVI (chunks), FLV (tags), ASF (rows of zeros), and MPEG's program and transport streams (packets).

    Raises:
      OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < 16:
            return []
        with contextlib.closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
            if data[:4] == b"\x1a\x45\xdf\xa3":
                broken, unlike = broken_elements(data)
                places = [BrokenPlace(*ends, "the checksum of this part of the file does not match") for ends in unlike]
                return sorted(places + _lost(broken))
            if data[:3] == b"FLV":
                return _lost(_damaged_flv(data))
            if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
                return _lost(_damaged_avi(data))
            if data[:4] == b"\0\0\1\xba":
                return _lost(_damaged_program_stream(data))
            if data[:8] == b"\x30\x26\xb2\x75\x8e\x66\xcf\x11":
                return _lost(_damaged_asf(data))
            if data[4:8] in (b"ftyp", b"moov", b"mdat", b"styp"):
                return _lost(_damaged_mp4(data))
            return _lost(_damaged_transport_stream(data))


def _lost(places: list[int]) -> list[BrokenPlace]:
    return [BrokenPlace(place, place, f"the file is broken at byte {place}") for place in places]


def _damaged_mp4(data) -> list[int]:
    """Zeros where a box should begin end the file for FFmpeg; at the very end they are mere padding."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if length == 1 and position + 16 <= len(data):
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        if length == 0 and kind == b"\0\0\0\0":
            return [position] if _next_nonzero(data, position) < len(data) else []
        if length < 8:
            return []
        position += length
    return []


def _damaged_flv(data) -> list[int]:
    """Tags follow each other: type, 3 bytes of length, 7 of time and stream, content, 4 bytes of the length again."""
    places = []
    position = int.from_bytes(data[5:9], "big") + 4
    while position + 11 <= len(data):
        # Two bits above the type are reserved, the third says that it is encrypted.
        if data[position] & 0x1F in (8, 9, 18) and data[position + 8 : position + 11] == b"\0\0\0":
            position += 11 + int.from_bytes(data[position + 1 : position + 4], "big") + 4
            continue
        if _next_nonzero(data, position) == len(data):
            break
        places.append(position)
        position = _next_flv_tag(data, position)
    return places


def _next_flv_tag(data, position: int) -> int:
    """The next place that looks like a tag, is followed by its length and that by another tag or the end."""
    while position + 15 <= len(data):
        position += 1
        if data[position] not in (8, 9, 18):
            continue
        length = 11 + int.from_bytes(data[position + 1 : position + 4], "big")
        end = position + length
        if end + 4 <= len(data) and int.from_bytes(data[end : end + 4], "big") == length:
            return position
    return len(data)


def _damaged_program_stream(data) -> list[int]:
    """Packs and packets follow each other; zeros may lie between them, as Video CDs have it."""
    places = []
    position = 0
    while position + 6 <= len(data):
        start = _next_nonzero(data, position)
        # Of the start code 00 00 01 the zeros were passed over.
        whole = start - position >= 2 and data[start] == 1 and start + 1 < len(data) and data[start + 1] >= _SYSTEM_START
        if start >= len(data):
            break
        if whole:
            position = _end_of_packet(data, start - 2)
            continue
        places.append(position)
        while True:
            position = data.find(b"\0\0\1", position + 1)
            if position < 0 or position + 4 > len(data):
                return places
            if data[position + 3] == 0xBA:
                break
    return places


def _end_of_packet(data, position: int) -> int:
    code = data[position + 3]
    if code == _SYSTEM_START:
        return position + 4
    if code != 0xBA:
        return position + 6 + int.from_bytes(data[position + 4 : position + 6], "big")
    if position + 14 > len(data):
        return len(data)
    # The header of a pack: of MPEG-2, with stuffing, or of MPEG-1.
    return position + (14 + (data[position + 13] & 7) if data[position + 4] >> 6 == 1 else 12)


def _next_nonzero(data, position: int) -> int:
    """The first place from `position` on that holds no zero; the length of the data where there is none."""
    while position < len(data):
        part = data[position : position + 4096]
        left = part.lstrip(b"\0")
        if left:
            return position + len(part) - len(left)
        position += 4096
    return len(data)


def _damaged_avi(data) -> list[int]:
    """Chunks follow each other: a name of 4 characters, 4 bytes of length, content, a byte more where that is odd."""
    places = []
    position = 0
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        if name in (b"RIFF", b"LIST") and (name == b"RIFF" or data[position + 8 : position + 12] in (b"movi", b"rec ")):
            position += 12
            continue
        if _FOURCC.fullmatch(name):
            position += 8 + length
            # Some programs leave the odd byte out.
            if length % 2 and not (_FOURCC.match(data[position : position + 4]) and data[position : position + 1] != b"\0"):
                position += 1
            continue
        if _next_nonzero(data, position) == len(data):
            break
        places.append(position)
        following = _AVI_FRAME.search(data, position + 1)
        if following is None:
            break
        position = following.start()
    return places


def _damaged_asf(data) -> list[int]:
    """Packets of one size, which begin with no zeros and are filled up with zeros at their ends only."""
    properties = data.find(_ASF_PROPERTIES, 0, 2**20)
    first = int.from_bytes(data[16:24], "little") + 50  # behind the header, and that of the packets
    size = int.from_bytes(data[properties + 92 : properties + 96], "little")
    if properties < 0 or size < 64 or data[properties + 92 : properties + 96] != data[properties + 96 : properties + 100]:
        return []
    end = first + int.from_bytes(data[first - 50 + 40 : first - 50 + 48], "little") * size
    places = []
    for run in _ZEROS.finditer(data, first, min(max(end, first), len(data))):
        begins_packet = -(-(run.start() - first) // size) * size + first < run.end()
        if begins_packet or (run.end() - first) % size:
            places.append(run.start())
    return places


def _damaged_transport_stream(data) -> list[int]:
    """Packets of one size begin with the letter G; a packet that begins a frame's has a start code behind its header."""
    sizes = [(size, first) for size in (188, 192, 204) for first in (0, 4) if _synchronous(data, size, first)]
    if not sizes:
        return []
    size, first = sizes[0]
    places: list[int] = []
    framed: set[int] = set()  # of programs, those that carry frames and not tables
    step = size * 2**14
    for position in range(first, len(data), step):
        part = np.frombuffer(data[position : min(position + step, len(data))], np.uint8)
        packets = part[: len(part) // size * size].reshape(-1, size)
        bad = packets[:, 0] != 0x47
        begins = ~bad & (packets[:, 1] & 0x40 > 0) & (packets[:, 3] & 0x10 > 0) & (packets[:, 3] & 0xC0 == 0)
        for index in np.flatnonzero(bad | begins):
            packet = packets[index]
            program = int(packet[1] & 0x1F) << 8 | int(packet[2])
            content = 4 + (1 + int(packet[4]) if packet[3] & 0x20 else 0)
            if bad[index]:
                places.append(position + int(index) * size)
            elif packet[content : content + 3].tobytes() == b"\0\0\1":
                framed.add(program)
            elif program in framed:
                places.append(position + int(index) * size)
    # What lies behind the end of the last whole packet, or zeros there, is no loss.
    end = len(data)
    return [place for place in places if place + size < end and _next_nonzero(data, place) < end]


def _synchronous(data, size: int, first: int) -> bool:
    return len(data) >= first + 3 * size and all(data[first + index * size] == 0x47 for index in range(3))
