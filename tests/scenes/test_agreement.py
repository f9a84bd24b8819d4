"""Masks, frames, positions and camera of every preset agree with each other."""

import dataclasses
import itertools

import numpy as np
import pytest

from scenes.geometry import centroid, present, project, touches_border
from scenes.witness import seen_by_color
from simone_tf.scenes.presets import PRESETS

CONVEX = {"sphere", "cube", "cylinder", "cone", "capsule", "disc", "pillar", "pyramid"}
# Of these the middle of the picture is not that of the bounding box.
POINTED = {"cone", "pyramid"}
CLIPS = {"quickstart": 12, "objects_room_moving": 8, "playroom": 8}


@pytest.fixture(scope="module", params=PRESETS)
def witnessed(request, processes):
    """The preset, and clips of it as `seen_by_color` gives them."""
    preset = PRESETS[request.param]
    preset = dataclasses.replace(preset, frames=min(preset.frames, 17))
    if hasattr(preset, "lens"):
        preset = dataclasses.replace(preset, lens=(1.0, 1.0))
    waiting = [processes._pool.submit(seen_by_color, preset, 11, index) for index in range(CLIPS.get(request.param, 5))]
    return preset, [future.result() for future in waiting]


def test_masks_are_what_flat_colors_show(witnessed):
    _, clips = witnessed
    for clip, told, *_ in clips:
        sky = told == -1  # Over the walls.
        assert not clip["segments"][sky].any()
        np.testing.assert_array_equal(told[~sky], clip["segments"][~sky])


def test_a_mask_is_within_that_of_the_object_alone(witnessed):
    _, clips = witnessed
    for clip, _, alone, *_ in clips:
        for k, mask in enumerate(alone, start=1):
            assert not ((clip["segments"] == k) & ~mask).any()


def test_centers_project_into_and_onto_the_middle_of_their_segments(witnessed):
    preset, clips = witnessed
    hits, errors, sphere_errors = [], [], []
    for clip, _, alone, shapes, _ in clips:
        for frame in range(preset.frames):
            places = project(clip["object_positions"][frame, : present(clip)], clip["camera"][frame], preset)
            for k, (place, parts) in enumerate(zip(places, shapes, strict=True), start=1):
                segment = clip["segments"][frame] == k
                if len(parts) > 1 or (segment != alone[k - 1, frame]).any() or segment.sum() < 4:
                    continue  # Hidden, or nobody knows where its middle is.
                if parts[0] in CONVEX and (place >= 0).all() and (place < preset.size).all():
                    hits.append(segment[int(place[0]), int(place[1])])
                if parts[0] not in POINTED and segment.sum() >= 12 and not touches_border(segment):
                    errors.append(np.linalg.norm(centroid(segment) - place))
                    if parts == ("sphere",):
                        sphere_errors.append(errors[-1])
    assert len(hits) > 30
    assert np.mean(hits) >= 0.99
    assert len(errors) > 20
    assert np.median(errors) < 1.0
    assert len(sphere_errors) > 3
    assert np.median(sphere_errors) < 1.0
    assert np.max(sphere_errors) < 1.5


def test_corners_of_boxes_project_onto_the_edges_of_their_segments(witnessed):
    preset, clips = witnessed
    compared = 0
    for clip, _, alone, _, corners in clips:
        for k, frame in itertools.product(range(len(corners)), range(preset.frames)):
            mask = alone[k, frame]
            if corners[k] is None or not mask.any() or touches_border(mask):
                continue
            places = project(corners[k][frame], clip["camera"][frame], preset)
            pixels = np.argwhere(mask)
            # A pixel belongs to the mask when its centre does.
            assert (np.abs(pixels.min(axis=0) - places.min(axis=0)) < 1.1).all()
            assert (np.abs(pixels.max(axis=0) + 1 - places.max(axis=0)) < 1.1).all()
            compared += 1
    assert compared > 10 or preset.name == "playroom"


def test_visible_means_that_a_pixel_shows_it(witnessed):
    preset, clips = witnessed
    for clip, told, *_ in clips:
        for frame in range(preset.frames):
            shown = set(np.unique(told[frame])) - {-1, 0}
            assert shown == {k + 1 for k in np.flatnonzero(clip["object_visible"][frame])}
        assert preset.num_objects[0] <= present(clip) <= preset.num_objects[1]
        assert not clip["object_visible"][:, present(clip) :].any()


def test_moving_means_that_the_pose_changes(witnessed):
    _, clips = witnessed
    for clip, *_ in clips:
        travelled = np.ptp(clip["object_positions"], axis=0).max(axis=-1)
        assert clip["object_moving"][travelled > 0].all()
        assert not clip["object_moving"][present(clip) :].any()
