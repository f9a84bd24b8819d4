"""Colours of segments: told apart, and alike where a slot found an object."""

import numpy as np
import pytest

from simone_tf.pictures import colours


def lab(rgb):
    """CIE L*a*b* (D65) of `[N, 3]` sRGB."""
    linear = np.asarray(rgb, float) / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)


def test_palette_is_well_separated():
    assert len(colours.PALETTE) >= 32
    points = lab([*colours.PALETTE, colours.BACKGROUND, (255, 255, 255)])
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=-1) + 1000 * np.eye(len(points))
    assert distances.min() > 10  # 2.3 is just noticeable
    assert distances[:8, :8].min() > 25


def test_segments_get_background_then_palette_then_the_palette_again():
    segments = np.array([[0, 1], [32, 33]])
    expected = [[colours.BACKGROUND, colours.PALETTE[0]], [colours.PALETTE[31], colours.PALETTE[0]]]
    painted = colours.colour_segments(segments)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted, expected)
    np.testing.assert_array_equal(
        colours.colour_segments(segments // 32, [[1, 2, 3], [4, 5, 6]])[:, 0], [[1, 2, 3], [4, 5, 6]]
    )


@pytest.mark.parametrize("bad", [np.array([[-1]]), np.array([[0.5]])])
def test_what_is_no_segment_is_refused(bad):
    with pytest.raises(ValueError, match="non-negative integers"):
        colours.colour_segments(bad)


def scene():
    """Background 0 over slots 5 (larger) and 2; object 1 in slot 0; object 7 over slots 3 (larger) and 1."""
    segments = np.zeros((2, 10, 10), np.int32)
    segments[:, :3, :3], segments[:, 6:, 4:] = 1, 7
    segmentation = np.full((2, 10, 10), 5)
    segmentation[:, :, 8:] = 2
    segmentation[:, :3, :3] = 0
    segmentation[:, 6:, 4:] = 3
    segmentation[:, 9:, 4:] = 1
    return segments, segmentation


def test_slots_are_matched_to_what_they_found():
    segments, segmentation = scene()
    assert colours.match_slots(segmentation, segments, 6) == {0: 1, 3: 7, 5: 0}


def test_a_slot_that_barely_touches_an_object_has_not_found_it():
    segments = np.zeros((1, 20, 20), np.int32)
    segments[0, 0, :5] = 1
    segmentation = np.zeros((1, 20, 20), np.int32)
    segmentation[0, :, :10] = 1  # half of the background, and the object in it
    assert 1 not in colours.match_slots(segmentation, segments, 2).values()


def test_slots_wear_the_colours_of_what_they_found():
    segments, segmentation = scene()
    found = colours.slot_colours(6, segmentation, segments)
    assert found.shape == (6, 3)
    assert found.dtype == np.uint8
    true_colours = colours.colour_segments(np.array([0, 1, 7]))
    np.testing.assert_array_equal(found[[5, 0, 3]], true_colours)
    assert len(np.unique(found, axis=0)) == 6
    # The broken-off piece is bright, the piece of the background is dark.
    assert np.ptp(found[1].astype(int)) > 100
    assert np.ptp(found[2].astype(int)) < 80


def test_pieces_of_an_object_wear_no_colour_of_the_truth_and_the_largest_the_first_that_is_left():
    segments = np.ones((1, 4, 9), np.int32)
    segmentation = np.repeat([3, 1, 2], [6, 1, 2])[np.newaxis, np.newaxis] * np.ones((1, 4, 1), int)
    found = colours.slot_colours(4, segmentation, segments)
    np.testing.assert_array_equal(found[[3, 2, 1, 0]], colours.PALETTE[:4])


def test_perfect_prediction_looks_like_the_truth_whatever_its_numbering():
    rng = np.random.default_rng(0)
    segments = rng.integers(0, 6, (3, 8, 8))
    segmentation = np.array([9, 4, 0, 7, 2, 5])[segments]
    painted = colours.colour_segments(segmentation, colours.slot_colours(10, segmentation, segments))
    np.testing.assert_array_equal(painted, colours.colour_segments(segments))


def test_without_truth_slots_follow_the_palette():
    np.testing.assert_array_equal(colours.slot_colours(34), [*colours.PALETTE, *colours.PALETTE[:2]])


def test_more_objects_than_colours_or_huge_ids_still_get_colours():
    segments = np.arange(64).reshape(1, 8, 8)
    np.testing.assert_array_equal(
        colours.colour_segments(segments, colours.slot_colours(64, segments, segments)),
        colours.colour_segments(segments),
    )
    huge = np.array([0, 2**31 - 1])[segments % 2]
    assert colours.slot_colours(2, segments % 2, huge).shape == (2, 3)


def test_slots_worth_showing_come_objects_first_then_by_mass():
    segments, segmentation = scene()
    masks = np.stack([segmentation == k for k in range(7)]) * 0.9 + 0.01
    assert colours.arrange_slots(masks, segmentation, segments) == [0, 3, 5, 2, 1]
    assert colours.arrange_slots(masks, segmentation) == [5, 3, 2, 0, 1]
