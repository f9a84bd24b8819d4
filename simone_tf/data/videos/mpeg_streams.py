"""Walks the packets of MPEG program and transport streams and finds where they are broken."""

from collections.abc import Sequence

import numpy as np

_SYSTEM_START = 0xB9
"""Start codes of MPEG from here on are of the program stream, those below of the video in it."""


def broken_program_stream(data) -> list[int]:
    """Packs and packets follow each other; zeros may lie between them, as Video CDs have it."""
    places = []
    position = 0
    while position + 6 <= len(data):
        start = next_nonzero(data, position)
        # Of the start code 00 00 01 the zeros were passed over.
        if start + 2 > len(data):
            break
        whole = start - position >= 2 and data[start] == 1 and data[start + 1] >= _SYSTEM_START
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


def broken_transport_stream(data) -> list[int]:
    """Packets of one size begin with the letter G; of those that begin a frame, a start code follows the header."""
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
            program = _program(packet.tolist())
            content = 4 + (1 + int(packet[4]) if packet[3] & 0x20 else 0)
            if bad[index]:
                places.append(position + int(index) * size)
            elif packet[content : content + 3].tobytes() == b"\0\0\1":
                framed.add(program)
            elif program in framed:
                places.append(position + int(index) * size)
    # Zeros in place of packets are what was never written.
    return [place for place in places if place + size < len(data)] + _cut_packet(data, size)


def _cut_packet(data, size: int) -> list[int]:
    """Where a part of a packet begins at the end, as of a recording that was cut off; text there is found later."""
    start = len(data) // size * size
    return [start] if next_nonzero(data, start) < len(data) else []


def _program(packet: Sequence[int]) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def _synchronous(data, size: int, first: int) -> bool:
    return len(data) >= first + 3 * size and all(data[first + index * size] == 0x47 for index in range(3))


def next_nonzero(data, position: int) -> int:
    """The first place from `position` on that holds no zero; the length of the data where there is none."""
    while position < len(data):
        part = data[position : position + 4096]
        left = part.lstrip(b"\0")
        if left:
            return position + len(part) - len(left)
        position += 4096
    return len(data)
