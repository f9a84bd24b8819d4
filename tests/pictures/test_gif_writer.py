"""Animations written frame by frame, read back with Pillow."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from simone_tf.pictures.gif_writer import GifWriter


def read_gif(path):
    """Frames, and how long each is shown in milliseconds."""
    with Image.open(path) as image:
        frames, durations = [], []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
        return np.stack(frames), durations, image.info.get("loop")


def write(path, frames, rate=10, scale=1):
    writer = GifWriter(path, Fraction(rate))
    for frame in frames:
        writer.add(frame, scale)
    writer.close()


@pytest.mark.parametrize("colours", [1, 2, 3, 5, 17, 200, 256])
def test_few_colours_are_exact(tmp_path, colours):
    rng = np.random.default_rng(colours)
    palette = rng.integers(0, 256, (colours, 3), np.uint8)
    frames = palette[rng.integers(0, colours, (3, 20, 30))]
    write(tmp_path / "a.gif", frames)
    read, _, loop = read_gif(tmp_path / "a.gif")
    np.testing.assert_array_equal(read, frames)
    assert loop == 0


def test_many_colours_come_close(tmp_path):
    rows, columns = np.mgrid[:64, :64]
    frame = np.stack([rows * 4, columns * 4, (rows + columns) * 2], -1).astype(np.uint8)
    write(tmp_path / "a.gif", [frame, frame[::-1]])
    read, _, _ = read_gif(tmp_path / "a.gif")
    assert np.abs(read[1].astype(int) - frame[::-1]).mean() < 10


def test_enlarged_here_is_enlarged_before(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), np.uint8)
    write(tmp_path / "a.gif", frames, scale=3)
    read, _, _ = read_gif(tmp_path / "a.gif")
    np.testing.assert_array_equal(read, frames.repeat(3, 1).repeat(3, 2))


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(7), Fraction(1, 10)])
def test_the_whole_keeps_to_the_rate(tmp_path, rate):
    frames = np.random.default_rng(0).integers(0, 256, (30, 2, 2, 3), np.uint8)
    write(tmp_path / "a.gif", frames, rate)
    _, durations, _ = read_gif(tmp_path / "a.gif")
    assert abs(sum(durations) - 1000 * 30 / rate) <= 10


def test_a_held_frame_is_shown_longer(tmp_path):
    first, second = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    writer = GifWriter(tmp_path / "a.gif", Fraction(10))
    writer.add(first)
    writer.hold()
    writer.hold()
    writer.add(second)
    writer.close()
    read, durations, _ = read_gif(tmp_path / "a.gif")
    np.testing.assert_array_equal(read, [first, second])
    assert durations == [300, 100]


def test_a_frame_held_for_hours(tmp_path):
    writer = GifWriter(tmp_path / "a.gif", Fraction(10))
    writer.add(np.zeros((4, 4, 3), np.uint8))
    for _ in range(20_000):
        writer.hold()
    writer.close()
    _, durations, _ = read_gif(tmp_path / "a.gif")
    assert sum(durations) == 2_000_100


def test_frames_are_on_disk_before_the_end(tmp_path):
    """What was written of an animation does not wait in memory."""
    frames = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), np.uint8)
    writer = GifWriter(tmp_path / "a.gif", Fraction(10))
    for frame in frames:
        writer.add(frame)
    assert (tmp_path / "a.gif").stat().st_size > 30 * 64 * 64 / 2
    writer.close()
