"""What is seen of damage in coded frames."""

import numpy as np
import pytest

from simone_tf.data.videos.damaged_packets import PacketCheck, _crc, _ffv1_slices, shows_frame
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError

from made_videos import whole

NOISE = bytes(np.random.default_rng(0).integers(1, 256, 400, np.uint8))
ZEROS = bytes(100)


def test_the_checksum_is_the_published_one():
    """CRC-32/MPEG-2 of "123456789" is 0376E6E7; from 0 instead of FFFFFFFF on it is that of the tables of FFmpeg."""
    value = 0
    for byte in b"123456789":
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    assert int(f"{_crc(b'123456789'):032b}"[::-1], 2) == value


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "av1", "mpeg2video", "mpeg4", "flv1", "wmv2", "qtrle"])
def test_rows_of_zeros_inside_are_told(codec):
    assert PacketCheck(codec).fault(NOISE) is None
    assert PacketCheck(codec).fault(NOISE + bytes(20) + NOISE) is None
    assert "100 zeros" in PacketCheck(codec).fault(NOISE + ZEROS + b"\2" + NOISE)


@pytest.mark.parametrize("codec", ["mjpeg", "rawvideo", "huffyuv", "png", "prores", "theora"])
def test_zeros_that_may_be_meant_are_not(codec):
    assert PacketCheck(codec).fault(NOISE + ZEROS + NOISE) is None


def test_stuffing_is_none():
    assert PacketCheck("h264").fault(b"\0\0\0\1" + NOISE + ZEROS + b"\1" + NOISE) is None
    assert PacketCheck("h264").fault(NOISE + ZEROS) is None
    assert PacketCheck("mpeg2video").fault(NOISE + ZEROS + b"\1\0" + NOISE) is None
    # Before the slices of a picture there is none.
    assert PacketCheck("mpeg2video").fault(NOISE + ZEROS + b"\1\5" + NOISE)
    assert PacketCheck("mpeg4").fault(NOISE + ZEROS + b"\1\xb6" + NOISE) is None
    # Of codecs without start codes nothing is stuffed, nor of those whose frames have a length in place of them.
    assert PacketCheck("vp9").fault(NOISE + ZEROS)
    assert PacketCheck("hevc").fault(NOISE + ZEROS) is None
    assert PacketCheck("hevc", b"\1extra").fault(NOISE + ZEROS)
    assert PacketCheck("hevc", b"\1extra").fault(NOISE + bytes(9))


def test_uncompressed_frames_are_of_one_length():
    check = PacketCheck("rawvideo")
    assert check.fault(bytes(300)) is None
    assert check.fault(bytes(300)) is None
    assert check.fault(bytes(299))


def test_checksums_of_ffv1():
    def piece(content):
        data = content + len(content).to_bytes(3, "big") + b"\0"
        total = 0
        for byte in data:
            total ^= byte << 24
            for _ in range(8):
                total = (total << 1 ^ (0x04C11DB7 if total >> 31 else 0)) & 0xFFFFFFFF
        return data + total.to_bytes(4, "big")

    packet = piece(NOISE[:30]) + piece(NOISE[30:50])
    assert _ffv1_slices(packet) == [0, 0]
    check = PacketCheck("ffv1")
    assert check.fault(packet) is None
    for place in range(0, len(packet), 3):
        changed = bytearray(packet)
        changed[place] ^= 4
        assert check.fault(bytes(changed)) == "a checksum does not match"
    # A version without them: nothing can be said.
    assert PacketCheck("ffv1").fault(NOISE) is None


@pytest.mark.parametrize(("name", "codec"), [("vp8.webm", "vp8"), ("vp9.webm", "vp9"), ("vp9.mp4", "vp9")])
def test_packets_say_whether_a_frame_is_shown(tmp_path, name, codec):
    """As many as there are frames; hidden ones, by which the encoder looks ahead, are none of them."""
    av = pytest.importorskip("av")
    (tmp_path / name).write_bytes(whole(name))
    with av.open(str(tmp_path / name)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    with av.open(str(tmp_path / name)) as file:
        times = {frame.pts for frame in file.decode(video=0)}
    for packet in packets:
        if shows_frame(codec, packet):
            assert packet.pts in times
    assert sum(shows_frame(codec, packet) for packet in packets) == 30
    assert not any(shows_frame("h264", packet) for packet in packets)


def test_a_packet_of_which_no_frame_comes_is_told(tmp_path):
    """Its first bytes are kept, which say that it is shown."""
    av = pytest.importorskip("av")
    path = tmp_path / "a.webm"
    path.write_bytes(whole("vp9.webm"))
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    position, size = packets[12]
    place = content.index(b"\xa3", position) if content[position] != 0xA3 else position
    content[place + 12 : place + size - 4] = bytes(size - 16)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"is damaged at frame 1[0-9]"):
        list(read_frames(path))
