"""The bytes and files that hold pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from simone_tf.errors import UserError
from simone_tf.pictures import colours, image_files

T = 3


def test_png_is_lossless(tmp_path):
    sheet = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    image_files.save_png(tmp_path / "sheet.png", sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), sheet)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_gif_plays_all_frames_endlessly(tmp_path):
    # Large squares, as an enlarged video has them.
    frames = (
        np.random.default_rng(0).integers(0, 256, (T, 6, 8, 3)).astype(np.uint8).repeat(5, axis=1).repeat(5, axis=2)
    )
    image_files.save_gif(tmp_path / "clip.gif", frames, frames_per_second=5)
    with Image.open(tmp_path / "clip.gif") as gif:
        assert gif.n_frames == T
        assert gif.info["loop"] == 0
        for t in range(T):
            gif.seek(t)
            assert gif.info["duration"] == 200
            shown = np.asarray(gif.convert("RGB")).astype(int)
            assert shown.shape == frames[t].shape
            assert np.abs(shown - frames[t]).mean() < 4


def test_gif_keeps_paper_white_and_small_patches_of_segment_colours():
    rng = np.random.default_rng(5)
    frame = rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)  # far more colours than a GIF holds
    frame[:40] = 255
    certain = np.concatenate([colours.PALETTE, colours.BACKGROUND[np.newaxis]])
    frame[10, : len(certain)] = certain
    gif = Image.open(io.BytesIO(image_files.encode_gif(frame[np.newaxis])))
    np.testing.assert_array_equal(np.asarray(gif.convert("RGB"))[:40], frame[:40])


@pytest.mark.parametrize("encode", [image_files.encode_png, image_files.encode_gif])
def test_only_uint8_pictures_are_encoded(encode):
    for wrong in (
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((2, 4, 4, 3)),
        np.zeros((0, 4, 4, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match="uint8"):
            encode(wrong)


def test_unwritable_place_is_one_sentence_and_leaves_nothing(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "missing" / "a.png", tmp_path / "file" / "a.png"):
        with pytest.raises(UserError, match=r"a\.png"):
            image_files.save_png(path, image)
    (tmp_path / "taken.gif").mkdir()
    with pytest.raises(UserError, match=r"taken\.gif"):
        image_files.save_gif(tmp_path / "taken.gif", image[np.newaxis])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.gif"]
