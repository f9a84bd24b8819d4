"""Pictures of a frame taken apart, against hand-made ones."""

import numpy as np

from simone_tf.pictures.colours import PALETTE
from simone_tf.pictures.drawing import checker, cut_out, enlarge, object_colour, overlay, whole_scale, winners


def halves(height=8, width=8):
    """Masks of two objects, the left and the right half."""
    masks = np.zeros((2, height, width), np.float32)
    masks[0, :, : width // 2], masks[1, :, width // 2 :] = 1.0, 1.0
    return masks


def test_winners_are_identities_not_slots():
    masks = halves()
    masks[:, 0, 0] = 0.4, 0.6
    found = winners(masks, np.array([7, 300]))
    assert found[0, 0] == 300
    assert (found[1:, :4] == 7).all()
    assert (found[:, 4:] == 300).all()


def test_overlay_tints_objects_and_leaves_the_plain_one():
    shown = np.full((80, 80, 3), 100, np.uint8)
    painted = overlay(shown, halves(), np.array([0, 1]), plain_id=1)
    assert (painted[:, 60:] == 100).all()
    inside = painted[40, 20].astype(int)
    for channel in range(3):
        low, high = sorted((100, int(PALETTE[0, channel])))
        assert low < inside[channel] < high
    # The outline lies on the object's side and has its colour in full.
    assert (painted[40] == object_colour(0)).all(-1).sum() in (1, 2)


def test_overlay_outlines_both_sides_of_two_objects():
    shown = np.zeros((80, 80, 3), np.uint8)
    painted = overlay(shown, halves(), np.array([0, 1]), plain_id=None)
    for number in (0, 1):
        assert (painted == object_colour(number)).all(-1).sum() in (80, 160)


def test_colours_come_again_after_the_last():
    np.testing.assert_array_equal(object_colour(len(PALETTE) + 3), PALETTE[3])


def test_cut_out_is_as_opaque_as_its_mask():
    rgb = np.full((12, 12, 3), 0.2)
    np.testing.assert_array_equal(cut_out(rgb, np.ones((12, 12))), np.full((12, 12, 3), 51))
    ground = checker((12, 12))
    np.testing.assert_array_equal(cut_out(rgb, np.zeros((12, 12))), ground)
    half = cut_out(rgb, np.full((12, 12), 0.5))
    assert np.abs(half - (51 + ground.astype(float)) / 2).max() <= 0.5
    assert len(np.unique(ground)) == 2


def test_squares_and_tones_of_the_ground_are_as_asked():
    ground = checker((5, 7), 2, (10, 20))
    assert ground.dtype == np.uint8
    assert ground[..., 0].tolist() == [
        [10, 10, 20, 20, 10, 10, 20],
        [10, 10, 20, 20, 10, 10, 20],
        [20, 20, 10, 10, 20, 20, 10],
        [20, 20, 10, 10, 20, 20, 10],
        [10, 10, 20, 20, 10, 10, 20],
    ]
    assert (ground == ground[..., :1]).all()


def test_frames_are_enlarged_by_whole_factors():
    assert [whole_scale(side, 96) for side in (8, 32, 60, 64, 66, 96, 500)] == [12, 3, 2, 2, 1, 1, 1]
    frames = np.arange(12).reshape(2, 2, 3)
    assert enlarge(frames, 2)[1].tolist() == [[6, 6, 7, 7, 8, 8]] * 2 + [[9, 9, 10, 10, 11, 11]] * 2
