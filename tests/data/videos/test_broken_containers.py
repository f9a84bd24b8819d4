"""Places at which the structure of files is broken."""

import struct

import pytest

from simone_tf.data.videos.broken_containers import broken_places
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError

from made_videos import whole


def starts(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    return [place.start for place in broken_places(tmp_path / "file")]


def zeroed(content, start, length):
    return content[:start] + bytes(length) + content[start + length :]


NAMES = [
    *(
        "h264.mp4",
        "fragments.mp4",
        "fragment_per_frame.mp4",
        "h264.mkv",
        "live.mkv",
        "vp9.webm",
        "live.webm",
        "h264.ts",
    ),
    *("h264.m2ts", "h264.flv", "flv1.flv", "mpeg4.avi", "raw.avi", "mpeg1.mpg", "mpeg2_cbr.mpg", "wmv2.wmv", "y4m.y4m"),
]


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_have_none(tmp_path, name):
    pytest.importorskip("av")
    for tail in (b"", b"\nmade by camera 1\n" * 9, bytes(500)):
        # These are of packets, or frames, of one size: zeros in place of some are what was never written.
        if not name.endswith((".y4m", "ts")) or not tail.startswith(b"\0"):
            assert starts(tmp_path, whole(name) + tail) == []
    assert starts(tmp_path, whole(name)[:15]) == []


@pytest.mark.parametrize("cut", range(0, 9))
def test_the_header_of_a_fragment(tmp_path, cut):
    """However much of its 8 bytes is left."""
    pytest.importorskip("av")
    content = whole("fragments.mp4")
    second = content.index(b"moof", content.index(b"moof") + 4) - 4
    (place,) = starts(tmp_path, zeroed(content, second + cut, 40))
    assert place == second


@pytest.mark.parametrize("name", ["h264.flv", "mpeg2_cbr.mpg", "mpeg4.avi", "y4m.y4m", "h264.ts"])
def test_the_header_of_what_holds_a_frame(tmp_path, name):
    pytest.importorskip("av")
    content = whole(name)
    place = {
        "h264.flv": lambda: 13 + 11 + int.from_bytes(content[14:17], "big") + 4,
        "mpeg2_cbr.mpg": lambda: content.index(b"\0\0\1\xba", 2048),
        "mpeg4.avi": lambda: content.index(b"00dc", 6000),
        "y4m.y4m": lambda: content.index(b"FRAME", 9000),
        "h264.ts": lambda: 188 * 9,
    }[name]()
    assert starts(tmp_path, zeroed(content, place, 40))[0] == place


def test_clusters_and_their_checksums(tmp_path):
    pytest.importorskip("av")
    content = whole("h264.mkv")
    cluster = content.index(b"\x1f\x43\xb6\x75")
    (tmp_path / "file").write_bytes(
        content[: cluster + 900] + bytes([content[cluster + 900] ^ 1]) + content[cluster + 901 :]
    )
    (place,) = broken_places(tmp_path / "file")
    assert place.start <= cluster + 900 < place.end
    assert "checksum" in place.reason
    # Without checksums, as in WebM, the elements are all there is to see.
    content = whole("vp9.webm")
    cluster = content.index(b"\x1f\x43\xb6\x75")
    block = content.index(b"\xa3", cluster + 9)
    assert content[block + 1] & 0x80 or content[block + 1] & 0x40
    assert starts(tmp_path, zeroed(content, block, 9)) == [block]
    assert starts(tmp_path, zeroed(content, block + 200, 6)) == []


def element(name, content):
    return name + (0x10000000 | len(content)).to_bytes(4, "big") + content


def test_two_recordings_joined_by_a_browser(tmp_path):
    head = element(b"\x1a\x45\xdf\xa3", b"\x42\x82\x84webm")
    cluster = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + element(b"\xe7", b"\0") + element(b"\xa3", b"\x81\0\0\x80frame")
    recording = head + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + cluster * 3
    assert starts(tmp_path, recording * 2) == []
    assert starts(tmp_path, recording[:-30] + bytes(20) + recording[-10:] + recording) != []


def test_an_avi_of_several_parts(tmp_path):
    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    frames = b"".join(chunk(b"00dc", b"x" * size) for size in (5, 8, 11))
    first = chunk(b"RIFF", b"AVI " + chunk(b"LIST", b"hdrl" + bytes(40)) + chunk(b"LIST", b"movi" + frames))
    more = chunk(b"RIFF", b"AVIX" + chunk(b"LIST", b"movi" + frames))
    assert starts(tmp_path, first + more) == []
    unpadded = first.replace(b"xxxxx\0", b"xxxxx", 1)
    assert starts(tmp_path, unpadded) == []
    place = (first + more).rindex(b"00dc")
    assert starts(tmp_path, zeroed(first + more, place, 4)) == [place]
    assert starts(tmp_path, (first + more)[:-3]) == [place]


@pytest.mark.parametrize("missing", [1, 16, 100, 180])
def test_a_transport_stream_that_ends_inside_a_packet_is_cut_off(tmp_path, missing):
    path = tmp_path / "a.ts"
    content = whole("h264.ts")
    path.write_bytes(content[:-missing])
    with pytest.raises(UserError, match="is damaged at frame"):
        list(read_frames(path))
    path.write_bytes(content + b"Good night, and thanks for watching.")
    assert len(list(read_frames(path))) == 30


def test_zeros_within_the_size_that_an_flv_states_are_lost_frames(tmp_path):
    path = tmp_path / "a.flv"
    content = whole("flv1.flv")
    tags, position = [], 13
    while position + 11 < len(content):
        tags.append(position)
        position += 11 + int.from_bytes(content[position + 1 : position + 4], "big") + 4
    last = tags[-2]  # of two frames nothing is left
    path.write_bytes(content[:last] + bytes(len(content) - last))
    with pytest.raises(UserError, match="damaged"):
        list(read_frames(path))
    path.write_bytes(content + bytes(300))
    assert len(list(read_frames(path))) == 30


def test_an_element_that_no_cluster_has_is_a_block_that_was_lost(tmp_path):
    content = bytearray(whole("vp9.webm"))
    cluster = content.index(b"\x1f\x43\xb6\x75")
    block = content.index(b"\xa3", cluster + 9)
    content[block] = 0x9D
    assert starts(tmp_path, bytes(content)) == [block]


@pytest.mark.parametrize("name", ["fragments.mp4", "fragment_per_frame.mp4"])
def test_a_fragment_that_is_missing_is_known_by_the_numbers_of_the_others(tmp_path, name):
    content = whole(name)
    begins = [place - 4 for place in range(len(content)) if content[place : place + 4] == b"moof"]
    path = tmp_path / name
    for lost in range(1, len(begins) - 1):
        path.write_bytes(content[: begins[lost]] + content[begins[lost + 1] :])
        assert [place.start for place in broken_places(path)] == [begins[lost]]
        with pytest.raises(UserError, match="is damaged at frame"):
            list(read_frames(path))
    path.write_bytes(content)
    assert broken_places(path) == []
