"""Finds places at which the structure of a video file is broken: where FFmpeg goes on further behind, frames are lost.

What lies inside a frame is judged elsewhere (`damaged_packets`, and by the decoder).
"""

import contextlib
import mmap
import os
import re
import struct
from typing import NamedTuple

from simone_tf.data.videos.matroska_elements import broken_elements
from simone_tf.data.videos.mpeg_streams import broken_program_stream, broken_transport_stream, next_nonzero

_FOURCC = re.compile(rb"[ -~]{4}")
_MOST_TEXT = 2**16
_TEXT = re.compile(rb"[\t\n\r\f\x1b -~]*")
_Y4M = b"YUV4MPEG2 "
_AVI_LISTS, _OPEN = (b"movi", b"rec "), (0, 0xFFFFFFFF)
_AVI_FRAME = re.compile(rb"[0-9][0-9](?:dc|db|wb)|idx1|RIFF")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ZEROS = re.compile(rb"\0{48,}")


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
            unlike, broken = [], []
            if data[:4] == b"\x1a\x45\xdf\xa3":
                broken, unlike = broken_elements(data)
            else:
                for is_kind, walk in _KINDS:
                    if is_kind(data):
                        broken = walk(data)
                        break
            places = [BrokenPlace(*ends, "the checksum of this part of the file does not match") for ends in unlike]
            for place in broken:
                if not _is_appended_text(data, place):
                    places.append(BrokenPlace(place, place, f"the file is broken at byte {place}"))
            return sorted(places)


def _is_appended_text(data, position: int) -> bool:
    """Whether there is only text from here to the end, such as a log, which is no part of the video."""
    rest = data[position : position + _MOST_TEXT]
    text = rest.rstrip(b"\0")
    is_next_frame = data[:10] == _Y4M and b"FRAME".startswith(text[:5])
    if is_next_frame or position + len(rest) < len(data):
        return False
    return text != b"" and _TEXT.fullmatch(text) is not None


def _damaged_mp4(data) -> list[int]:
    """Where no box begins FFmpeg sees the end of the file, and passes over boxes whose names it does not know.

    The indices of fragments have to divide into boxes and are numbered; the one index of other files is FFmpeg's to
    judge.
    """
    places: list[int] = []
    position = 0
    expected = None  # number of the next fragment
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if length == 1 and position + 16 <= len(data):
            length = int.from_bytes(data[position + 8 : position + 16], "big")
        if length == 0 and kind == b"mdat":
            break  # up to the end of the file
        if length < 8 or not _FOURCC.fullmatch(kind):
            # Behind the end of a video anything may lie, but no more of the video.
            if any(data.find(name, position + 4) >= 0 for name in (b"moof", b"mdat", b"moov")):
                places.append(position)
            break
        if kind == b"moof" and position + length <= len(data):
            number = _fragment_number(data, position + 8)
            # Files that were joined begin to count again, and some count nothing.
            is_gap = expected is not None and number is not None and number > expected
            if is_gap or not _holds_boxes(data, position + 8, position + length):
                places.append(position)
            expected = None if number is None else number + 1
        position += length
    return places


def _fragment_number(data, position: int) -> int | None:
    """The number in the header that a fragment begins with; None where there is none."""
    if data[position + 4 : position + 8] != b"mfhd" or position + 16 > len(data):
        return None
    return int.from_bytes(data[position + 12 : position + 16], "big")


def _holds_boxes(data, position: int, end: int) -> bool:
    """Whether boxes follow each other to the end, those of the tracks in a fragment as well."""
    while position + 8 <= end:
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if length < 8 or position + length > end or not _FOURCC.fullmatch(kind):
            return False
        if kind == b"traf" and not _holds_boxes(data, position + 8, position + length):
            return False
        content = data[position + 8 : position + length]
        if (kind == b"trun" and not _is_run(content)) or (kind == b"tfhd" and not any(content[4:8])):
            return False
        position += length
    return position == end


def _is_run(content: bytes) -> bool:
    """Whether the frames of a fragment are told one by one to the end, and none of them is empty."""
    if len(content) < 8:
        return False
    flags, count = int.from_bytes(content[:4], "big"), int.from_bytes(content[4:8], "big")
    fields = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    start = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    if len(content) != start + 4 * len(fields) * count:
        return False
    if not count or 0x200 not in fields:
        return True
    sizes = struct.unpack(f">{len(fields) * count}I", content[start:])[fields.index(0x200) :: len(fields)]
    return all(sizes)


def _damaged_flv(data) -> list[int]:
    """Tags follow each other: type, 3 bytes of length, 7 of time and stream, content, 4 bytes of the length again."""
    places = []
    position = int.from_bytes(data[5:9], "big") + 4
    while position + 11 <= len(data):
        kind, length = data[position] & 0x1F, int.from_bytes(data[position + 1 : position + 4], "big")
        # Two bits above the type are reserved, the third says that it is encrypted.
        if kind in (8, 9, 18) and data[position + 8 : position + 11] == b"\0\0\0":
            if kind == 9 and data[position + 11 : position + 12] == b"\0":
                places.append(position)  # A frame says what kind of one it is.
            position += 11 + length + 4
            continue
        if next_nonzero(data, position) == len(data):
            if position < _stated_flv_size(data):
                places.append(position)
            break
        places.append(position)
        position = _next_flv_tag(data, position)
    return places


def _stated_flv_size(data) -> float:
    """How long the file is by its own account, 0 where it does not say; zeros behind that are no loss."""
    name = data.find(b"\0\x08filesize\0", 0, 2**16)
    content = data[name + 11 : name + 19] if name >= 0 else b""
    size = struct.unpack(">d", content)[0] if len(content) == 8 else 0.0
    return size if size <= len(data) else 0.0


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


def _damaged_avi(data) -> list[int]:
    """Chunks follow each other: a name of 4 characters, 4 bytes of length, content, a byte more where that is odd."""
    places = []
    position = 0
    while position + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[position : position + 8])
        if name == b"RIFF" or (
            name == b"LIST" and (data[position + 8 : position + 12] in _AVI_LISTS or length in _OPEN)
        ):
            position += 12
            continue
        if _FOURCC.fullmatch(name):
            if _AVI_FRAME.match(name) and position + 8 + length > len(data):
                places.append(position)
            position += 8 + length
            # Some programs leave the odd byte out.
            if length % 2 and not (
                _FOURCC.match(data[position : position + 4]) and data[position : position + 1] != b"\0"
            ):
                position += 1
            continue
        if next_nonzero(data, position) == len(data):
            break
        places.append(position)
        following = _AVI_FRAME.search(data, position + 1)
        if following is None:
            break
        position = following.start()
    if position < len(data) < position + 8 and _AVI_FRAME.match(data[position : position + 4]):
        places.append(position)
    return places


def _damaged_asf(data) -> list[int]:
    """Packets of one size, which begin with no zeros and are filled up with zeros at their ends only."""
    properties = data.find(_ASF_PROPERTIES, 0, 2**20)
    first = int.from_bytes(data[16:24], "little") + 50  # behind the header, and that of the packets
    size = int.from_bytes(data[properties + 92 : properties + 96], "little")
    if (
        properties < 0
        or size < 64
        or data[properties + 92 : properties + 96] != data[properties + 96 : properties + 100]
    ):
        return []
    end = first + int.from_bytes(data[first - 50 + 40 : first - 50 + 48], "little") * size
    places = []
    for run in _ZEROS.finditer(data, first, min(max(end, first), len(data))):
        begins_packet = -(-(run.start() - first) // size) * size + first < run.end()
        if begins_packet or (run.end() - first) % size:
            places.append(run.start())
    return places


def _damaged_y4m(data) -> list[int]:
    """Frames of one length follow a line of text, each behind a line of its own."""
    position = data.find(b"\n", 0, 1024) + 1
    fields = {field[:1]: field[1:].decode("ascii", "replace") for field in data[:position].split()[1:]}
    told = re.match(r"(mono|420|411|422|444)(alpha)?", fields.get(b"C", "420"))
    if not told or not (fields.get(b"W", "").isdigit() and fields.get(b"H", "").isdigit()):
        return []
    width, height = int(fields[b"W"]), int(fields[b"H"])
    across, down = {"420": (2, 2), "411": (4, 1), "422": (2, 1), "444": (1, 1)}.get(told[1], (0, 0))
    length = width * height * (2 if told[2] else 1)
    length += 2 * -(-width // across) * -(-height // down) if across else 0
    length *= 2 if re.search(r"p\d|mono\d", fields.get(b"C", "").replace("mpeg2", "").replace("paldv", "")) else 1
    while position < len(data):
        line = data.find(b"\n", position, position + 1024) + 1
        if data[position : position + 5] != b"FRAME" or line + length > len(data):
            return [position]
        position = line + length
    return []


_KINDS = (
    (lambda data: data[:10] == _Y4M, _damaged_y4m),
    (lambda data: data[:3] == b"FLV", _damaged_flv),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"AVI ", _damaged_avi),
    (lambda data: data[:4] == b"\0\0\1\xba", broken_program_stream),
    (lambda data: data[:8] == b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _damaged_asf),
    (lambda data: data[4:8] in (b"ftyp", b"moov", b"mdat", b"styp"), _damaged_mp4),
    (lambda data: True, broken_transport_stream),
)
