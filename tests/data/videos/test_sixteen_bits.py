"""Pictures of 16 bits that use fewer are told."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.video_files import read_frames


def write_colour_png(path, pixels):
    """[H, W, 3] of 16 bits, which Pillow does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


@pytest.mark.parametrize("largest", [1023, 4095, 16383])
def test_dark_pictures_are_told_with_the_maximum_found(tmp_path, capsys, largest):
    for index, value in enumerate((5, largest, 700)):
        Image.fromarray(np.full((2, 3), value, np.uint16)).save(tmp_path / f"{index}.png")
    values = [int(frame[0, 0, 0]) for frame in read_frames(tmp_path)]
    assert values == [0, largest // 256, 700 // 256]
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"is {largest} (in {tmp_path / '1.png'})" in told
    assert f"{largest // 256} of 255 at most: multiply the numbers by {65535 // largest}" in told


def test_one_file_is_told_and_so_are_colours(tmp_path, capsys):
    Image.fromarray(np.full((2, 3), 4000, np.uint16)).save(tmp_path / "a.tif")
    list(read_frames(tmp_path / "a.tif"))
    assert (
        f"{tmp_path / 'a.tif'}: the largest number in its 16-bit pictures is 4000, of 65535" in capsys.readouterr().err
    )
    write_colour_png(tmp_path / "colour.png", np.full((2, 2, 3), 4095))
    (frame,) = read_frames(tmp_path / "colour.png")
    assert frame.max() == 15
    assert f"{tmp_path / 'colour.png'}: the largest" in capsys.readouterr().err


def test_pictures_that_use_their_bits_and_others_are_not_told(tmp_path, capsys):
    (tmp_path / "fades").mkdir()
    for index, value in enumerate((0, 300, 20000)):
        Image.fromarray(np.full((2, 3), value, np.uint16)).save(tmp_path / "fades" / f"{index}.png")
    Image.new("L", (3, 2), 3).save(tmp_path / "dark.png")
    Image.fromarray(np.zeros((2, 3), np.uint16)).save(tmp_path / "black.png")
    write_colour_png(tmp_path / "colour.png", np.full((2, 2, 3), 40000))
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([9, 4000], ">u2").tobytes())
    for name in ("fades", "dark.png", "black.png", "colour.png", "a.pgm"):
        assert list(read_frames(tmp_path / name))
    assert capsys.readouterr().err == ""


def test_it_is_told_when_reading_stops_early(tmp_path, capsys):
    for index in range(3):
        Image.fromarray(np.full((2, 3), 900, np.uint16)).save(tmp_path / f"{index}.png")
    frames = read_frames(tmp_path)
    next(frames)
    frames.close()
    assert "is 900" in capsys.readouterr().err
