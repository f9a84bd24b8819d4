import pathlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from simone_tf.data.videos.cut_files import missing_bytes
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError


def box(kind, content, wide=False):
    if wide:
        return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(content)) + content
    return struct.pack(">I", 8 + len(content)) + kind + content


MP4 = box(b"ftyp", b"isom") + box(b"moov", b"m" * 30) + box(b"mdat", b"d" * 50, wide=True) + box(b"free", b"f" * 5)
MATROSKA = b"\x1a\x45\xdf\xa3\x84head" + b"\x18\x53\x80\x67" + b"\x40\x50" + b"c" * 0x50
AVI = b"RIFF" + struct.pack("<I", 4 + 40) + b"AVI " + b"a" * 40
# A picture of one pixel that has its own colours, and a comment behind it.
GIF = (
    b"GIF89a\1\0\1\0\x80\0\0" + b"rgb" * 2 + b"!\xf9\4\0\5\0\0\0"
    b",\0\0\0\0\1\0\1\0\x80" + b"RGB" * 2 + b"\2\2\x44\1\0" + b"!\xfe\3end\0;"
)


GIF_ENDS = (len(GIF) - 8, len(GIF) - 1)
"""Where a block ends behind the picture."""
FAULTS = pathlib.Path(__file__).parents[1] / "files" / "faults"


@pytest.mark.parametrize("content", [MP4, MATROSKA, AVI, GIF], ids=["mp4", "matroska", "avi", "gif"])
def test_whole_files_lack_nothing_and_cut_ones_do(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
    path.write_bytes(content + b"\n")
    assert missing_bytes(path) == 0
    for cut in range(len(content) - 12, len(content)):
        path.write_bytes(content[:cut])
        # Up to the next box an MP4 does not tell that there is one, and between its blocks a GIF could end.
        between = (content is MP4 and cut < len(content) - 4) or (content is GIF and cut in GIF_ENDS)
        assert missing_bytes(path) > 0 or between


def test_a_gif_is_whole_where_its_last_picture_is(tmp_path):
    path = tmp_path / "a.gif"
    for cut in range(len(GIF)):
        path.write_bytes(GIF[:cut])
        # Text that begins like a GIF is one for FFmpeg to tell.
        assert (missing_bytes(path) == 0) == (cut in GIF_ENDS or cut < 6), cut
    # A picture that is announced and does not come is missing; zeros and line breaks are no pictures, nor is what
    # follows the end.
    for ending, whole in (
        (b"!\xf9\4\0\5\0\0\0", False),
        (b"\0" * 60, True),
        (b"\0" * 70, False),
        (b"\0" * 60 + GIF[6:], False),
        (b"\r\n", True),
        (b";" + GIF, True),
    ):
        path.write_bytes(GIF[:-1] + ending)
        assert (missing_bytes(path) == 0) == whole, ending
    path.write_bytes(GIF[:-1] + b"text that is no block")
    assert missing_bytes(path) > 0


@pytest.mark.parametrize(
    ("name", "whole"), [("gif_no_trailer", True), ("gif_54_bytes_after", True), ("gif_really_cut", False)]
)
def test_gifs_as_programs_leave_them(name, whole):
    assert (missing_bytes(FAULTS / f"{name}.gif") == 0) == whole


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


def test_every_chunk_of_a_webp_is_looked_at(tmp_path):
    path = tmp_path / "a.webp"
    frames = [Image.fromarray(np.random.default_rng(k).integers(0, 256, (9, 9, 3)).astype(np.uint8)) for k in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    content = path.read_bytes()
    assert missing_bytes(path) == 0
    second = content.index(b"ANMF", content.index(b"ANMF") + 4)
    for start in (second, second + 100, content.rindex(b"ANMF")):
        path.write_bytes(content[:start] + bytes(len(content) - start))
        assert missing_bytes(path) > 0
        with pytest.raises(UserError, match="cut off"):
            list(read_frames(path))
    path.write_bytes(content + b"text behind the end")
    assert len(list(read_frames(path))) == 4
