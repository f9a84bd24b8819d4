import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.parts.positions import (
    coordinate_features,
    moment_positions,
    pixel_coordinates,
    sinusoid_positions,
)


def test_every_position_has_its_own_embedding_and_axes_have_their_own_channels():
    positions = sinusoid_positions(4, 3, 5, 30)
    assert positions.shape == (4, 3, 5, 30)
    assert len(np.unique(positions.reshape(60, 30), axis=0)) == 60
    # Ten channels each for time, row and column.
    assert np.ptp(positions[:, :, :, :10], axis=(1, 2)).max() == 0
    assert np.ptp(positions[:, :, :, 10:20], axis=(0, 2)).max() == 0
    assert np.ptp(positions[:, :, :, 20:], axis=(0, 1)).max() == 0


def test_sinusoids_by_hand():
    positions = sinusoid_positions(3, 1, 1, 12, base=100.0)
    frame = 2.0
    expected = [np.sin(frame), np.sin(frame / 10), np.cos(frame), np.cos(frame / 10)]
    np.testing.assert_allclose(positions[2, 0, 0, :4], expected, rtol=1e-6)


def test_channels_that_do_not_divide_by_six_are_cut():
    assert sinusoid_positions(2, 2, 2, 64).shape == (2, 2, 2, 64)


def test_pixel_coordinates_cover_the_square_row_by_row():
    coordinates = pixel_coordinates(2, 3)
    np.testing.assert_array_equal(coordinates, [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(pixel_coordinates(1, 1), [[0, 0]])


def test_coordinate_features_are_raw_then_octaves():
    coordinates, times = np.float32([[0.25, -0.5]]), np.float32([0.75])
    np.testing.assert_allclose(coordinate_features(coordinates, times, 0), [[0.25, -0.5, 0.75]])
    expected = [0.25, -0.5, 0.75]
    for octave in (0, 1):
        angles = np.float64([0.25, -0.5]) * np.pi * 2**octave
        expected += [*np.sin(angles), *np.cos(angles)]
    np.testing.assert_allclose(coordinate_features(coordinates, times, 2)[0], expected, atol=1e-6)


def test_negative_octaves_are_refused():
    with pytest.raises(UserError, match="coordinate_octaves"):
        coordinate_features(np.zeros([1, 2], np.float32), np.zeros([1], np.float32), -1)


@pytest.mark.parametrize("channels", [12, 20, 31])
def test_moments_have_the_part_of_time_and_nothing_of_the_place(channels):
    whole = sinusoid_positions(7, 2, 3, channels, base=50.0)
    moments = np.array([[3.0, 0.0, 6.0], [1.0, 5.0, 5.0]], np.float32)
    found = moment_positions(moments, channels, base=50.0).numpy()
    of_time = 2 * -(-channels // 6)
    np.testing.assert_allclose(found[..., :of_time], whole[moments.astype(int), 1, 2, :of_time], atol=1e-6)
    assert not found[..., of_time:].any()
    between = moment_positions(np.array([[2.5]], np.float32), channels, base=50.0).numpy()
    np.testing.assert_allclose(between[0, 0, 0], np.sin(2.5), atol=1e-6)
