"""MP4 files written frame by frame, read back with PyAV."""

from fractions import Fraction

import numpy as np
import pytest

from simone_tf.pictures import mp4_writer
from simone_tf.pictures.mp4_writer import Mp4Writer, can_write_mp4

av = pytest.importorskip("av")


def read_mp4(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), stream.average_rate, stream.pix_fmt


@pytest.mark.parametrize("codecs", [("libx264",), ("mpeg4",)])
def test_frames_and_rate_come_back(tmp_path, monkeypatch, codecs):
    monkeypatch.setattr(mp4_writer, "_CODECS", codecs)
    video = np.zeros((6, 32, 48, 3), np.uint8)
    for index, frame in enumerate(video):
        frame[:, 4 * index :] = (30 * index, 200, 90)
    writer = Mp4Writer(tmp_path / "a.mp4", Fraction(24))
    for frame in video:
        writer.add(frame)
    writer.close()
    read, rate, pixels = read_mp4(tmp_path / "a.mp4")
    assert (rate, pixels) == (24, "yuv420p")
    assert read.shape == video.shape
    assert np.abs(read.astype(int) - video).mean() < 8


def test_odd_sizes_gain_a_row_and_a_column(tmp_path):
    writer = Mp4Writer(tmp_path / "a.mp4", Fraction(10))
    writer.add(np.full((17, 31, 3), 128, np.uint8))
    writer.close()
    assert read_mp4(tmp_path / "a.mp4")[0].shape == (1, 18, 32, 3)


def test_without_pyav_there_is_none(monkeypatch):
    assert can_write_mp4()
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert not can_write_mp4()
