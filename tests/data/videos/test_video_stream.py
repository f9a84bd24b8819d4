"""Which stream of a file is its video."""

from fractions import Fraction

import numpy as np
import pytest

from simone_tf.data.videos.video_files import read_frames
from simone_tf.data.videos.video_source import VideoSource
from simone_tf.errors import UserError

from made_videos import add_stream, scene

av = pytest.importorskip("av")

DEFAULT, ATTACHED = 1, 1 << 10


def plain(value, height, width, frames=1):
    return np.full((frames, height, width, 3), value, np.uint8)


def write(path, *streams):
    """Each stream: (pictures, codec, pixel format, disposition or None, rate)."""
    with av.open(str(path), "w") as file:
        writers = []
        for pictures, codec, pixels, disposition, rate in streams:

            def change(stream, disposition=disposition):
                if disposition is not None:
                    stream.disposition = disposition

            writers.append(add_stream(file, pictures, codec, pixels, None, change, rate))
        file.start_encoding()
        for writer in writers:
            writer()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("first", [True, False])
def test_a_cover_picture_is_no_video(tmp_path, suffix, first):
    """The rate and the number of frames are the video's too."""
    cover = (plain(255, 200, 200), "mjpeg", "yuvj420p", ATTACHED, 1)
    video = (scene(12), "libx264", "yuv420p", DEFAULT, 30)
    path = tmp_path / f"a{suffix}"
    write(path, *((cover, video) if first else (video, cover)))
    source = VideoSource(path)
    frames = list(source.frames())
    assert [frame.shape for frame in frames] == [(64, 80, 3)] * 12
    assert source.rate == 30
    assert source.num_frames in (12, None)
    assert np.abs(np.stack(frames).astype(int) - scene(12)).mean() < 12


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_of_several_videos_the_default_and_then_the_largest(tmp_path, suffix):
    small, large = plain(50, 32, 32, 8), plain(200, 96, 128, 4)

    def chosen(*dispositions):
        path = tmp_path / f"a{suffix}"
        write(
            path,
            (small, "libx264", "yuv420p", dispositions[0], 10),
            (large, "libx264", "yuv420p", dispositions[1], 25),
        )
        source = VideoSource(path)
        frames = list(source.frames())
        assert source.num_frames in (len(frames), None)
        return frames[0].shape[0], len(frames), source.rate

    assert chosen(DEFAULT, DEFAULT) == (96, 4, 25)
    assert chosen(DEFAULT, 0) == (32, 8, 10)
    assert chosen(0, DEFAULT) == (96, 4, 25)


def test_a_poster_of_one_large_frame_comes_after_the_video(tmp_path):
    poster = (plain(255, 400, 400), "mjpeg", "yuvj420p", DEFAULT, 1)
    write(tmp_path / "a.mp4", poster, (scene(6), "libx264", "yuv420p", DEFAULT, 25))
    assert len(list(read_frames(tmp_path / "a.mp4"))) == 6


def test_one_frame_alone_is_a_video_all_the_same(tmp_path):
    write(tmp_path / "a.mp4", (plain(200, 32, 32), "libx264", "yuv420p", DEFAULT, 25))
    (frame,) = read_frames(tmp_path / "a.mp4")
    assert np.abs(frame.astype(int) - 200).max() < 4


def test_sound_with_a_cover_is_named_as_that(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as file:
        sound = file.add_stream("aac", rate=8000)
        writer = add_stream(
            file, plain(9, 32, 32), "mjpeg", "yuvj420p", None, lambda s: setattr(s, "disposition", ATTACHED)
        )
        file.start_encoding()
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        file.mux(sound.encode(frame))
        writer()
        file.mux(sound.encode())
    with pytest.raises(UserError, match=r"song\.mp4 holds a cover picture and no video"):
        list(read_frames(path))
    assert VideoSource(path).num_frames is None


def test_timecodes_beside_the_video(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as file:
        file.metadata["timecode"] = "10:00:00:00"
        add_stream(file, scene(5), "mjpeg", "yuvj420p", rate=Fraction(25))()
    with av.open(str(path)) as file:
        assert [stream.type for stream in file.streams] == ["video", "data"]
    assert len(list(read_frames(path))) == 5


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "container"),
    [
        ("a.y4m", "wrapped_avframe", "yuv420p", None),
        ("a.y4m", "wrapped_avframe", "yuv444p", None),
        ("a.y4m", "wrapped_avframe", "yuv411p", None),
        ("a.h264", "libx264", "yuv420p", "h264"),
        ("a.h265", "libx265", "yuv420p", "hevc"),
        ("a.m2ts", "libx264", "yuv420p", None),
        ("a.3gp", "mpeg4", "yuv420p", None),
        ("a.vob", "mpeg2video", "yuv420p", None),
    ],
)
def test_kinds_by_their_names(tmp_path, name, codec, pixels, container):
    """They are read, and found in a folder."""
    from simone_tf.data.videos.video_files import find_videos

    with av.open(str(tmp_path / name), "w", format=container) as file:
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        add_stream(file, scene(6), codec, pixels, options)()
    (path,) = find_videos([tmp_path])
    frames = np.stack(list(read_frames(path)))
    assert frames.shape == (6, 64, 80, 3)
    assert np.abs(frames.astype(int) - scene(6)).mean() < 25


def test_a_y4m_without_its_end(tmp_path):
    with av.open(str(tmp_path / "a.y4m"), "w") as file:
        add_stream(file, scene(6), "wrapped_avframe", "yuv420p")()
    content = (tmp_path / "a.y4m").read_bytes()
    (tmp_path / "a.y4m").write_bytes(content[:-700])
    with pytest.raises(UserError, match="damaged at frame 5"):
        list(read_frames(tmp_path / "a.y4m"))
