import os
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos import source_files
from simone_tf.data.videos.video_files import find_videos, list_pictures, natural_key, read_frames, video_name
from simone_tf.errors import UserError

REAL_GIF = pathlib.Path(__file__).parents[1] / "files" / "movi_a_first_frames.gif"


def moving_bar(frames=10, height=32, width=48):
    """[T, H, W, 3]: a green bar that walks to the right, redder by the frame."""
    video = np.zeros((frames, height, width, 3), np.uint8)
    for t in range(frames):
        video[t, ..., 0] = 20 * t
        video[t, 8:24, 2 * t : 2 * t + 16] = (20 * t, 255, 0)
    return video


def write_video(path, video, codec="libx264", pixels="yuv420p", options=None, rotate=0):
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = container.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width = video.shape[1:3]
        stream.pix_fmt = pixels
        for image in video:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def frames_of(path):
    return list(read_frames(path))


def refused(path):
    """The sentence with which a source is refused."""
    with pytest.raises(UserError) as error:
        frames_of(path)
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_real_gif_matches_two_other_decoders():
    frames = frames_of(REAL_GIF)
    image = Image.open(REAL_GIF)
    assert len(frames) == image.n_frames == 3
    for index, frame in enumerate(frames):
        image.seek(index)
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, np.asarray(image.convert("RGB")))
    av = pytest.importorskip("av")
    with av.open(str(REAL_GIF)) as container:
        for frame, other in zip(frames, container.decode(video=0), strict=True):
            np.testing.assert_array_equal(frame, other.to_ndarray(format="rgb24"))


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        (".mp4", "libx264", "yuv420p"),
        (".mp4", "libx264", "yuv444p"),
        (".mov", "mpeg4", "yuv420p"),
        (".webm", "libvpx-vp9", "yuv420p"),
        (".avi", "mpeg4", "yuv420p"),
        (".mkv", "libx264", "yuv420p10le"),
    ],
)
def test_videos_come_back_in_order(tmp_path, suffix, codec, pixels):
    path = tmp_path / f"bar{suffix}"
    video = moving_bar()
    write_video(path, video, codec, pixels)
    frames = np.stack(frames_of(path))
    assert frames.shape == video.shape
    # The bar's edge to the pixel; colours as well as a lossy codec keeps them.
    edges = (frames[:, 16, :, 1] > 128).argmax(axis=1)
    np.testing.assert_allclose(edges, 2 * np.arange(10), atol=1)
    assert np.abs(frames.astype(int) - video).mean() < 12


def test_lossless_video_is_exact(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "exact.mkv"
    video = np.random.default_rng(0).integers(0, 256, (4, 16, 20, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 20, 16, "bgr0"
        for image in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    np.testing.assert_array_equal(np.stack(frames_of(path)), video)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".webm", "libvpx-vp9"), (".avi", "mpeg4")])
def test_every_cut_is_noticed(tmp_path, suffix, codec):
    path = tmp_path / f"whole{suffix}"
    write_video(path, np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8), codec)
    content = path.read_bytes()
    for cut in range(1, len(content), len(content) // 40):
        damaged = tmp_path / f"cut{suffix}"
        damaged.write_bytes(content[:cut])
        refused(damaged)


def test_damage_in_the_middle_is_told(tmp_path):
    path = tmp_path / "bar.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 600] = bytes(range(200)) * 3
    path.write_bytes(content)
    assert "damaged" in refused(path)


def test_a_damaged_header_is_told(tmp_path):
    path = tmp_path / "bar.mp4"
    write_video(path, moving_bar(3))
    content = path.read_bytes()
    # The last one: the names of codecs are also among the brands at the start.
    before, found, after = content.rpartition(b"avc1")
    assert found
    path.write_bytes(before + b"zzzz" + after)
    text = refused(path)
    assert "is no video of a kind that is read, or damaged" in text
    assert "FFmpeg does not know its codec" in text


def test_whatever_pyav_raises_is_told(tmp_path, monkeypatch):
    av = pytest.importorskip("av")

    def fail(*args, **options):
        raise IndexError("an index of PyAV")

    path = tmp_path / "bar.mp4"
    write_video(path, moving_bar(3))
    monkeypatch.setattr(av, "open", fail)
    assert "an index of PyAV" in refused(path)


def test_a_title_in_another_encoding_is_no_damage(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "old.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "TITLE"
        stream = container.add_stream("ffv1", rate=8, width=48, height=32)
        stream.pix_fmt = "bgr0"
        for frame in moving_bar():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert b"TITLE" in content
    path.write_bytes(content.replace(b"TITLE", b"\xe9t\xe9\xff\xe8"))
    np.testing.assert_array_equal(frames_of(path), moving_bar())


def test_text_renamed_empty_and_missing_files_are_refused(tmp_path):
    pytest.importorskip("av")
    for name, content, words in (
        ("text.mp4", b"hello world", "68 65 6c"),
        ("empty.mp4", b"", "it is empty"),
        ("text.gif", b"hello world", "68 65 6c"),
        ("text.png", b"hello world", "68 65 6c"),
        ("empty.png", b"", "it is empty"),
    ):
        (tmp_path / name).write_bytes(content)
        assert words in refused(tmp_path / name)
    assert "does not exist" in refused(tmp_path / "nothing.mp4")


def test_a_text_file_cannot_lead_to_other_files(tmp_path):
    write_video(tmp_path / "bar.mp4", moving_bar(3))
    for text in (
        "ffconcat version 1.0\nfile bar.mp4\n",
        f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'bar.mp4'}\n#EXT-X-ENDLIST\n",
    ):
        (tmp_path / "list.mp4").write_text(text)
        refused(tmp_path / "list.mp4")


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert "pip install simone_tf[video]" in refused(tmp_path / "a.mp4")


def png_header(width, height):
    """A PNG that claims a size and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = zlib.compress(b"")
    idat = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    return b"\x89PNG\r\n\x1a\n" + chunk + idat + b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


@pytest.mark.parametrize("size", [(20_000, 20_000), (100_000, 100_000), (6000, 6000)])
def test_large_pictures_are_refused_before_they_are_decoded(tmp_path, size, recwarn):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(*size))
    assert "smaller" in refused(path)
    assert not recwarn


def test_a_very_wide_picture_is_read(tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (20_000, 8), (1, 2, 3)).save(path)
    (frame,) = frames_of(path)
    assert frame.shape == (8, 20_000, 3)
    assert (frame == (1, 2, 3)).all()


def test_large_video_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bar.mp4"
    write_video(path, moving_bar(2))
    monkeypatch.setattr(source_files, "MAX_FRAME_PIXELS", 32 * 48 - 1)
    assert "48 x 32 pixels" in refused(path)


def test_modes_of_pictures(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    cases = {
        "grey": (Image.fromarray(grey), np.stack([grey] * 3, -1)),
        "grey16": (Image.fromarray(grey.astype(np.uint16) * 256 + 7), np.stack([grey] * 3, -1)),
        "bits": (Image.fromarray(grey > 100), np.stack([(grey > 100) * 255] * 3, -1)),
        "palette": (Image.fromarray(grey).convert("P"), np.stack([grey] * 3, -1)),
    }
    rgba = np.full((8, 8, 4), (200, 100, 50, 255), np.uint8)
    rgba[4:, :, 3] = 0
    on_black = rgba[..., :3].copy()
    on_black[4:] = 0
    cases["alpha"] = (Image.fromarray(rgba), on_black)
    for name, (image, wanted) in cases.items():
        image.save(tmp_path / f"{name}.png")
        (frame,) = frames_of(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(frame, wanted, err_msg=name)
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    assert "32-bit" in refused(tmp_path / "float.tif")


def test_partial_and_transparent_gif(tmp_path):
    """A hand-made GIF whose second picture covers a corner, and leaves one pixel of it as it was."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80 | 1, 0, 0) + bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])

    def picture(left, top, width, height, indices, transparent=None):
        control = b"!\xf9\x04" + bytes([4 | (transparent is not None), 5, 0, transparent or 0, 0])
        # Codes of 3 bits, cleared before each pixel, so that no table grows: clear = 4, end = 5.
        bits = "".join(f"{code:03b}"[::-1] for index in indices for code in (4, index)) + f"{5:03b}"[::-1]
        bits += "0" * (-len(bits) % 8)
        data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
        return (
            control + b"," + struct.pack("<HHHHB", left, top, width, height, 0) + bytes([2, len(data)]) + data + b"\0"
        )

    path = tmp_path / "partial.gif"
    path.write_bytes(screen + picture(0, 0, 4, 4, [1] * 16) + picture(2, 2, 2, 2, [2, 0, 3, 2], transparent=0) + b";")
    first, second = frames_of(path)
    assert (first == (255, 0, 0)).all()
    wanted = np.full((4, 4, 3), (255, 0, 0))
    wanted[2, 2], wanted[3, 2], wanted[3, 3] = (0, 255, 0), (0, 0, 255), (0, 255, 0)
    np.testing.assert_array_equal(second, wanted)
    # The end's byte is all that a GIF may lack.
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(np.stack(frames_of(path)), [first, second])
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut off" in refused(path)


def test_transparent_first_frame_lies_on_black(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8))
    image.putpalette([250, 10, 10, 10, 250, 10])
    image.save(tmp_path / "clear.gif", transparency=0)
    (frame,) = frames_of(tmp_path / "clear.gif")
    np.testing.assert_array_equal(frame, [[[0, 0, 0], [10, 250, 10]], [[10, 250, 10], [10, 250, 10]]])


def test_turned_photographs_are_turned_back(tmp_path):
    stored = np.zeros((8, 16, 3), np.uint8)
    stored[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    (frame,) = frames_of(tmp_path / "turned.png")
    np.testing.assert_array_equal(frame, np.rot90(stored, -1))


def test_damaged_picture_in_a_folder_is_named(tmp_path):
    for index in range(3):
        Image.new("RGB", (40, 40), (index, 0, 0)).save(tmp_path / f"{index}.png")
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    frames = read_frames(tmp_path)
    assert next(frames)[0, 0, 0] == 0
    with pytest.raises(UserError, match=r"1\.png is damaged or cut off"):
        next(frames)


def test_frames_are_sorted_as_people_count(tmp_path):
    for index in (10, 2, 1, 100):
        Image.new("RGB", (2, 2), (index, 0, 0)).save(tmp_path / f"frame{index}.png")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not a frame")
    assert [frame[0, 0, 0] for frame in read_frames(tmp_path)] == [1, 2, 10, 100]
    assert sorted(["b1", "a10", "a2", "a", "10", "9"], key=natural_key) == ["9", "10", "a", "a2", "a10", "b1"]
    assert [os.path.basename(path) for path in list_pictures(tmp_path)][-1] == "frame100.png"


def test_find_videos(tmp_path):
    (tmp_path / "set" / "walk2").mkdir(parents=True)
    (tmp_path / "set" / "walk10").mkdir()
    (tmp_path / "set" / "nothing").mkdir()
    for name in ("walk2/a.png", "walk10/b.jpg", "walk9.mp4", "walk1.GIF", "readme.txt", ".walk0.mp4"):
        (tmp_path / "set" / name).write_bytes(b"")
    found = find_videos([tmp_path / "set"])
    assert [video_name(path) for path in found] == ["walk1", "walk2", "walk9", "walk10"]
    assert find_videos([tmp_path / "set" / "walk2", tmp_path / "set" / "readme.txt"]) == [
        str(tmp_path / "set" / "walk2"),
        str(tmp_path / "set" / "readme.txt"),
    ]
    with pytest.raises(UserError, match="holds no video"):
        find_videos([tmp_path / "set" / "nothing"])
    with pytest.raises(UserError, match="does not exist"):
        find_videos([tmp_path / "elsewhere"])
    (tmp_path / "set" / "stray.png").write_bytes(b"")
    with pytest.raises(UserError, match="both frames"):
        find_videos([tmp_path / "set"])


def test_one_frame_is_held_at_a_time(tmp_path):
    """The third frame is damaged, and that is found only when it is reached."""
    path = tmp_path / "bar.mp4"
    write_video(path, moving_bar(5))
    frames = read_frames(path)
    assert next(frames).shape == (32, 48, 3)
    frames.close()
