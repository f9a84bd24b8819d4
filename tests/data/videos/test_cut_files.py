import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.data.videos.cut_files import missing_bytes


def box(kind, content, wide=False):
    if wide:
        return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(content)) + content
    return struct.pack(">I", 8 + len(content)) + kind + content


MP4 = box(b"ftyp", b"isom") + box(b"moov", b"m" * 30) + box(b"mdat", b"d" * 50, wide=True) + box(b"free", b"f" * 5)
MATROSKA = b"\x1a\x45\xdf\xa3\x84head" + b"\x18\x53\x80\x67" + b"\x40\x50" + b"c" * 0x50
AVI = b"RIFF" + struct.pack("<I", 4 + 40) + b"AVI " + b"a" * 40
GIF = b"GIF89a" + b"g" * 20 + b"\0;"


@pytest.mark.parametrize("content", [MP4, MATROSKA, AVI, GIF], ids=["mp4", "matroska", "avi", "gif"])
def test_whole_files_lack_nothing_and_cut_ones_do(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
    path.write_bytes(content + b"\n")
    assert missing_bytes(path) == 0
    for cut in range(len(content) - 12, len(content)):
        path.write_bytes(content[:cut])
        # Up to the next box an MP4 does not tell that there is one.
        assert missing_bytes(path) > 0 or (content is MP4 and cut < len(content) - 4)


def test_how_much_is_missing(tmp_path):
    for content, cut in ((MP4, 3), (MATROSKA, 60), (AVI, 7)):
        (tmp_path / "file").write_bytes(content[:-cut])
        assert missing_bytes(tmp_path / "file") == cut


def test_sizes_left_open_are_complete(tmp_path):
    for content in (
        b"\x1a\x45\xdf\xa3\x84head\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffrest",
        box(b"ftyp", b"isom") + struct.pack(">I", 0) + b"mdat" + b"to the end",
        b"GIF8 is how this text begins",
        b"",
    ):
        (tmp_path / "file").write_bytes(content)
        assert missing_bytes(tmp_path / "file") == 0


@given(start=st.sampled_from([b"", MP4[:20], b"\x1a\x45\xdf\xa3", b"RIFF", b"GIF89a"]), rest=st.binary(max_size=80))
def test_any_bytes_have_an_answer(tmp_path_factory, start, rest):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(start + rest)
    assert missing_bytes(path) >= 0
