import numpy as np
import pytest

from simone_tf.long_videos.tracks import SlotNumbers, Tracker, Unlinked, WindowSlots

FRAMES, SIZE, STRIDE = 4, 12, 2
FLOOR = (0.4, 0.4, 0.4)


def slots(start, objects, order=None, error=0.001):
    """A window of 4 frames: the floor, and squares that move to and fro; a slot without one is empty.

    Args:
        start: first frame.
        objects: `(colour, row, column in frame 0, visible from, visible until)` or None, of each slot but the floor's.
        order: the objects' slots, the floor's first.
        error: of the reconstruction.
    """
    masks = np.zeros((len(objects) + 1, FRAMES, SIZE, SIZE), np.float32)
    colours, latents = [FLOOR], [np.zeros(3)]
    for slot, item in enumerate(objects, start=1):
        colour, row, column, first, last = item or ((0.5, 0.5, 0.5), 0, 0, 0, 0)
        for offset in range(FRAMES):
            if first <= start + offset < last:
                left = column + (start + offset) // 4 % 4
                masks[slot, offset, row : row + 3, left : left + 3] = 1
        colours.append(colour)
        latents.append(np.array([row, column + start / 4 % 4, 3.0]))
    masks[0] = 1 - masks[1:].max(0)
    masks /= masks.sum(0)
    video = np.einsum("kthw,kc->thwc", masks, np.float32(colours))
    order = np.arange(len(masks)) if order is None else np.asarray(order)
    return WindowSlots(start, video, masks[order], np.float32(latents)[order], np.float32(colours)[order], error)


RED, BLUE, GREEN = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9), (0.1, 0.8, 0.1)


def everywhere(colour, row=0, column=0, first=0, last=10**6):
    return colour, row, column, first, last


def test_shuffled_slots_keep_their_identities():
    rng, tracker = np.random.default_rng(0), Tracker()
    # Two of one colour: only where they are tells them apart.
    objects = [everywhere(RED, 0, 0), everywhere(RED, 6, 0), everywhere(BLUE, 0, 6)]
    seen = []
    for start in range(0, 20, STRIDE):
        order = rng.permutation(4)
        identities = tracker.identify(slots(start, objects, order))
        assert identities.dtype == np.int32
        seen.append(identities[np.argsort(order)])
    assert len(set(seen[0])) == 4
    np.testing.assert_array_equal(seen, np.repeat(seen[:1], len(seen), axis=0))


@pytest.mark.parametrize("away", [2, 6, 100])
def test_an_object_that_leaves_and_comes_back_is_the_same(away):
    tracker = Tracker()
    there = [everywhere(RED), everywhere(BLUE, 6)]
    before = [tracker.identify(slots(start, there)) for start in range(0, 8, STRIDE)][-1]
    for start in range(8, 8 + away, STRIDE):
        tracker.identify(slots(start, [everywhere(RED), None]))
    after = tracker.identify(slots(8 + away, there, order=(2, 0, 1)))
    np.testing.assert_array_equal(after, before[[2, 0, 1]])


def test_an_object_of_another_look_is_a_new_one_and_the_old_one_is_remembered():
    tracker = Tracker()
    first = tracker.identify(slots(0, [everywhere(RED), everywhere(BLUE, 6)]))
    second = tracker.identify(slots(STRIDE, [everywhere(RED), everywhere(GREEN, 0, 6)]))
    third = tracker.identify(slots(2 * STRIDE, [everywhere(BLUE, 6), everywhere(GREEN, 0, 6)]))
    np.testing.assert_array_equal(second[:2], first[:2])
    assert second[2] not in first
    np.testing.assert_array_equal(third, [first[0], first[2], second[2]])


def test_slots_that_change_over_to_another_object_within_a_window_do_not_break_the_chain():
    objects = [everywhere(RED, 0, 0), everywhere(RED, 6, 0)]
    upright, swapped = slots(STRIDE, objects), slots(STRIDE, objects[::-1])
    tracker = Tracker()
    first = tracker.identify(slots(0, objects))
    # They change over where the next window begins.
    masks = np.concatenate([upright.masks[:, :2], swapped.masks[:, 2:]], axis=1)
    halfway = (upright.latents + swapped.latents) / 2
    tracker.identify(upright._replace(masks=masks, latents=halfway))
    np.testing.assert_array_equal(tracker.identify(slots(2 * STRIDE, objects)), first)


def test_a_badly_drawn_window_bears_no_new_object():
    tracker = Tracker()
    first = tracker.identify(slots(0, [everywhere(RED), everywhere(BLUE, 6)]))
    odd = [everywhere(RED), everywhere(GREEN, 0, 6)]
    assert set(tracker.identify(slots(STRIDE, odd, error=0.1))) == set(first)


def test_a_window_that_draws_all_slots_alike_bears_no_new_object():
    tracker = Tracker()
    window = slots(0, [everywhere(RED), everywhere(BLUE, 6)])
    first = tracker.identify(window)
    alike = window._replace(
        start=STRIDE,
        masks=np.full_like(window.masks, 1 / 3),
        latents=np.repeat(window.latents.mean(0, keepdims=True), 3, axis=0),
        colours=np.repeat(window.colours.mean(0, keepdims=True), 3, axis=0),
        error=0.1,
    )
    assert set(tracker.identify(alike)) == set(first)


def test_latents_tell_what_pixels_and_colours_do_not():
    tracker = Tracker()
    window = slots(0, [everywhere(RED, 0), everywhere(RED, 6)])
    first = tracker.identify(window)
    # Both slots show half of both squares.
    half = (window.masks[1] + window.masks[2]) / 2
    mixed = window._replace(start=STRIDE, masks=np.stack([window.masks[0], half, half]))
    for order in ([0, 1, 2], [0, 2, 1]):
        got = tracker.identify(mixed._replace(latents=window.latents[order]))
        np.testing.assert_array_equal(got, first[order])


def test_latents_of_long_ago_tell_nothing():
    tracker = Tracker()
    first = tracker.identify(slots(0, [everywhere(RED), everywhere(BLUE, 6)]))
    for start in range(STRIDE, 40, STRIDE):
        tracker.identify(slots(start, [everywhere(RED), None]))
    back = slots(40, [everywhere(RED), everywhere(BLUE, 6, 4)])
    back.latents[2] += 100
    np.testing.assert_array_equal(tracker.identify(back), first)


@pytest.mark.parametrize("error", [0.001, 0.1])
def test_an_object_is_known_by_the_colour_it_had_last_when_it_was_drawn_well(error):
    tracker = Tracker()
    first = tracker.identify(slots(0, [everywhere(RED), everywhere(BLUE, 6)]))
    for step in range(1, 8):
        colour = (0.9, 0.1 + 0.11 * step, 0.1)
        tracker.identify(slots(STRIDE * step, [everywhere(colour), everywhere(BLUE, 6)], error=error))
    for start in range(16, 60, STRIDE):
        tracker.identify(slots(start, [None, everywhere(BLUE, 6)]))
    back = tracker.identify(slots(60, [everywhere(colour, 0, 6), everywhere(BLUE, 6)]))
    assert (back[1] == first[1]) == (error == 0.001)


def test_two_that_look_alike_and_share_a_slot_for_a_while_are_told_apart_when_they_part():
    alike = [everywhere(RED, 0, 0), everywhere(RED, 6, 0)]
    for seed in range(40):
        rng, tracker = np.random.default_rng(seed), Tracker()
        for start in range(8):
            first = tracker.identify(slots(start, alike))
        for start in (8, 9, 10):
            window = slots(start, alike)
            both = window.masks[1] + window.masks[2]
            # The slot that is left over shows some piece of the floor, as something of its own.
            piece, (top, left) = np.zeros_like(both), rng.integers(0, SIZE - 3, 2)
            piece[:, top : top + 4, left : left + 4] = 1 - both[:, top : top + 4, left : left + 4]
            masks = np.stack([1 - both - piece, both, piece])
            latents = np.concatenate([window.latents[:2], rng.uniform(0, 6, [1, 3])]).astype(np.float32)
            colours = np.float32([FLOOR, RED, FLOOR])
            order = rng.permutation(3)
            tracker.identify(window._replace(masks=masks[order], latents=latents[order], colours=colours[order]))
        order = rng.permutation(3)
        np.testing.assert_array_equal(tracker.identify(slots(11, alike, order)), first[order])


def test_an_empty_slot_takes_what_is_left_and_changes_nothing():
    tracker = Tracker()
    with_blue = [everywhere(RED), everywhere(BLUE, 6)]
    first = tracker.identify(slots(0, with_blue))
    for start in range(STRIDE, 60, STRIDE):
        np.testing.assert_array_equal(tracker.identify(slots(start, [everywhere(RED), None])), first)
    np.testing.assert_array_equal(tracker.identify(slots(60, with_blue)), first)


def test_only_so_many_objects_are_remembered():
    tracker = Tracker(max_objects=6)
    rng = np.random.default_rng(0)
    first = tracker.identify(slots(0, [everywhere((1.0, 0.0, 0.0))]))
    for start in range(20, 1020, 20):
        tracker.identify(slots(start, [everywhere(rng.choice([0.0, 1.0, 5.0, 9.0], 3) + start)]))
    assert len(tracker._objects) == 6
    assert len(tracker._errors) <= 2
    assert len(tracker._maps.identities) <= 4
    back = tracker.identify(slots(1020, [everywhere((1.0, 0.0, 0.0))]))
    assert back[0] == first[0]  # the floor
    assert back[1] != first[1]  # long forgotten


def test_all_slots_empty_but_one():
    identities = Tracker().identify(slots(0, [None, None]))
    assert len(set(identities)) == 3


def test_without_matching():
    window = slots(0, [None, None])
    numbers, unlinked = SlotNumbers(), Unlinked()
    for _ in range(2):
        np.testing.assert_array_equal(numbers.identify(window), [0, 1, 2])
    np.testing.assert_array_equal(unlinked.identify(window), [0, 1, 2])
    np.testing.assert_array_equal(unlinked.identify(window), [3, 4, 5])


def test_after_a_cut_all_identities_are_new_and_nothing_is_remembered():
    tracker, alone = Tracker(), Tracker()
    objects = [everywhere(RED), everywhere(BLUE, 6)]
    first = tracker.identify(slots(0, objects, error=1e-6))
    tracker.start_scene()
    # The same objects, of which one shows next to nothing; drawn much worse than the scene before.
    for start in (4, 6):
        window = slots(start, [everywhere(RED), None], error=0.1)
        after, wanted = tracker.identify(window), alone.identify(window)
        np.testing.assert_array_equal(after, wanted + 3)
    assert not {*first.tolist()} & {*after.tolist()}


def test_without_matching_a_cut_gives_new_numbers_too():
    window = slots(0, [everywhere(RED), everywhere(BLUE, 6)])
    for tracker, wanted in ((SlotNumbers(), [3, 4, 5]), (Unlinked(), [6, 7, 8])):
        tracker.identify(window)
        tracker.identify(window)
        tracker.start_scene()
        np.testing.assert_array_equal(tracker.identify(window), wanted)
