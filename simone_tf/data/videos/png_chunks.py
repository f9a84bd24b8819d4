"""Whether the chunks of a PNG are what was written: Pillow does not compare the checksums of those with the pixels."""

import os
import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 2**20


def damaged_chunk(path: str) -> str:
    """The name of the first chunk of a PNG (or APNG) whose checksum denies it, "" where there is none.

    Bytes behind the last chunk are of no account, and a file that stops between two is left to the decoder.

    Raises:
      OSError: the file cannot be read.
    """
    left = os.path.getsize(path) - len(_SIGNATURE)
    with open(path, "rb") as file:
        file.seek(len(_SIGNATURE))
        name = b""
        while left >= 12 and name != b"IEND":
            length, name = struct.unpack(">I4s", file.read(8))
            left -= 12 + length
            if left < 0:
                break
            checksum = zlib.crc32(name)
            while length:
                piece = file.read(min(length, _PIECE))
                if not piece:
                    return ""
                checksum = zlib.crc32(piece, checksum)
                length -= len(piece)
            if file.read(4) != checksum.to_bytes(4, "big"):
                return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in name)
    return ""
