"""Walks the elements of Matroska and WebM files and finds where they are broken."""

import zlib

_HEADER, _SEGMENT = 0x1A45DFA3, 0x18538067
_CLUSTER, _CLUSTER_BYTES = 0x1F43B675, b"\x1f\x43\xb6\x75"
_BLOCK_GROUP, _CHECKSUM = 0xA0, 0xBF
# What a cluster is made of: time, blocks of several kinds, positions and sizes, room kept free, a checksum.
_IN_CLUSTER = {0xE7, 0xA3, _BLOCK_GROUP, 0xAF, 0xA7, 0xAB, 0x5854, 0xEC, _CHECKSUM}
# Cluster, cues, tracks, seek head, tags, info, chapters, attachments: one of these ends a cluster of unknown length, as
# does another recording that was appended.
_OUTERMOST = {
    _HEADER,
    _SEGMENT,
    _CLUSTER,
    0x1C53BB6B,
    0x1654AE6B,
    0x114D9B74,
    0x1254C367,
    0x1549A966,
    0x1043A770,
    0x1941A469,
}


def broken_elements(data) -> tuple[list[int], list[tuple[int, int]]]:
    """Where no element begins although one should, and (start, end) of clusters that do not match their checksum.

    Args:
      data: the bytes of the file, as `mmap` or `bytes`; its header is taken to be whole.
    """
    _, start, length = _element(data, 0) or (0, 0, None)
    segment = _element(data, start + (length or 0)) if length is not None else None
    if segment is None or segment[0] != _SEGMENT:
        return [], []
    position = segment[1]
    segment_end = len(data) if segment[2] is None else position + segment[2]
    end = min(segment_end, len(data))
    places: list[int] = []
    unlike: list[tuple[int, int]] = []
    while position < end:
        element = _element(data, position)
        cut_off = element is not None and element[0] == _CLUSTER and segment_end > len(data)
        if element is None or (element[2] is not None and element[1] + element[2] > end and not cut_off):
            if not any(data[position : position + 4096]) and not data[position:end].strip(b"\0"):
                break  # room kept free at the end
            places.append(position)
            position = data.find(_CLUSTER_BYTES, position + 1)
            if position < 0:
                break
            continue
        name, start, length = element
        if name == _CLUSTER:
            stop = end if length is None else min(end, start + length)
            broken, behind = _walk_cluster(data, start, stop, length is None)
            if broken is not None:
                places.append(broken)
            if length is not None and not cut_off and not _matches_checksum(data, start, stop):
                unlike.append((start, stop))
            position = behind
        elif name == _SEGMENT:
            position = start
        elif length is None:
            break  # only clusters may be of unknown length
        else:
            position = start + length
    return places, unlike


def _walk_cluster(data, position: int, end: int, open_ended: bool) -> tuple[int | None, int]:
    """(where a cluster is broken or None, where it ends)."""
    while position < end:
        element = _element(data, position)
        if open_ended and element is not None and element[0] in _OUTERMOST:
            return None, position
        whole = element is not None and element[2] is not None and element[1] + element[2] <= end
        whole = whole and element[0] in _IN_CLUSTER
        if whole and element[0] == _BLOCK_GROUP:
            whole = _tiles(data, element[1], element[1] + element[2])
        if not whole:
            behind = data.find(_CLUSTER_BYTES, position + 1) if open_ended else end
            return position, end if behind < 0 else behind
        position = element[1] + element[2]
    return None, end


def _tiles(data, position: int, end: int) -> bool:
    """Whether elements follow each other to the very end."""
    while position < end:
        element = _element(data, position)
        if element is None or element[2] is None:
            return False
        position = element[1] + element[2]
    return position == end


def _matches_checksum(data, start: int, end: int) -> bool:
    """Whether what a cluster holds has the CRC-32 that it begins with; also where it has none."""
    element = _element(data, start)
    if element is None or element[0] != _CHECKSUM or element[2] != 4:
        return True
    total, position = 0, element[1] + 4
    while position < end:
        total = zlib.crc32(data[position : min(end, position + 2**20)], total)
        position += 2**20
    return total == int.from_bytes(data[element[1] : element[1] + 4], "little")


def _element(data, position: int) -> tuple[int, int, int | None] | None:
    """(name, start of the content, its length or None where it is unknown); None where there is no element."""
    if position + 2 > len(data):
        return None
    width = 9 - data[position].bit_length()
    if width > 4:
        return None
    name = int.from_bytes(data[position : position + width], "big")
    position += width
    if position >= len(data):
        return None
    width = 9 - data[position].bit_length()
    if width > 8 or position + width > len(data):
        return None
    ones = (1 << 7 * width) - 1
    length = int.from_bytes(data[position : position + width], "big") & ones
    return name, position + width, None if length == ones else length
