import numpy as np
import pytest

from simone_tf.long_videos.frame_shift import frame_shift, shifted


def by_trying_all(before, after):
    """The shift of the least mean squared difference over what both frames show, by two loops."""
    height, width, _ = before.shape
    best = (np.inf, None)
    for rows in range(1 - height, height):
        for columns in range(1 - width, width):
            pixels = [
                (y, x)
                for y in range(height)
                for x in range(width)
                if 0 <= y + rows < height and 0 <= x + columns < width
            ]
            if len(pixels) < 0.35 * height * width:
                continue
            y, x = np.transpose(pixels)
            difference = np.square(before[y, x] - after[y + rows, x + columns]).mean()
            best = min(best, (difference + 1e-4 / 3 * (rows**2 + columns**2), (rows, columns)))
    return best[1]


def test_the_shift_is_that_of_trying_all():
    rng = np.random.default_rng(0)
    for height, width in ((6, 6), (5, 9), (8, 4)):
        before, after = rng.random((2, height, width, 3))
        assert frame_shift(before, after) == by_trying_all(before, after)


@pytest.mark.parametrize("shift", [(0, 0), (3, -7), (-4, 9), (0, 12), (-8, -8)])
def test_a_picture_that_moves_is_followed(shift):
    rng = np.random.default_rng(1)
    scene = rng.random((80, 80, 3)).cumsum(0).cumsum(1) % 1
    before = scene[20:52, 20:52]
    after = scene[20 - shift[0] : 52 - shift[0], 20 - shift[1] : 52 - shift[1]]
    noise = rng.normal(0, 0.02, (2, 32, 32, 3))
    assert frame_shift(before + noise[0], after + noise[1]) == shift


def test_noise_alone_does_not_move():
    rng = np.random.default_rng(2)
    for _ in range(10):
        assert frame_shift(*(0.5 + rng.normal(0, 0.01, (2, 24, 24, 3)))) == (0, 0)


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 4), (0, 5), (-4, -5)])
def test_shifted_values(shift):
    values = np.random.default_rng(3).random((2, 4, 5))
    moved = shifted(values, shift)
    for y, x in np.ndindex(4, 5):
        source = (y - shift[0], x - shift[1])
        inside = 0 <= source[0] < 4 and 0 <= source[1] < 5
        np.testing.assert_array_equal(moved[:, y, x], values[:, source[0], source[1]] if inside else 0)
