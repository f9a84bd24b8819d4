import colorsys

import numpy as np

from simone_tf.scenes.hue import turn_hues


def test_120_degrees_exchange_the_channels_and_360_nothing():
    video = np.random.default_rng(0).integers(0, 256, [4, 3, 5, 3], np.uint8)
    turned = turn_hues(video, 120.0)
    np.testing.assert_array_equal(turned[0], video[0])
    np.testing.assert_array_equal(turned[1], video[1][..., [2, 0, 1]])
    np.testing.assert_array_equal(turned[2], video[2][..., [1, 2, 0]])
    np.testing.assert_array_equal(turned[3], video[3])


def test_greys_and_brightness_stay_and_hues_go_on():
    colours = np.array([(120, 120, 120), (130, 90, 90), (140, 120, 100)], np.uint8)
    turned = turn_hues(np.broadcast_to(colours, [10, 1, 3, 3]), 7.0)[:, 0].astype(float)
    np.testing.assert_array_equal(turned[:, 0], np.full([10, 3], 120))
    assert np.abs(turned.sum(-1) - colours.sum(-1)).max() <= 1.5  # rounding of three channels
    hues = [colorsys.rgb_to_hsv(*colour / 255)[0] * 360 for colour in turned[:, 1]]
    np.testing.assert_allclose(hues, 7.0 * np.arange(10), atol=3)


def test_colours_beyond_the_cube_are_clipped():
    red = np.full([2, 1, 1, 3], (255, 0, 0), np.uint8)
    np.testing.assert_array_equal(turn_hues(red, 60.0)[1, 0, 0], [170, 170, 0])
