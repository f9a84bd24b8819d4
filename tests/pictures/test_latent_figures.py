"""Sheets of traversals and crossings: every tile is where its labels say."""

import numpy as np
import pytest

from simone_tf.evaluation.report.traversals import Traversal
from simone_tf.pictures.latent_figures import circled, crossing_frames, largest_view, traversal_sheet

T, H, W = 2, 4, 6
RED = np.array([220, 30, 30])


def flat(*values):
    return np.broadcast_to(np.array(values, np.uint8), (H, W, 3))


@pytest.fixture
def traversal():
    frames = np.empty((2, 3, T, H, W, 3), np.uint8)
    for attribute in range(2):
        for offset in range(3):
            for time in range(T):
                frames[attribute, offset, time] = flat(10 + attribute, 100 + offset, 200 + time)
    changes = np.array([0.0, 0.1, 0.3, 0.05])
    return Traversal(1, np.array([-1.0, 0.0, 1.0]), np.array([2, 1]), changes, frames)


def places(sheet, colour):
    rows, columns = np.nonzero((sheet == colour).all(-1))
    assert len(rows), colour
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_row_per_attribute_and_a_column_per_offset(traversal):
    outline = np.zeros((T, H, W), bool)
    outline[1, 1, 2] = True
    sheet = traversal_sheet(traversal, np.zeros((T, H, W, 3)), outline, tile_size=24)
    boxes = [[places(sheet, (10 + a, 100 + o, 201)) for o in range(3)] for a in range(2)]  # frame 1 shows the object
    for row in boxes:
        assert len({box[:2] for box in row}) == 1
        assert row[0][3] < row[1][2]
        assert row[1][3] < row[2][2]
        for top, bottom, left, right in row:
            assert (bottom - top + 1, right - left + 1) == (H * 4, W * 4)
    assert boxes[0][0][1] < boxes[1][0][0]
    # The input with its circle stands above the column of offset 0.
    top, bottom, left, right = places(sheet, RED)
    assert bottom < boxes[0][1][0]
    assert boxes[0][1][2] <= left <= right <= boxes[0][1][3]


def test_bars_are_as_long_as_the_changes(traversal):
    sheet = traversal_sheet(traversal, np.zeros((T, H, W, 3)), np.zeros((T, H, W), bool))
    blue = (sheet == np.array([40, 100, 200])).all(-1)
    lengths = blue.sum(1)[blue.any(1)]
    assert lengths[-1] / lengths[0] == pytest.approx(0.1 / 0.3, abs=0.03)


def test_the_circle_goes_round_the_largest_piece():
    outline = np.zeros((1, 40, 40), bool)
    outline[0, 20:26, 4:10] = True
    outline[0, 0, 39] = True  # a stray pixel
    picture = circled(np.ones((1, 40, 40, 3)), outline, 0, tile_size=160)
    assert picture.shape == (160, 160, 3)
    red = (picture == RED).all(-1)
    rows, columns = np.nonzero(red)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(23 * 4, abs=2)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(7 * 4, abs=2)
    inside = picture[20 * 4 : 26 * 4, 4 * 4 : 10 * 4]
    assert (inside == 255).all()
    assert np.ptp(rows) < 60


def test_an_object_that_is_not_seen_has_no_circle():
    picture = circled(np.ones((1, 4, 4, 3)), np.zeros((1, 4, 4), bool), 0)
    assert (picture == 255).all()


def test_largest_view():
    outline = np.zeros((3, 4, 4), bool)
    outline[1, :2] = outline[2, :2] = outline[0, 0] = True
    assert largest_view(outline) == 1


def test_crossings_have_objects_in_rows_and_views_in_columns():
    crossed = np.empty((2, 2, T, H, W, 3), np.uint8)
    for a in range(2):
        for b in range(2):
            for time in range(T):
                crossed[a, b, time] = flat(10 + a, 100 + b, 200 + time)
    videos = np.stack([np.broadcast_to(np.array(colour) / 255, (T, H, W, 3)) for colour in ((250, 0, 9), (0, 250, 9))])
    frames = crossing_frames(crossed, videos, tile_size=24)
    assert len(frames) == T
    for time, frame in enumerate(frames):
        boxes = {(a, b): places(frame, (10 + a, 100 + b, 200 + time)) for a in range(2) for b in range(2)}
        assert boxes[0, 0][:2] == boxes[0, 1][:2]
        assert boxes[0, 0][2:] == boxes[1, 0][2:]
        assert boxes[0, 0][1] < boxes[1, 0][0]
        assert boxes[0, 0][3] < boxes[0, 1][2]
        # Each input above the column of its own view.
        assert places(frame, (250, 0, 9))[2] == boxes[0, 0][2]
        assert places(frame, (0, 250, 9))[2] == boxes[0, 1][2]
