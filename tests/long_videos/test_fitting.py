"""Frames brought to the model's size: which part is used, and what becomes of its pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.errors import UserError
from simone_tf.long_videos.fitting import FITS, Fitting, display_scale

sides = st.integers(1, 300)


def test_crop_takes_the_middle():
    frame = np.zeros((4, 10, 3), np.uint8)
    frame[:, 3:7] = 200
    fitting = Fitting(frame.shape, (2, 2), "crop")
    assert fitting.crop == (0, 3, 4, 4)
    assert (fitting.for_model(frame) == 200).all()
    assert (fitting.for_display(frame) == 200).all()
    assert Fitting((10, 4, 3), (2, 2), "crop").crop == (3, 0, 4, 4)


def test_pad_keeps_everything_and_repeats_the_rim():
    frame = np.zeros((4, 8, 3), np.uint8)
    frame[:2], frame[2:] = 10, 250
    fitting = Fitting(frame.shape, (8, 8), "pad")
    assert fitting.content == (2, 0, 4, 8)
    fitted = fitting.for_model(frame)
    assert (fitted[:4] == 10).all()
    assert (fitted[4:] == 250).all()


def test_pixels_are_averaged_over_area():
    frame = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    wanted = frame.reshape(4, 3, 4, 3, 3).mean((1, 3))
    fitted = Fitting(frame.shape, (4, 4)).for_model(frame)
    assert np.abs(fitted - wanted).max() <= 0.5 + 1e-3


def test_display_shows_whole_pixels_of_a_small_frame():
    frame = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    fitting = Fitting(frame.shape, (24, 24))
    shown = fitting.for_display(frame)
    np.testing.assert_array_equal(shown, frame.repeat(fitting.scale, 0).repeat(fitting.scale, 1))


@given(sides, sides, st.integers(1, 40), st.integers(1, 40), st.sampled_from(FITS))
def test_every_size_fits_with_its_aspect_kept(height, width, rows, columns, fit):
    fitting = Fitting((height, width, 3), (rows, columns), fit)
    frame = np.zeros((height, width, 3), np.uint8)
    assert fitting.for_model(frame).shape == (rows, columns, 3)
    assert fitting.for_display(frame).shape == (rows * fitting.scale, columns * fitting.scale, 3)
    top, left, cut_rows, cut_columns = fitting.crop
    assert 0 <= top <= height - cut_rows
    assert 0 <= left <= width - cut_columns
    if fit == "pad":
        assert fitting.crop == (0, 0, height, width)
    else:
        assert cut_rows == height or cut_columns == width
    # The factors of height and width agree, up to the rounding of either side to whole pixels.
    _, _, kept_rows, kept_columns = fitting.content
    slack = 1 + max(cut_rows / cut_columns, cut_columns / cut_rows) + max(rows / columns, columns / rows)
    assert abs(kept_rows * cut_columns - kept_columns * cut_rows) <= slack * max(
        cut_rows, cut_columns, kept_rows, kept_columns
    )


def test_a_very_wide_frame_fits():
    frame = np.zeros((8, 20_000, 3), np.uint8)
    for fit in FITS:
        assert Fitting(frame.shape, (24, 24), fit).for_model(frame).shape == (24, 24, 3)


def test_scales_are_whole_and_even():
    assert [display_scale((side, side)) for side in (8, 24, 64, 128, 300, 1000)] == [40, 12, 4, 2, 1, 1]


def test_other_fits_are_refused():
    with pytest.raises(UserError, match="stretch"):
        Fitting((4, 4, 3), (2, 2), "stretch")
