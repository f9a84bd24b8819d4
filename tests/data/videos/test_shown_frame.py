"""Frames of video files as a player shows them: turned, mirrored, with square pixels, in the right colours."""

import pathlib
import struct

import numpy as np
import pytest

from simone_tf.data.videos.shown_frame import square_size, turned
from simone_tf.data.videos.video_files import read_frames
from simone_tf.errors import UserError

from made_videos import add_stream

av = pytest.importorskip("av")

FAULTS = pathlib.Path(__file__).parents[1] / "files" / "faults"
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240)
# (a, b, c, d) -> where red, green, blue and white of the corners (top left, top right, bottom left, bottom right) come.
WAYS = {
    (1, 0, 0, 1): "rgbw",
    (-1, 0, 0, 1): "grwb",
    (1, 0, 0, -1): "bwrg",
    (-1, 0, 0, -1): "wbgr",
    (0, 1, 1, 0): "rbgw",
    (0, -1, -1, 0): "wgbr",
    (0, 1, -1, 0): "brwg",  # 90 degrees clockwise: the left side comes to the top
    (0, -1, 1, 0): "gwrb",
}


def corners(height=32, width=48):
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[:12, :16], picture[:12, -16:], picture[-12:, :16], picture[-12:, -16:] = RED, GREEN, BLUE, WHITE
    return picture


def seen(frame):
    """The colours of the corners, as letters."""
    colours = np.array([RED, GREEN, BLUE, WHITE])
    found = [frame[4, 4], frame[4, -5], frame[-5, 4], frame[-5, -5]]
    return "".join("rgbw"[np.abs(colours - pixel.astype(int)).sum(axis=1).argmin()] for pixel in found)


def write(path, picture=None, codec="libx264", change=None, options=None):
    picture = corners() if picture is None else picture
    with av.open(str(path), "w") as file:
        add_stream(
            file, np.stack([picture] * 3), codec, "yuv444p" if codec == "libx264" else "yuv420p", options, change
        )()
    return path


def with_matrix(path, a, b, c, d, scale=1.0):
    """Puts a matrix in the place of that of the track's header, by hand."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    numbers = [
        *(round(value * scale * 65536) for value in (a, b)),
        0,
        *(round(v * scale * 65536) for v in (c, d)),
        0,
        0,
        0,
    ]
    assert struct.unpack(">i", content[start : start + 4]) == (65536,)
    content[start : start + 36] = struct.pack(">9i", *numbers, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("matrix", WAYS)
def test_all_eight_ways(tmp_path, matrix):
    path = with_matrix(write(tmp_path / "a.mp4"), *matrix)
    for frame in read_frames(path):
        assert frame.shape == ((32, 48, 3) if matrix[0] else (48, 32, 3))
        assert seen(frame) == WAYS[matrix]


@pytest.mark.parametrize("matrix", WAYS)
def test_every_pixel_goes_where_the_matrix_says(matrix):
    a, b, c, d = matrix
    picture = np.arange(12).reshape(3, 4)
    wanted = np.zeros((3, 4) if a else (4, 3), int)
    left = min(a * x + c * y for x in range(4) for y in range(3))
    top = min(b * x + d * y for x in range(4) for y in range(3))
    for y in range(3):
        for x in range(4):
            wanted[b * x + d * y - top, a * x + c * y - left] = picture[y, x]
    np.testing.assert_array_equal(turned(picture, matrix), wanted)


@pytest.mark.parametrize("way", ["hflip", "vflip", "transpose"])
def test_made_matrices(way):
    """All three are shown as the same picture: red, green and blue corners, yellow at the left."""
    frames = list(read_frames(FAULTS / f"display_matrix_{way}.mp4"))
    assert len(frames) == 16
    assert frames[0].shape == (48, 64, 3)
    assert seen(frames[0])[:3] == "rgb"
    assert np.abs(frames[0][24, 4].astype(int) - (240, 240, 40)).max() < 5


def disc(width, height, across, down):
    rows, columns = np.mgrid[:height, :width]
    inside = ((columns - width / 2 + 0.5) / across) ** 2 + ((rows - height / 2 + 0.5) / down) ** 2 < 1
    return np.where(inside[..., np.newaxis], np.uint8(230), np.uint8(30)) * np.ones(3, np.uint8)


def extent(frame):
    """Width and height of the disc."""
    inside = frame[..., 0] > 128
    return np.ptp(np.flatnonzero(inside.any(axis=0))) + 1, np.ptp(np.flatnonzero(inside.any(axis=1))) + 1


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4"), (".mpg", "mpeg2video")]
)
@pytest.mark.parametrize(
    ("aspect", "size"), [("2/1", (128, 64)), ("1/2", (64, 128)), ("4/3", (85, 64)), ("3/4", (64, 85))]
)
def test_pixels_become_square(tmp_path, suffix, codec, aspect, size):
    """By what the codec says (AVI, MPEG) or the container; the longer side of a pixel is kept."""
    from fractions import Fraction

    if suffix == ".mpg":  # MPEG-2 knows only some ratios of the frame, not of pixels.
        aspect, size = ("4/3", (85, 64)) if aspect in ("2/1", "4/3") else ("1/1", (64, 64))
    ratio = Fraction(aspect)
    picture = disc(64, 64, 20 / ratio if ratio > 1 else 20, 20 if ratio > 1 else 20 * ratio)
    path = tmp_path / f"a{suffix}"

    def change(stream):
        stream.codec_context.sample_aspect_ratio = ratio

    write(path, picture, codec, change, {"qmin": "1", "qmax": "2"} if codec != "libx264" else {"crf": "5"})
    for frame in read_frames(path):
        assert frame.shape == (size[1], size[0], 3)
        across, down = extent(frame)
        assert abs(across - down) <= 2
        assert abs(down - 40) <= 2


def test_made_oblong_pixels():
    for frame in read_frames(FAULTS / "pixels_2_to_1.mp4"):
        assert frame.shape == (48, 64, 3)
        across, down = extent(frame)
        assert abs(across - down) <= 2


def test_oblong_pixels_are_scaled_before_they_are_turned(tmp_path):
    def change(stream):
        stream.codec_context.sample_aspect_ratio = 2

    path = with_matrix(write(tmp_path / "a.mp4", change=change), 0, 1, -1, 0)
    frame = next(read_frames(path))
    assert frame.shape == (96, 32, 3)
    assert seen(frame) == WAYS[0, 1, -1, 0]


def test_ratios_from_rounding_are_left_alone():
    from fractions import Fraction

    assert square_size(1920, 1080, Fraction(404, 405)) == (1920, 1080)
    assert square_size(1440, 1080, Fraction(4, 3)) == (1920, 1080)
    assert square_size(720, 576, Fraction(16, 15)) == (768, 576)
    assert square_size(720, 480, Fraction(8, 9)) == (720, 540)
    assert square_size(100, 50, None) == square_size(100, 50, Fraction(0)) == (100, 50)


def test_a_senseless_ratio_is_no_way_around_the_largest_size(tmp_path):
    def change(stream):
        stream.codec_context.sample_aspect_ratio = 200

    path = write(tmp_path / "a.mkv", np.zeros((512, 512, 3), np.uint8), change=change)
    with pytest.raises(UserError, match=r"102400 x 512 pixels.*make it smaller first"):
        next(read_frames(path))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114)])
def test_colours_by_the_standard_that_the_file_names(tmp_path, suffix, full, matrix, red, blue):
    """BT.709 and BT.601, in limited and full range; YUV by the formulas of the standards."""
    wanted = np.array((200, 60, 30))
    luma = wanted @ (red, 1 - red - blue, blue) / 255
    chroma = (wanted[2] / 255 - luma) / 2 / (1 - blue), (wanted[0] / 255 - luma) / 2 / (1 - red)
    values = (
        [255 * luma, *(128 + 255 * c for c in chroma)] if full else [16 + 219 * luma, *(128 + 224 * c for c in chroma)]
    )
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as file:
        name = "bt709" if matrix == 1 else "smpte170m"
        params = f"colormatrix={name}:range={'pc' if full else 'tv'}"
        stream = file.add_stream("libx264", rate=10, options={"crf": "0", "x264-params": params})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv444p"
        stream.codec_context.color_range, stream.codec_context.colorspace = 2 if full else 1, matrix
        yuv = np.stack([np.full((32, 32), round(value), np.uint8) for value in values])
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv444p")
        frame.color_range, frame.colorspace = 2 if full else 1, matrix
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    (frame,) = read_frames(path)
    assert np.abs(frame.astype(int) - wanted).max() <= 2
