"""What is seen of damage in coded frames."""

import numpy as np
import pytest

from simone_tf.data.videos.damaged_packets import PacketCheck, _crc, _ffv1_slices

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
