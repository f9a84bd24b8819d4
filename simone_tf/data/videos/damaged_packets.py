"""Finds damage in the coded frames of a video that the decoder does not tell of.

Decoders conceal much: of VP8 and VP9, say, any bytes make a picture. What a disk or a broken copy leaves is mostly
zeros, and no encoder of the codecs below writes a long row of them.
"""

import re
import zlib

# Their bit streams are made so that zeros in a row stay few (start codes are found by them) or come out of an
# arithmetic or Huffman coder, whose output looks random: 7 were the most in what was measured, a black video included.
_FEW_ZEROS = {
    *("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3"),
    *("wmv1", "wmv2", "wmv3", "vc1", "vp8", "vp9", "av1", "ffv1", "qtrle"),
}
# Zeros may be stuffed in before a start code (00 00 01), and at the end.
_START_CODES = {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vc1"}
_SLICES = {bytes([code]) for code in range(1, 0xB0)}
_ZEROS = re.compile(rb"\0{32,}")
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

STRICT = {"mjpeg", "mpeg1video", "mpeg2video", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2"}
"""Codecs whose decoders tell of more when asked to stop at errors (`err_detect=explode`), and of nothing else."""


class PacketCheck:
    """Looks through the packets of one stream, in their order."""

    def __init__(self, codec: str, extradata: bytes | None = None):
        """Args:
        codec: FFmpeg's name of it.
        extradata: what the container says of the stream to the decoder.
        """
        self._codec = codec
        # With lengths in place of start codes there is no stuffing; the decoder of H.264 tells of a lacking end itself.
        self._has_lengths = codec == "hevc" and (extradata or b"")[:1] == b"\1"
        self._is_stuffed = codec in _START_CODES and not self._has_lengths
        self._checksums = False
        self._most = 0

    def fault(self, packet: bytes) -> str | None:
        """What is wrong with a packet; None where nothing is seen."""
        if self._codec in _FEW_ZEROS:
            for run in _ZEROS.finditer(packet):
                if self._is_stuffing(packet, run.end()):
                    continue
                return f"{run.end() - run.start()} zeros inside a coded frame"
        if self._has_lengths and packet.endswith(bytes(8)):
            return "zeros at the end of a coded frame"
        if self._codec == "rawvideo":
            self._most = max(self._most, len(packet))
            return "its end is missing" if len(packet) < self._most else None
        if self._codec == "ffv1":
            return self._ffv1(packet)
        return None

    def _is_stuffing(self, packet: bytes, end: int) -> bool:
        """Whether zeros that end here may have been put there on purpose."""
        if not self._is_stuffed or packet[end : end + 1] not in (b"", b"\1"):
            return False
        # Of MPEG-1 and 2, before a picture and not before the slices in it.
        return not self._codec.startswith("mpeg") or self._codec == "mpeg4" or packet[end + 1 : end + 2] not in _SLICES

    def _ffv1(self, packet: bytes) -> str | None:
        """Every slice of FFV1's later versions ends with its length, a status and a checksum over all of it."""
        sums = _ffv1_slices(packet)
        if sums is not None and not any(sums):
            self._checksums = True
        elif self._checksums:
            return "a checksum does not match"
        return None


def _ffv1_slices(packet: bytes) -> list[int] | None:
    """The checksum of each slice, 0 where it is right; None where the packet does not divide into slices so."""
    end, sums = len(packet), []
    while end > 0:
        start = end - 8 - int.from_bytes(packet[end - 8 : end - 5], "big")
        if end < 8 or start < 0:
            return None
        sums.append(_crc(packet[start:end]))
        end = start
    return sums or None


def _crc(data: bytes) -> int:
    """CRC-32 of the highest bit first from 0 on, by way of zlib's of the lowest first (up to the order of its bits)."""
    return zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF


def shows_frame(codec: str, packet) -> bool:
    """Whether a packet of VP8 or VP9 says that it holds a frame to be shown; False for all other codecs.

    Both begin with bits that tell of the first frame in a packet. In VP9 hidden ones may be packed together with the
    one that is shown; a packet of those ends with the byte that it has in front of its index.
    """
    if codec not in ("vp8", "vp9") or packet.size < 3:
        return False
    content = bytes(packet)
    if codec == "vp8":
        return content[0] & 0x10 > 0
    index = 2 + ((content[-1] >> 3 & 3) + 1) * ((content[-1] & 7) + 1)
    if content[-1] & 0xE0 == 0xC0 and len(content) > index and content[-index] == content[-1]:
        return True
    # Two bits of a mark, two of the profile, one more in the last of these; then whether an older frame is shown, the
    # kind of frame, and whether it is shown.
    first = 4 + (content[0] & 0x30 == 0x30)
    bits = f"{int.from_bytes(content[:2], 'big'):016b}"
    return bits[:2] == "10" and (bits[first] == "1" or bits[first + 2] == "1")
