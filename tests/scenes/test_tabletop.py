import dataclasses
import math

import numpy as np
import pytest

from scenes.geometry import centroid, project, touches_border
from simone_tf.scenes import physics
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.scene import Light, Scene, Surface, simple_object
from simone_tf.scenes.tabletop import MATERIALS

TABLETOP = PRESETS["tabletop"]
SPHERES = dataclasses.replace(TABLETOP, shapes=("sphere",), size=32)


@pytest.fixture(scope="module")
def drawn(processes):
    """Scenes and camera paths of ten draws of six objects."""
    found = []
    for seed in range(10):
        pair = processes._pool.submit(TABLETOP.sample, 6, np.random.default_rng(seed)).result()
        found += [pair] if pair is not None else []
    assert len(found) > 5
    return found


@pytest.fixture(scope="module")
def simulate(processes):
    return lambda *arguments: processes._pool.submit(physics.simulate, *arguments).result()


def in_the_air(height, radius=0.4):
    ball = simple_object(
        "sphere", (1, 0, 0), np.tile([0.0, 0.0, height], (2, 1)), color_name="red", radius=radius, yaw=0.0
    )
    floor = Surface("flat", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 0)
    return Scene((ball,), floor, None, (), (Light((0.0, 0.0, -1.0), 0.5),), 0.5)


@pytest.mark.parametrize("bounce", [0.3, 0.6])
def test_a_ball_comes_up_again_as_far_as_its_bounce_says(simulate, bounce):
    fine = dataclasses.replace(TABLETOP, frames=126)  # every second step of the solver
    scene = in_the_air(height=1.4)
    (ball,) = simulate(scene, fine, np.zeros((1, 3)), None, physics.Matter(0.3, bounce)).objects
    heights = ball.positions[:, 2] - 0.4
    hit = int(np.argmax(heights < 0.02))
    # Free fall of 1 m takes 0.45 s, and the way up again is that share of the speed, squared.
    assert hit * physics.CLIP_SECONDS / 125 == pytest.approx(math.sqrt(2 / physics.GRAVITY), abs=0.03)
    again = heights[hit : hit + int(2 * bounce * 0.45 / physics.CLIP_SECONDS * 125)].max()
    assert math.sqrt(again) == pytest.approx(bounce, abs=0.06)


def test_without_bounce_it_stays_down(simulate):
    fine = dataclasses.replace(TABLETOP, frames=51)
    (ball,) = simulate(in_the_air(1.4), fine, np.zeros((1, 3))).objects
    assert ball.positions[25:, 2].max() < 0.42


def test_a_spin_turns_a_body_in_the_air_at_its_speed(simulate):
    scene = in_the_air(height=50.0)
    few = dataclasses.replace(TABLETOP, frames=5)
    (ball,) = simulate(scene, few, np.zeros((1, 3)), np.array([[0.0, 0.0, 1.0]]), physics.Matter()).objects
    angles = 2 * np.arctan2(ball.quaternions[:, 3], ball.quaternions[:, 0])
    np.testing.assert_allclose(angles, np.linspace(0, physics.CLIP_SECONDS, 5), atol=0.02)


def test_some_fly_and_some_lie(drawn):
    flying = [
        [item.positions[0, 2] > item.parts[0].half_extents[2] + 0.1 for item in scene.objects] for scene, _ in drawn
    ]
    shares = np.mean(flying, axis=1)
    low, high = TABLETOP.thrown_share
    assert ((shares >= low - 1 / 12) & (shares <= high)).all()
    assert 0 < shares.mean() < 1
    assert len({tuple(row) for row in flying}) > 3  # Instance numbers do not tell who flies.


def test_nothing_starts_in_anything_else_and_all_end_on_the_floor(drawn):
    for scene, _ in drawn:
        first = scene.positions()[0]
        for k, item in enumerate(scene.objects):
            # A pyramid on its side has the middle of its box lowest of all: at a third of its radius.
            assert scene.positions()[:, k, 2].min() > 0.3 * min(item.parts[0].half_extents)
            for other, place in zip(scene.objects[:k], first[:k], strict=True):
                near = min(item.parts[0].half_extents) + min(other.parts[0].half_extents)
                assert math.dist(first[k], place) > near


def test_lens_light_and_colours_differ_from_clip_to_clip(drawn):
    angles = [scene.field_of_view for scene, _ in drawn]
    low, high = (TABLETOP.field_of_view * factor for factor in TABLETOP.lens)
    assert all(low <= angle <= high for angle in angles)
    assert len(set(angles)) == len(drawn)
    assert {len(scene.lights) for scene, _ in drawn} == {1, 2, 3}
    looks = [item.parts[0].color for scene, _ in drawn for item in scene.objects]
    assert len(set(looks)) == len(looks)
    assert {item.material for scene, _ in drawn for item in scene.objects} == set(MATERIALS)


def test_the_camera_stands_still_or_turns_slowly(drawn):
    turns = [np.degrees(np.ptp(path.yaw)) for _, path in drawn]
    low, high = TABLETOP.camera_arc
    assert all(turn == 0 or low <= turn <= high for turn in turns)
    assert 0 in turns
    assert max(turns) > 0


def test_positions_project_onto_balls_through_the_lens_of_the_clip(processes):
    wide = dataclasses.replace(SPHERES, lens=(1.25, 1.25))
    seen_with = dataclasses.replace(wide, field_of_view=1.25 * wide.field_of_view)
    errors = []
    for clip in processes.clips(wide, 3, range(4)):
        shapes = [(segment, t) for t, segment in enumerate(clip["segments"])]
        for segment, t in shapes[::6]:
            for k in np.unique(segment[segment > 0]):
                mask = segment == k
                if mask.sum() >= 12 and not touches_border(mask):
                    place = project(clip["object_positions"][t, k - 1 : k], clip["camera"][t], seen_with)[0]
                    errors.append(np.linalg.norm(centroid(mask) - place))
    assert len(errors) > 15
    assert np.median(errors) < 0.7  # A ball that is half hidden has its middle elsewhere.


def test_behind_the_floor_lies_its_colour(processes):
    low = dataclasses.replace(
        SPHERES, camera_elevation=(4.0, 4.0), textures=("flat",), num_lights=(1, 1), min_visible_objects=0
    )
    for clip in processes.clips(low, 5, range(2)):
        top = clip["video"][0, 0][clip["segments"][0, 0] == 0]
        assert top.mean() > 40  # not black
        # But for the rims of objects above.
        assert np.percentile(np.abs(top - np.median(top, axis=0)).max(axis=1), 80) < 6
