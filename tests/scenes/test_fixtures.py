import itertools

import numpy as np
import pytest

from simone_tf.scenes.composite import part_bounds
from simone_tf.scenes.fixtures import BOARD_HEIGHT, DOOR_HEIGHT, SKY, fixtures
from simone_tf.scenes.floor_plan import FloorPlan, place_at_wall

PLAN = FloorPlan(3.5, 0.5)
TRIM, PICTURE = (0.5, 0.4, 0.3), (0.9, 0.1, 0.7)


def drawn(seed, num_windows=2):
    return fixtures(PLAN, 2.6, TRIM, [PICTURE] * 2, num_windows, np.random.default_rng(seed))


def boards(parts):
    """Boxes of what hangs on the walls or is a door: frames, pictures and doors; not their panes and knobs."""
    flat = [part for part in parts[7:] if part.color != SKY and part.half_extents[0] > 0.1]
    return [(part, *part_bounds(part)) for part in flat]


def test_all_of_it_is_at_a_wall_and_flat():
    for seed in range(30):
        parts, _ = drawn(seed)
        ceiling, *others = parts
        assert part_bounds(ceiling)[0][2] == 2.6
        np.testing.assert_allclose(ceiling.half_extents[:2], 3.5)
        for part in others:
            place = np.array(part.offset[:2])
            assert abs(PLAN.clearance(place)) < 1e-9  # Its middle is in the wall.
            assert part.half_extents[1] <= 0.1
            low, high = part_bounds(part)
            assert low[2] > -1e-9
            assert high[2] < 2.6
            # The thin side is across the wall.
            assert min((high - low)[:2]) <= 2 * part.half_extents[1] + 1e-9


def test_nothing_on_the_walls_overlaps():
    for seed in range(30):
        parts, _ = drawn(seed, num_windows=5)
        hung = boards(parts)
        for (_, low, high), (_, other_low, other_high) in itertools.combinations(hung, 2):
            assert (low > other_high).any() or (other_low > high).any()
        # Around a corner nothing reaches.
        for _, low, high in hung:
            middle = (low + high) / 2
            ends = [np.array([low[0], low[1]]), np.array([high[0], high[1]])]
            assert all(PLAN.clearance(end) > -0.2 for end in ends), middle


def test_windows_vary_and_skirting_boards_do_not():
    places = []
    for seed in range(20):
        parts, _ = drawn(seed)
        panes = [part for part in parts if part.color == SKY]
        assert len(panes) == 4
        places.append(panes[0].offset)
        skirting = parts[1:7]
        assert sum(2 * part.half_extents[0] for part in skirting) == 8 * 3.5
        assert all(2 * part.half_extents[2] == BOARD_HEIGHT for part in skirting)
    assert len(set(places)) == 20
    walls = {(round(x, 3), round(y, 3)) for (x, y), _ in (place_at_wall(side, 0.0, 0.0) for side in PLAN.sides())}
    assert len(walls) == 6


def test_the_floor_before_the_door_is_kept_free():
    for seed in range(20):
        parts, threshold = drawn(seed)
        door = next(part for part in parts[7:] if 2 * part.half_extents[2] == DOOR_HEIGHT)
        assert PLAN.holds(threshold, -1e-6)
        assert threshold.distance(np.array(door.offset[:2])) < 1e-9
        assert threshold.half_x == door.half_extents[0]


def test_a_room_without_space_for_a_door_is_told():
    with pytest.raises(ValueError, match="door"):
        fixtures(FloorPlan(0.6, 0.1), 2.6, TRIM, [], 1, np.random.default_rng(0))
