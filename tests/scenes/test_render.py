"""Frames and masks, checked against geometry that is worked out apart from the renderer."""

import dataclasses

import numpy as np
import pytest

from scenes.geometry import present, project, traced_spheres
from simone_tf.scenes.presets import PRESETS

QUICKSTART, CATER = PRESETS["quickstart"], PRESETS["cater"]
# Spheres of known radius.
SPHERES = dataclasses.replace(QUICKSTART, shapes=("sphere",), object_size=(0.5, 0.5), size_growth=0.0)


@pytest.fixture(scope="module")
def spheres(processes):
    return list(processes.clips(dataclasses.replace(SPHERES, size=48), 7, range(24)))


def test_masks_are_those_of_ray_tracing(spheres):
    preset = dataclasses.replace(SPHERES, size=48)
    differing, border = 0, 0
    for clip in spheres:
        for frame in range(preset.frames):
            centers = clip["object_positions"][frame, : present(clip)]
            traced = traced_spheres(centers, 0.5, clip["camera"][frame], preset)
            segments = clip["segments"][frame]
            differing += (traced != segments).sum()
            border += (np.diff(traced, axis=0) != 0).sum() + (np.diff(traced, axis=1) != 0).sum()
    # The renderer's spheres are fine polyhedra, so a few pixels at the rim fall off.
    assert differing < 0.04 * border


def test_centers_project_onto_their_segments(spheres):
    preset = dataclasses.replace(SPHERES, size=48)
    rows, columns = np.mgrid[: preset.size, : preset.size] + 0.5
    errors, hits = [], []
    for clip in spheres:
        for frame in range(preset.frames):
            centers = clip["object_positions"][frame, : present(clip)]
            seen = traced_spheres(centers, 0.5, clip["camera"][frame], preset)
            depth = np.linalg.norm(centers - clip["camera"][frame, :3], axis=1)
            for k, (row, column) in enumerate(project(centers, clip["camera"][frame], preset), start=1):
                segment = clip["segments"][frame] == k
                alone = traced_spheres(centers[k - 1 : k], 0.5, clip["camera"][frame], preset) > 0
                if (seen[alone] == k).all():  # Nothing in front.
                    errors.append(np.hypot(rows[segment].mean() - row, columns[segment].mean() - column))
                front = [c for c, d in zip(centers, depth, strict=True) if d < depth[k - 1]]
                if not any(
                    np.hypot(*(project(c[None], clip["camera"][frame], preset)[0] - [row, column])) < 9 for c in front
                ):
                    hits.append(segment[int(row), int(column)])
    assert len(errors) > 50
    assert len(hits) > 100
    assert np.median(errors) < 1.5
    assert np.max(errors) < 1.5
    assert np.mean(hits) >= 0.99


def test_frames_show_the_segments(processes):
    flat = {"shadow_depth": (0.0, 0.0), "light_brightness": (1.0, 1.0), "specular": 0.0}
    # Lit from all sides and without antialiasing, each object has its one colour, and so has the floor.
    plain = dataclasses.replace(QUICKSTART, supersampling=1, **flat)
    smooth = dataclasses.replace(plain, supersampling=4)
    for clip, soft in zip(processes.clips(plain, 3, range(8)), processes.clips(smooth, 3, range(8)), strict=True):
        np.testing.assert_array_equal(clip["segments"], soft["segments"])
        colors = [np.unique(clip["video"][clip["segments"] == k], axis=0) for k in np.unique(clip["segments"])]
        assert all(len(color) == 1 for color in colors)
        assert not any((color == colors[0]).all() for color in colors[1:])
        # Antialiasing blends colours at borders and changes nothing else.
        blended = (clip["video"] != soft["video"]).any(axis=-1)
        border = np.zeros_like(blended)
        for axis, shift in ((1, 1), (1, -1), (2, 1), (2, -1)):
            border |= np.roll(clip["segments"], shift, axis) != clip["segments"]
        assert border[blended].mean() > 0.97


def test_every_lamp_throws_its_own_shadow(processes):
    plain = dataclasses.replace(CATER, frames=1, num_objects=(8, 8), num_lights=(3, 3), floor_contrast=(0.0, 0.0))
    found = 0
    for index, clip in enumerate(processes.clips(plain, 2, range(10))):
        scene, _ = plain.sample(8, np.random.default_rng([2, index, 1]))
        # What the floor shows where one lamp is hidden.
        shares = np.array([-light.diffuse * light.direction[2] for light in scene.lights])
        levels = 1 - shares / (scene.ambient + shares.sum())
        brightness = clip["video"][clip["segments"] == 0].astype(float).sum(axis=-1)
        brightness /= np.percentile(brightness, 90)
        for level in levels:
            found += np.mean(np.abs(brightness - level) < 0.01) > 0.01
    # Of 30, of which some fall behind objects or into each other; two lamps alone make 20.
    assert found > 21


def test_shadows_are_there_and_soft_toned(processes):
    shadows = []
    for clip in processes.clips(dataclasses.replace(QUICKSTART, size=72), 7, range(12)):
        # Floor two pixels off the objects, where nothing is blended into it.
        floor = clip["segments"] == 0
        for axis in (1, 2):
            for shift in (-2, -1, 1, 2):
                floor &= np.roll(clip["segments"] == 0, shift, axis)
        brightness = clip["video"][floor].astype(float).sum(axis=-1)
        darkness = 1 - brightness / np.median(brightness)
        dark = darkness > 0.1
        assert dark.mean() < 0.4
        if dark.mean() > 0.01:  # Else the shadows fall behind the objects.
            shadows.append(np.median(darkness[dark]))
        # Beside the shadows and their soft rim, the floor is one color.
        assert np.mean(np.abs(darkness) < 0.03) > 0.6
    assert len(shadows) >= 8
    assert min(shadows) > 0.24
    assert max(shadows) < 0.36
