"""Where the playroom's things stand, checked on the boxes around their parts with geometry of its own."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from simone_tf.scenes.furniture import FURNITURE
from simone_tf.scenes.placement import TABLES, WALL_GAP
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.scene import WITH_CORNERS
from simone_tf.scenes.toys import TOYS

PRESET = PRESETS["playroom"]
HALF, INNER = PRESET.room_half_width, PRESET.inner_corner


def scenes(counts, seed=0):
    drawn = []
    for index, count in enumerate(counts):
        for attempt in itertools.count():
            scene = PRESET.sample(count, np.random.default_rng([seed, index, attempt]))
            if scene is not None:
                drawn.append(scene[0])
                break
    return drawn


@pytest.fixture(scope="module")
def furnished():
    return scenes([10, 14, 18, 22, 26, 30] * 4)


def rotation(yaw):
    return np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])


def yaw_of(item):
    return 2 * math.atan2(item.quaternions[0, 3], item.quaternions[0, 0])


def boxes(item):
    """Per part: the four corners of its box seen from above `[4, 2]`, its lowest and its highest point."""
    turn = rotation(yaw_of(item))
    for part in item.parts:
        x, y, z = part.half_extents
        corners = np.array([[x, y], [x, -y], [-x, -y], [-x, y]]) @ rotation(part.yaw).T + part.offset[:2]
        bottom = item.positions[0, 2] + part.offset[2] - z
        yield corners @ turn.T + item.positions[0, :2], bottom, bottom + 2 * z


def apart(one, other):
    """Whether two convex outlines `[4, 2]` have no more than their borders in common."""
    for outline in (one, other):
        for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
            normal = np.array([end[1] - start[1], start[0] - end[0]])
            normal /= np.linalg.norm(normal)
            if (one @ normal).max() <= (other @ normal).min() + 1e-6:
                return True
            if (other @ normal).max() <= (one @ normal).min() + 1e-6:
                return True
    return False


def intersect(one, other):
    return any(
        low < other_high - 1e-6 and other_low < high - 1e-6 and not apart(outline, other_outline)
        for outline, low, high in boxes(one)
        for other_outline, other_low, other_high in boxes(other)
    )


def front(item):
    return rotation(yaw_of(item)) @ [0.0, 1.0]


def test_the_check_sees_things_that_stand_in_each_other(furnished):
    chair = next(item for scene in furnished for item in scene.objects if item.shape == "chair")
    moved = dataclasses.replace(chair, positions=chair.positions + np.array([0.3, 0.0, 0.0]))
    assert intersect(chair, moved)
    assert not intersect(chair, dataclasses.replace(chair, positions=chair.positions + np.array([0.9, 0.0, 0.0])))


def test_objects_do_not_stand_in_each_other(furnished):
    for scene in furnished:
        for one, other in itertools.combinations(scene.objects, 2):
            assert not intersect(one, other), (one.shape, other.shape)


def test_objects_are_inside_the_l_shaped_room(furnished):
    cut_out = np.array([[INNER, INNER], [9, INNER], [9, 9], [INNER, 9]])
    for scene in furnished:
        for item in scene.objects:
            for outline, low, high in boxes(item):
                assert np.abs(outline).max() <= HALF
                assert apart(outline, cut_out)
                assert low >= -1e-9
                assert high < PRESET.wall_height


def test_everything_rests_on_the_floor_or_on_furniture(furnished):
    on_furniture = []
    for scene in furnished:
        for item in scene.objects:
            lowest = min(low for _, low, _ in boxes(item))
            if lowest < 1e-6:
                on_furniture.append(False)
                continue
            assert item.shape in TOYS
            on_furniture.append(True)
            place = item.positions[0, :2]
            carriers = [
                other.shape
                for other in scene.objects
                if other.shape in FURNITURE
                for outline, _, high in boxes(other)
                if abs(high - lowest) < 1e-6
                and not apart(outline, place + np.array([[1, 1], [1, -1], [-1, -1]]) * 0.02)
            ]
            assert carriers, item.shape
    assert 0.1 < np.mean(on_furniture) < 0.5


def test_wall_furniture_has_its_back_at_a_wall_and_faces_the_room(furnished):
    count = 0
    for scene in furnished:
        for item in scene.objects:
            if item.shape in FURNITURE and FURNITURE[item.shape].standing == "wall":
                points = np.concatenate([outline for outline, _, _ in boxes(item)])
                back = item.positions[0, :2] @ front(item) - (points @ front(item)).min()
                behind = item.positions[0, :2] - (back + WALL_GAP + 0.01) * front(item)
                before = item.positions[0, :2] + (back + 0.01) * front(item)
                assert (np.abs(behind) > HALF).any() or (behind > INNER).all()
                assert (np.abs(before) < HALF).all()
                assert not (before > INNER).all()
                count += 1
    assert count > 60


def test_seats_face_a_table_where_there_is_one(furnished):
    near = []
    for scene in furnished:
        tables = [item for item in scene.objects if item.shape in TABLES]
        for item in scene.objects:
            if item.shape == "chair" and tables:
                way = min(
                    (table.positions[0, :2] - item.positions[0, :2] for table in tables),
                    key=lambda w: np.linalg.norm(w),
                )
                near.append(np.linalg.norm(way) < 1.2 and way @ front(item) > 0)
    assert len(near) > 15
    assert np.mean(near) > 0.7


def test_the_origin_is_the_middle_of_the_bounding_box(furnished):
    for scene in furnished:
        for item in scene.objects:
            lows, highs = [], []
            for part in item.parts:
                cos, sin = abs(math.cos(part.yaw)), abs(math.sin(part.yaw))
                x, y, z = part.half_extents
                half = np.array([x * cos + y * sin, x * sin + y * cos, z] if part.shape in WITH_CORNERS else [x, y, z])
                lows.append(part.offset - half)
                highs.append(part.offset + half)
            low, high = np.min(lows, axis=0), np.max(highs, axis=0)
            np.testing.assert_allclose(low + high, 0, atol=1e-9)
            assert item.size == pytest.approx((high - low).max() / 2)


def test_rooms_vary_in_what_they_hold_and_where(furnished):
    shapes = {item.shape for scene in furnished for item in scene.objects}
    assert shapes == {*FURNITURE, *TOYS}
    colors = {item.color for scene in furnished for item in scene.objects}
    assert colors == set(PRESET.colors)
    shares = [np.mean([item.shape in FURNITURE for item in scene.objects]) for scene in furnished]
    assert 0.2 < min(shares) < max(shares) <= 0.65
    # Instance numbers do not tell furniture from toys.
    first = [scene.objects[0].shape in FURNITURE for scene in furnished]
    assert 0.1 < np.mean(first) < 0.8
    places = np.concatenate([scene.positions()[0, :, :2] for scene in furnished])
    counts, _, _ = np.histogram2d(*places.T, bins=4, range=[[-HALF, HALF]] * 2)
    assert counts[3, 3] == 0
    assert (counts[:2] > 5).all()
