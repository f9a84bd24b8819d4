"""What is known of a video before it is read, and reading it whatever it is."""

import os
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from simone_tf.data.videos.video_files import find_videos, read_frames
from simone_tf.data.videos.video_source import DEFAULT_RATE, VideoSource, as_rate
from simone_tf.errors import UserError


def ramp(count, height=16, width=24):
    video = np.zeros((count, height, width, 3), np.uint8)
    video += (np.arange(count) * 20).astype(np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    return video


def write_mp4(path, video, rate):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *video.shape[1:3], "yuv420p"
        for image in video:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_gif(tmp_path):
    images = [Image.fromarray(frame) for frame in ramp(4)]
    images[0].save(tmp_path / "walk.gif", save_all=True, append_images=images[1:], duration=40)
    source = VideoSource(tmp_path / "walk.gif")
    assert (source.name, source.rate) == ("walk", 25)
    np.testing.assert_array_equal(np.stack(list(source.frames())), ramp(4))


def test_mp4(tmp_path):
    write_mp4(tmp_path / "walk.mp4", ramp(5), Fraction(30000, 1001))
    source = VideoSource(tmp_path / "walk.mp4")
    assert (source.num_frames, source.rate) == (5, Fraction(30000, 1001))
    assert np.abs(np.stack(list(source.frames())).astype(int) - ramp(5)).max() < 8


def test_folder_and_npy(tmp_path):
    (tmp_path / "walk").mkdir()
    for index, frame in enumerate(ramp(3)):
        Image.fromarray(frame).save(tmp_path / "walk" / f"{index}.png")
    np.save(tmp_path / "walk.npy", ramp(3))
    for name in ("walk", "walk.npy"):
        source = VideoSource(tmp_path / name)
        assert (source.name, source.num_frames, source.rate) == ("walk", 3, DEFAULT_RATE)
        np.testing.assert_array_equal(np.stack(list(source.frames())), ramp(3))


def test_sizes_that_change_are_told(tmp_path):
    for index, side in enumerate((8, 8, 9)):
        Image.new("RGB", (side, 8)).save(tmp_path / f"{index}.png")
    frames = VideoSource(tmp_path).frames()
    next(frames), next(frames)
    with pytest.raises(UserError, match="frame 2 has 9 x 8 pixels, frame 0 has 8 x 8"):
        next(frames)


def test_what_is_missing_or_elsewhere_is_told_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    for path, words in (
        (tmp_path / "nothing.mp4", "does not exist"),
        (tmp_path / "empty", "no picture"),
        ("https://example.org/a.mp4", "is an address"),
    ):
        with pytest.raises(UserError, match=words):
            VideoSource(path)


@pytest.mark.parametrize("name", ["pipe.mp4", "pipe.npy", "pipe.gif", "pipe"])
def test_pipes_are_refused_without_being_opened(tmp_path, name):
    os.mkfifo(tmp_path / name)
    for start in (VideoSource, lambda path: next(read_frames(path)), lambda path: find_videos([path])):
        with pytest.raises(UserError, match="neither a file nor a folder"):
            start(tmp_path / name)


def test_a_pipe_among_pictures_is_refused_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "0.png")
    with pytest.raises(UserError, match=r"0\.png is neither"):
        next(VideoSource(tmp_path).frames())


@pytest.mark.parametrize("name", ["text.mp4", "text.gif", "text.png"])
def test_damaged_headers_are_left_to_the_reader(tmp_path, name):
    (tmp_path / name).write_text("hello world")
    source = VideoSource(tmp_path / name)
    assert (source.num_frames, source.rate) == (None, DEFAULT_RATE)
    with pytest.raises(UserError, match=name):
        next(source.frames())


def test_rates_are_brought_into_range():
    assert as_rate(24) == 24
    assert as_rate(29.97) == Fraction(2997, 100)
    assert as_rate(90000) == 240
    assert as_rate(0.001) == Fraction(1, 10)
    assert [as_rate(value) for value in (None, 0, -3, float("nan"), float("inf"))] == [None] * 5


def test_animated_webp(tmp_path):
    images = [Image.fromarray(frame) for frame in ramp(4)]
    for milliseconds, rate in ((40, 25), (100, 10)):
        path = tmp_path / f"{milliseconds}.webp"
        images[0].save(path, save_all=True, append_images=images[1:], duration=milliseconds, lossless=True)
        source = VideoSource(path)
        assert source.rate == rate
        np.testing.assert_array_equal(np.stack(list(source.frames())), ramp(4))
    images[0].save(tmp_path / "still.webp")
    assert VideoSource(tmp_path / "still.webp").rate == DEFAULT_RATE
