"""Tells from the sizes that a video file states about itself whether its end is missing.

Players, and FFmpeg with them, take a file that stops too early for a shorter video. For data that is a silent loss.
"""

import os
import re
import struct

_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_GIF = (b"GIF87a", b"GIF89a")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp")
_MOST_PADDING = 64
_UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)  # what an AVI says whose writer could not go back to its start, such as in a pipe


def missing_bytes(path: str | os.PathLike) -> int:
    """How many bytes the file lacks by its own account, at least; 0 where it is complete or does not tell.

    Known are MP4 and QuickTime (the sizes of the outermost boxes), WebM and Matroska (the size of the segment), AVI
    (the size of the first RIFF chunk), WebP (the sizes of all chunks) and GIF (the lengths of its blocks). A GIF may
    lack the byte that ends it, as some programs leave it out, and may have anything behind it: one that was cut just
    between two of its pictures looks no different from a whole one.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(64)
        if start[:6] in _GIF:
            return _gif_lacks(file)
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return _webp_lacks(file, size)
        if start[4:8] in _MP4_BOXES:
            return max(0, _mp4_end(file, size) - size)
    if start[:4] == _EBML:
        return max(0, _matroska_end(start) - size)
    if start[:4] == b"RIFF" and len(start) >= 12:
        length = struct.unpack("<I", start[4:8])[0]
        return 0 if length in _UNKNOWN_LENGTHS else max(0, length + 8 - size)
    return 0


def _webp_lacks(file, size: int) -> int:
    """How many bytes of a chunk are missing, at least; 0 where chunks follow each other to the stated end."""
    file.seek(4)
    end = int.from_bytes(file.read(4), "little") + 8
    position = 12
    while position < min(end, size):
        file.seek(position)
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        if not re.fullmatch(rb"[ -~]{4}", name):
            return 1
        position += 8 + length + length % 2
    return max(0, end - size)


def _gif_lacks(file) -> int:
    """How many bytes of a block of the GIF are missing, at least; 0 where all of its pictures are whole."""
    file.seek(6)
    screen = file.read(7)
    if len(screen) < 7:
        return 7 - len(screen)
    file.seek(_gif_colours(screen[4]), os.SEEK_CUR)
    pictures, announced = 0, False  # A control block announces a picture.
    while True:
        kind = file.read(1)
        if kind == b"!":
            label = file.read(1)
            announced = announced or label == b"\xf9"
            lacking = 1 - len(label)
        elif kind == b",":
            head = file.read(9)
            lacking = 9 - len(head)
            if not lacking:
                file.seek(_gif_colours(head[8]), os.SEEK_CUR)
                lacking = 1 - len(file.read(1))  # the size of its codes
            pictures, announced = pictures + 1, False
        else:
            # The end, with or without its byte; a line break or a few zeros in its place are no loss. All else is no
            # block; more zeros are where a disk lost some.
            rest = kind + file.read(_MOST_PADDING)
            padded = len(rest) <= _MOST_PADDING and not rest.strip(b"\0\r\n ")
            return 0 if kind == b";" or (padded and not announced and pictures) else 1
        lacking = lacking or _gif_data_lacks(file)
        if lacking:
            return lacking


def _gif_colours(flags: int) -> int:
    """Bytes of the table of colours that the flags tell of."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _gif_data_lacks(file) -> int:
    """Goes past data in pieces of up to 255 bytes, which ends with one of none."""
    while True:
        length = file.read(1)
        if not length:
            return 1
        if not length[0]:
            return 0
        lacking = length[0] - len(file.read(length[0]))
        if lacking:
            return lacking


def _mp4_end(file, size: int) -> int:
    """Where the last of the outermost boxes ends; what lies behind index and frames need be no box."""
    position = 0
    needed = {b"moov", b"mdat"}
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1 and len(header) == 16:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0 means: up to the end of the file; the rest is no length at all.
            return size
        if not needed and position + length > size and header[4:8] not in _MP4_BOXES:
            return size  # text or the like that was appended
        needed -= {header[4:8]}
        position += length
    return position


def _matroska_end(start: bytes) -> int:
    """Where the segment, which holds everything behind the header, ends; 0 if it does not tell."""
    header_length, width = _variable_length(start, 4)
    position = 4 + width + (header_length or 0)
    if header_length is None or start[position : position + 4] != _SEGMENT:
        return 0
    length, width = _variable_length(start, position + 4)
    return 0 if length is None else position + 4 + width + length


def _variable_length(data: bytes, position: int) -> tuple[int | None, int]:
    """EBML's number of variable width at `position`, and its width; None where it is unknown or not there."""
    first = data[position] if position < len(data) else 0
    width = 9 - first.bit_length()
    if not first or position + width > len(data):
        return None, 1
    value = int.from_bytes(data[position : position + width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width
