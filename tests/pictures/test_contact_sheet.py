"""The sheet of a video: bounded memory, the right frames and objects, and their pictures in the right places."""

import numpy as np

from simone_tf.pictures.contact_sheet import ContactSheet
from simone_tf.pictures.drawing import checker, object_colour


def picture(value, side=24):
    return np.full((side, side, 3), value, np.uint8)


def filled(count, objects=lambda index: {}):
    sheet = ContactSheet((24, 24))
    for index in range(count):
        sheet.add(index, {"video": picture(index % 200 + 1)}, objects(index))
    return sheet


def count_of(image, colour):
    return int((image == np.asarray(colour, np.uint8)).all(-1).sum())


def test_few_frames_are_all_shown():
    image = filled(5).draw({})
    assert [count_of(image, [index + 1] * 3) for index in range(5)] == [120 * 120] * 5


def test_many_frames_are_spread_evenly():
    for count in (9, 31, 32, 33, 100, 1000):
        sheet = filled(count)
        kept = [index for index, _, _ in sheet._kept]
        assert 8 <= len(kept) < 32
        assert len(set(np.diff(kept))) == 1
        assert kept[0] == 0
        assert count - kept[-1] <= np.diff(kept)[0]
        assert sheet.draw({}).shape[1] < 8 * 124 + 200


def test_largest_objects_are_shown_in_their_order():
    sheet = filled(3, lambda index: {number: picture(100 + number) for number in range(12)})
    image = sheet.draw({number: number for number in range(12)})
    assert [count_of(image, [100 + number] * 3) > 10_000 for number in range(12)] == [False] * 2 + [True] * 10
    places = [np.median(np.argwhere((image == 100 + number).all(-1))[:, 0]) for number in range(11, 1, -1)]
    assert places == sorted(places)
    assert count_of(image, object_colour(11)) == 10 * 11  # the chip, within its rim


def test_the_plain_object_has_no_colour():
    sheet = filled(2, lambda index: {3: picture(7)})
    assert count_of(sheet.draw({3: 10}), object_colour(3))
    assert not count_of(sheet.draw({3: 10}, plain_id=3), object_colour(3))


def test_an_object_that_is_absent_leaves_the_ground():
    sheet = filled(2, lambda index: {} if index else {4: picture(77)})
    image = sheet.draw({4: 10})
    assert 120 * 120 <= count_of(image, [77] * 3) < 120 * 120 + 50  # a little of the lettering has this grey
    assert sum(count_of(image, colour) for colour in np.unique(checker((120, 120)).reshape(-1, 3), axis=0)) >= 120 * 120


def test_other_aspects_keep_theirs():
    sheet = ContactSheet((12, 48))
    sheet.add(0, {"video": np.full((12, 48, 3), 9, np.uint8)}, {})
    assert count_of(sheet.draw({}), [9] * 3) == 30 * 120
