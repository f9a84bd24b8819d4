"""What every piece of the catalogues promises, furniture and toys."""

import itertools

import numpy as np
import pytest

from simone_tf.scenes.composite import part_bounds
from simone_tf.scenes.furniture import FURNITURE
from simone_tf.scenes.placement import ORDER, TABLES
from simone_tf.scenes.scene import SHAPES
from simone_tf.scenes.toys import TOYS

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)
BUILDERS = {**{name: entry.build for name, entry in FURNITURE.items()}, **TOYS}
# Made of round pieces that a circle around the axis has to fit.
ROUND = ("cylinder", "capsule", "cone", "torus")


def built(name, seeds=range(6)):
    return [BUILDERS[name](RED, BLUE, np.random.default_rng(seed)) for seed in seeds]


def hue(color):
    """A colour without its brightness."""
    return tuple(np.round(np.array(color) / max(color), 2))


def test_names_are_unique_and_kinds_known():
    assert not set(FURNITURE) & set(TOYS)
    assert {entry.standing for entry in FURNITURE.values()} == set(ORDER)
    assert set(TABLES) <= set(FURNITURE)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_piece_stands_on_the_floor_near_its_axis(name):
    for composite in built(name):
        low, high = composite.bounds()
        assert low[2] == 0
        assert np.abs((low + high)[:2] / 2).max() < 0.15
        assert (high - low).max() < 2.1
        assert (high - low).min() > 0.08


@pytest.mark.parametrize("name", BUILDERS)
def test_a_piece_is_modest_and_drawable(name):
    for composite in built(name):
        assert len(composite.parts) <= 17
        for part in composite.parts:
            assert part.shape in SHAPES
            assert min(part.half_extents) > 0
            assert all(0 <= channel <= 1 for channel in part.color)
            if part.shape in ROUND:
                assert part.half_extents[0] == part.half_extents[1]
            if part.shape == "capsule":
                assert part.half_extents[2] >= part.half_extents[0]


@pytest.mark.parametrize("name", BUILDERS)
def test_a_piece_hangs_together(name):
    for composite in built(name):
        boxes = [part_bounds(part) for part in composite.parts]
        joined, waiting = [boxes[0]], boxes[1:]
        while waiting:
            touching = [
                box
                for box in waiting
                if any((box[0] <= other[1] + 1e-6).all() and (other[0] <= box[1] + 1e-6).all() for other in joined)
            ]
            assert touching, name
            joined += touching
            waiting = [box for box in waiting if not any(box is other for other in touching)]


@pytest.mark.parametrize("name", FURNITURE)
def test_furniture_is_two_toned(name):
    hues = {hue(part.color) for composite in built(name) for part in composite.parts}
    assert hue(RED) in hues
    assert hue(BLUE) in hues


def test_toys_show_their_main_color_and_most_are_two_toned():
    two_toned = 0
    for name in TOYS:
        hues = {hue(part.color) for part in built(name)[0].parts}
        assert hue(RED) in hues
        two_toned += hue(BLUE) in hues
    assert two_toned > 0.8 * len(TOYS)


@pytest.mark.parametrize("name", FURNITURE)
def test_tops_are_carried_and_free(name):
    for composite in built(name):
        boxes = [part_bounds(part) for part in composite.parts]
        for top in composite.tops:
            x, y, z = top.center
            half_x, half_y = top.half_size
            for a, b in itertools.product(np.linspace(-0.999, 0.999, 7), repeat=2):
                point = np.array([x + a * half_x, y + b * half_y])
                over = [box for box in boxes if (box[0][:2] < point).all() and (point < box[1][:2]).all()]
                assert any(abs(high[2] - z) < 1e-9 for _, high in over), "nothing below"
                above = [low[2] for low, high in over if high[2] > z + 1e-9]
                assert min(above, default=np.inf) >= z + min(top.headroom, 10) - 1e-9, "not free"


def test_every_kind_of_place_to_put_toys_is_there():
    with_tops = {name for name in FURNITURE if built(name)[0].tops}
    assert {"bed", "sofa", "bookcase", "shelf", "chest_of_drawers", *TABLES} <= with_tops
    assert "wardrobe" not in with_tops
