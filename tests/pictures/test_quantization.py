import numpy as np

from simone_tf.pictures.quantization import best_colours, colour_codes, colours_of


def test_colours_come_back_from_their_numbers():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    picture[0, :2] = [[0, 0, 0], [255, 255, 255]]
    codes = colour_codes(picture)
    assert codes.shape == (5, 7)
    np.testing.assert_array_equal(colours_of(codes), picture)
    assert colour_codes(np.array([[1, 2, 3]], np.uint8)).tolist() == [0x010203]


def test_a_picture_of_few_colours_is_drawn_in_them():
    colours = np.array([[250, 0, 9], [0, 250, 9], [3, 4, 5]], np.uint8)
    wanted = colours[np.random.default_rng(1).integers(0, 3, (8, 8))]
    palette, indices = best_colours(wanted, 8)
    assert indices.shape == (8, 8)
    np.testing.assert_array_equal(palette[indices], wanted)


def test_a_picture_of_many_colours_is_drawn_in_as_many_as_asked():
    frame = np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)
    palette, indices = best_colours(frame, 20)
    assert len(np.unique(indices)) <= 20
    assert np.abs(palette[indices].astype(int) - frame).mean() < 50
