import numpy as np
import pytest

from simone_tf.long_videos.identity_maps import IdentityMaps, shrunk

FRAMES, SIZE = 4, 20
FLOOR, RED, BLUE = (0.4, 0.4, 0.4), (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)


def scene(start, tracks, colours):
    """Pictures and true masks `[N, T, H, W]` of squares of 5 pixels; the floor is object 0.

    Args:
        start: first frame.
        tracks: functions of the frame that give (top, left).
        colours: of the squares.
    """
    masks = np.zeros((len(tracks) + 1, FRAMES, SIZE, SIZE))
    for index, track in enumerate(tracks, start=1):
        for offset in range(FRAMES):
            top, left = track(start + offset)
            masks[index, offset, max(0, top) : max(0, top + 5), max(0, left) : max(0, left + 5)] = 1
    masks[0] = 1 - masks[1:].max(0)
    pictures = np.einsum("nthw,nc->thwc", masks, np.array([FLOOR, *colours]))
    # A floor without anything on it might have moved by any distance.
    pattern = np.random.default_rng(0).uniform(-0.1, 0.1, (SIZE, SIZE, 1))
    return pictures + masks[0][..., np.newaxis] * pattern, masks


def still(frame):
    return 2, 2


def walking(frame):
    return 12, 2 + frame // 2


def follow(windows, colours, wrong=()):
    """Maps after each window, `[N, T, H, W]` in the order of the identities 0, 1, 2; `wrong` windows mix 1 and 2."""
    maps, given = IdentityMaps(), dict(enumerate([np.array(FLOOR), *map(np.array, colours)]))
    for number, (start, pictures, masks) in enumerate(windows):
        predicted = maps.predict(start, pictures, given)
        if number in wrong:
            # Each slot shows half of both.
            rows = np.arange(SIZE)[:, np.newaxis] % 10 < 5
            both = masks[1] + masks[2]
            masks = np.stack([masks[0], both * rows, both * ~rows])
        maps.update(start, pictures, given, predicted, masks, (0, 1, 2), 1.0)
        order = [maps.identities.index(k) for k in range(3)]
        yield (
            predicted[[maps.identities.index(k) for k in range(3)]] if len(predicted) else None,
            maps._window.maps[order],
        )


def test_nothing_is_known_before_the_first_window_and_then_what_its_slots_say():
    pictures, masks = scene(0, (still, walking), (RED, BLUE))
    maps = IdentityMaps()
    assert maps.identities == ()
    predicted = maps.predict(0, pictures, {})
    assert predicted.shape == (0, FRAMES, SIZE, SIZE)
    maps.update(0, pictures, {}, predicted, masks, (7, 3, 5), 1.0)
    assert maps.identities == (7, 3, 5)
    colours = maps.mean_colours()
    np.testing.assert_allclose(colours[3][0], RED)
    assert colours[5][1] == pytest.approx(25 / 400)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_objects_are_expected_where_they_went(stride):
    colours = (RED, BLUE)
    windows = [(start, *scene(start, (still, walking), colours)) for start in range(0, 12, stride)]
    for (_, _, masks), (predicted, maps) in zip(windows, follow(windows, colours), strict=True):
        assert (maps.argmax(0) == masks.argmax(0)).mean() > 0.99
        if predicted is not None:
            assert (predicted.argmax(0) == masks.argmax(0)).mean() > 0.97


def test_two_of_one_colour_that_slots_mix_up_are_told_apart_by_where_they_were():
    colours, mixed = (RED, RED), (3, 4)
    windows = [(start, *scene(start, (still, walking), colours)) for start in range(0, 16, 2)]
    results = list(follow(windows, colours, wrong=mixed))
    for number, ((_, _, masks), (_, maps)) in enumerate(zip(windows, results, strict=True)):
        right = maps.argmax(0) == masks.argmax(0)
        assert right.mean() > (0.95 if number in mixed else 0.99)
        # Of each square, the mixed slots show 10 or 15 of 25 pixels, and as many of the other.
        for square in (1, 2):
            assert right[masks[square] > 0].mean() > 0.65


def test_a_picture_that_moves_as_a_whole_takes_the_maps_with_it():
    # The camera turns by 5 pixels a frame: where one square was, the other is now, of the same colour.
    tracks = (lambda frame: (2, 9 - 5 * frame), lambda frame: (3, 15 - 5 * frame))
    before, _ = scene(0, tracks, (RED, RED))
    first = (
        0,
        np.repeat(before[:1], FRAMES, axis=0),
        np.repeat(scene(0, tracks, (RED, RED))[1][:, :1], FRAMES, axis=1),
    )
    pictures, masks = scene(1, tracks, (RED, RED))
    second = (FRAMES, pictures, masks)
    predicted, _ = list(follow([first, second], (RED, RED)))[1]
    seen = masks[1:, 0] > 0
    assert (predicted[1, 0] > predicted[2, 0])[seen[0]].all()
    assert (predicted[2, 0] > predicted[1, 0])[seen[1]].all()


def test_a_window_without_trust_changes_nothing():
    colours = (RED, BLUE)
    pictures, masks = scene(0, (still, walking), colours)
    given = dict(enumerate(map(np.array, (FLOOR, *colours))))
    maps = IdentityMaps()
    maps.update(0, pictures, given, maps.predict(0, pictures, given), masks, (0, 1, 2), 1.0)
    predicted = maps.predict(2, pictures, given)
    swapped = masks[[1, 2, 0]]
    maps.update(2, pictures, given, predicted, swapped, (0, 1, 2), 1e-9)
    assert (maps._window.maps.argmax(0) == predicted.argmax(0)).all()
    maps.update(2, pictures, given, predicted, swapped, (0, 1, 2), 1.0)
    assert (maps._window.maps.argmax(0) != predicted.argmax(0)).any()


def begun(tracks, colours):
    """Maps after the first window, and the colours of objects 0, 1, 2."""
    pictures, masks = scene(0, tracks, colours)
    given = dict(enumerate(map(np.array, (FLOOR, *colours))))
    maps = IdentityMaps()
    maps.update(0, pictures, given, maps.predict(0, pictures, given), masks, (0, 1, 2), 1.0)
    return maps, given


def test_maps_follow_slots_where_nothing_else_tells_of_a_jump():
    # Both squares are of one colour and exchange their places between the windows.
    maps, given = begun((still, lambda _: (12, 12)), (RED, RED))
    pictures, masks = scene(FRAMES, (lambda _: (12, 12), still), (RED, RED))
    predicted = maps.predict(FRAMES, pictures, given)
    assert (predicted.argmax(0) != masks.argmax(0))[masks[1:].any(0)].mean() > 0.9
    # Its slots have never been where these objects were expected, so that they speak for their own alone.
    maps.update(FRAMES, pictures, given, np.zeros_like(predicted), masks, (0, 1, 2), 1.0)
    assert (maps._window.maps.argmax(0) == masks.argmax(0))[:, -1].mean() > 0.97


def test_an_object_without_a_slot_keeps_its_map():
    tracks, colours = (still, lambda _: (12, 12)), (RED, RED)
    maps, given = begun(tracks, colours)
    pictures, masks = scene(2, tracks, colours)
    # Both squares are drawn in the slot of the first; the third slot shows a piece of the floor, as something new.
    piece = np.zeros_like(masks[0])
    piece[:, 14:18, 1:5] = 1
    mixed = np.stack([masks[0] - piece, masks[1] + masks[2], piece])
    maps.update(2, pictures, given, maps.predict(2, pictures, given), mixed, (0, 1, 9), 1.0)
    assert maps.identities == (0, 1, 9, 2)
    second = maps.identities.index(2)
    # In the frames known before and in the next; in the long run the pixels are whose the slot is.
    assert (maps._window.maps[:, :3].argmax(0) == second)[masks[2, :3] > 0].mean() > 0.9
    assert maps._window.maps[second][masks[2] == 0].mean() < 0.01


def test_an_object_that_was_mistaken_for_the_backdrop_is_found_again():
    tracks, colours = (still, lambda _: (12, 12)), (RED, BLUE)
    maps, given = begun(tracks, colours)
    pictures, masks = scene(2, tracks, colours)
    missed = np.stack([masks[0] + masks[2], masks[1], np.zeros_like(masks[2])])
    maps.update(2, pictures, given, maps.predict(2, pictures, given), missed, (0, 1, 2), 1.0)
    pictures, masks = scene(4, tracks, colours)
    # The floor's map holds its pixels by now, as far as anything tells; its slot says otherwise.
    predicted = np.stack([masks[0] + 0.95 * masks[2], masks[1], 0.05 * masks[2]])
    maps.update(4, pictures, given, predicted, masks, (0, 1, 2), 1.0)
    assert (maps._window.maps.argmax(0) == masks.argmax(0))[:, 2:].mean() > 0.99


def test_no_more_maps_are_kept_than_twice_the_slots():
    maps, given = begun((still, still), (RED, BLUE))
    for window in range(1, 6):
        pictures, masks = scene(2 * window, (still, still), (RED, BLUE))
        names = tuple(range(3 * window, 3 * window + 3))
        given |= dict(zip(names, map(np.array, (FLOOR, RED, BLUE)), strict=True))
        maps.update(2 * window, pictures, given, maps.predict(2 * window, pictures, given), masks, names, 1.0)
        assert maps.identities[:3] == names
        assert len(maps.identities) <= 6


@pytest.mark.parametrize(("height", "width"), [(24, 24), (64, 48), (33, 100), (128, 128)])
def test_shrunk(height, width):
    rng = np.random.default_rng(0)
    video, masks = rng.random((2, height, width, 3)), rng.dirichlet(np.ones(4), (2, height, width))
    masks = np.moveaxis(masks, -1, 0).astype(np.float32)
    small, small_masks = shrunk(video, rows_axis=1), shrunk(masks, rows_axis=2)
    assert small.shape == (2, min(height, 32), min(width, 32), 3)
    assert small_masks.shape == (4, 2, min(height, 32), min(width, 32))
    np.testing.assert_allclose(small_masks.sum(0), 1, atol=1e-6)
    if height % 32 == width % 32 == 0:
        expected = video.reshape(2, 32, height // 32, 32, width // 32, 3).mean((2, 4))
        np.testing.assert_allclose(small, expected)
    if max(height, width) <= 32:
        np.testing.assert_array_equal(small, video)
