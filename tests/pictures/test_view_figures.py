"""Sheets of unseen views: every tile is where its label is."""

import numpy as np

from simone_tf.pictures.view_figures import views_figure, views_frames

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def frames(colour, count, size=(24, 24)):
    """Frames of one colour, each a little darker than the one before."""
    shades = np.array([np.array(colour) - 8 * index for index in range(count)]).clip(0)
    return np.broadcast_to(shades[:, None, None], (count, *size, 3)).astype(np.uint8)


def runs_of(picture, colour):
    """The places (top, left, height, width) of the rectangle of a colour."""
    rows, columns = np.nonzero((picture == np.array(colour)).all(-1))
    if not len(rows):
        return None
    return rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1


def test_a_sheet_has_the_seen_frames_above_and_a_column_for_each_view():
    rows = {"truth": frames(GREEN, 5), "drawn": frames(BLUE, 5)}
    sheet = views_figure(frames(RED, 3), rows, [f"{yaw}°" for yaw in range(5)])
    seen = [runs_of(sheet, frame[0, 0]) for frame in frames(RED, 3)]
    truth = [runs_of(sheet, frames(GREEN, 5)[index, 0, 0]) for index in range(5)]
    drawn = [runs_of(sheet, frames(BLUE, 5)[index, 0, 0]) for index in range(5)]
    for place in (*seen, *truth, *drawn):
        assert place[2:] == (96, 96)  # four times its size
    assert seen[0][0] < truth[0][0] < drawn[0][0]
    assert [place[1] for place in truth] == [place[1] for place in drawn] == sorted(place[1] for place in truth)
    assert len({place[0] for place in truth}) == 1
    assert seen[0][1] == truth[0][1]


def test_of_many_frames_and_views_some_are_shown():
    sheet = views_figure(frames(RED, 16), {"drawn": frames(BLUE, 21)}, [""] * 21, max_seen=4, max_columns=3)
    shown = [runs_of(sheet, frame[0, 0]) is not None for frame in frames(RED, 16)]
    assert [index for index, is_shown in enumerate(shown) if is_shown] == [0, 5, 10, 15]
    shown = [runs_of(sheet, frame[0, 0]) is not None for frame in frames(BLUE, 21)]
    assert [index for index, is_shown in enumerate(shown) if is_shown] == [0, 7, 14]


def test_in_motion_a_view_comes_after_the_other():
    rows = {"truth": frames(GREEN, 3), "segments": frames(BLUE, 3)}
    moving = views_frames(frames(RED, 2), rows, ["-180°", "-60°", "60°"])
    assert len(moving) == 3
    assert moving.dtype == np.uint8
    for index, picture in enumerate(moving):
        true, drawn = (runs_of(picture, frames(colour, 3)[index, 0, 0]) for colour in (GREEN, BLUE))
        assert true[0] == drawn[0]
        assert true[1] < drawn[1]
        others = [frames(GREEN, 3)[other, 0, 0] for other in range(3) if other != index]
        assert all(runs_of(picture, other) is None for other in others)


def test_the_strip_says_when_it_does_not_show_all_that_was_seen():
    """Its label is longer then, and nothing else is: the pictures begin further to the right."""
    rows = {"a": frames(GREEN, 2)}
    all_shown, some_shown = (
        runs_of(views_figure(frames(RED, count), rows, ["", ""], max_seen=4), RED)[1] for count in (4, 8)
    )
    assert some_shown > all_shown
    moving = [runs_of(views_frames(frames(RED, count), rows, ["", ""])[0], RED)[1] for count in (4, 8)]
    assert moving == [all_shown, some_shown]
