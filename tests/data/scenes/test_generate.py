"""What a generated clip promises, checked against geometry that is worked out here."""

import dataclasses
import math

import numpy as np
import pytest

from simone_tf.data.scenes import generate
from simone_tf.data.scenes.presets import PRESETS
from simone_tf.errors import UserError

QUICKSTART, ROOM, MOVING = PRESETS["quickstart"], PRESETS["objects_room"], PRESETS["moving_objects"]
# Spheres of known radius.
SPHERES = dataclasses.replace(QUICKSTART, shapes=("sphere",), object_size=(0.5, 0.5), size_growth=0.0)


@pytest.fixture(scope="module")
def quickstart(processes):
    return list(processes.clips(QUICKSTART, 7, range(40)))


@pytest.fixture(scope="module")
def spheres(processes):
    return list(processes.clips(dataclasses.replace(SPHERES, size=48), 7, range(24)))


@pytest.fixture(scope="module")
def room(processes):
    return list(processes.clips(ROOM, 7, range(6)))


@pytest.fixture(scope="module")
def moving(processes):
    return list(processes.clips(dataclasses.replace(MOVING, frames=9), 7, range(4)))


def axes(camera):
    """Right, up and forward unit vectors of a pose `[7]`."""
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = camera[3:].astype(np.float64)
    forward = np.array([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return right, np.cross(right, forward), forward


def project(points, camera, preset):
    """Pinhole projection of `[N, 3]` to (row, column) in pixels, `[N, 2]`; pixel (i, j) has its centre at +0.5."""
    right, up, forward = axes(camera)
    offset = points.astype(np.float64) - camera[:3]
    focal = preset.size / 2 / math.tan(math.radians(preset.field_of_view) / 2)
    depth = offset @ forward
    return np.stack(
        [preset.size / 2 - focal * (offset @ up) / depth, preset.size / 2 + focal * (offset @ right) / depth], 1
    )


def traced_spheres(centers, radius, camera, preset):
    """Number of the nearest sphere seen through each pixel centre, 0 where there is none: `[H, W]`."""
    right, up, forward = axes(camera)
    half = math.tan(math.radians(preset.field_of_view) / 2)
    offset = (np.arange(preset.size) + 0.5) / preset.size * 2 - 1
    rays = forward + half * (offset[None, :, None] * right - offset[:, None, None] * up)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    nearest, seen = np.full(rays.shape[:2], np.inf), np.zeros(rays.shape[:2], int)
    for k, center in enumerate(centers, start=1):
        to_center = center.astype(np.float64) - camera[:3]
        along = rays @ to_center
        inside = radius**2 - (to_center @ to_center - along**2)
        distance = np.where(inside >= 0, along - np.sqrt(np.maximum(inside, 0)), np.inf)
        seen = np.where(distance < nearest, k, seen)
        nearest = np.minimum(distance, nearest)
    return seen


def present(clip):
    """Number of objects of a clip: positions are zero for the others."""
    return int((np.abs(clip["object_positions"]).sum(axis=(0, 2)) > 0).sum())


def test_fields_shapes_and_types(quickstart, room):
    for clips, (frames, side, most) in ((quickstart, (4, 24, 3)), (room, (16, 64, 9))):
        for clip in clips:
            assert {name: (value.shape, value.dtype) for name, value in clip.items()} == {
                "video": ((frames, side, side, 3), np.dtype(np.uint8)),
                "segments": ((frames, side, side), np.dtype(np.uint8)),
                "camera": ((frames, 7), np.dtype(np.float32)),
                "object_positions": ((frames, most, 3), np.dtype(np.float32)),
                "object_visible": ((frames, most), np.dtype(bool)),
                "object_moving": ((most,), np.dtype(bool)),
                "object_attributes": ((most, 3), np.dtype(np.float32)),
            }


@pytest.mark.parametrize(("frames", "size"), [(1, 24), (33, 25), (3, 90)])
def test_any_frame_count_and_size(processes, frames, size):
    (clip,) = processes.clips(dataclasses.replace(ROOM, frames=frames, size=size), 1, [0])
    assert clip["video"].shape == (frames, size, size, 3)
    assert clip["video"].std() > 10
    assert clip["segments"].any()


def test_a_clip_depends_on_preset_seed_and_index_only(processes, quickstart):
    backwards = list(processes.clips(QUICKSTART, 7, [9, 8, 7, 6, 5, 4]))
    for clip, again in zip(quickstart[4:10], reversed(backwards), strict=True):
        for name, value in clip.items():
            np.testing.assert_array_equal(value, again[name], err_msg=name)
    (other,) = processes.clips(QUICKSTART, 8, [0])
    assert (other["video"] != quickstart[0]["video"]).any()
    assert len({clip["video"].tobytes() for clip in quickstart}) == len(quickstart)


def test_quickstart_keeps_its_limits(quickstart):
    counts, fractions = [], []
    for clip in quickstart:
        segments = clip["segments"]
        counts.append(present(clip))
        assert set(np.unique(segments)) == set(range(counts[-1] + 1))
        fraction = (segments > 0).mean(axis=(1, 2))
        assert fraction.max() <= 0.25
        fractions.append(fraction.mean())
        for k in range(1, counts[-1] + 1):
            assert (segments == k).sum(axis=(1, 2)).min() >= 12
        assert not segments[:, [0, -1]].any()
        assert not segments[:, :, [0, -1]].any()
        yaw = np.unwrap(np.arctan2(clip["camera"][:, 3], clip["camera"][:, 4]))
        assert 20 <= math.degrees(abs(yaw[-1] - yaw[0])) <= 45.01
    assert set(counts) == {2, 3}
    assert 0.18 < np.mean(fractions) < 0.23


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


def test_centers_of_other_shapes_project_near_their_segments(room, moving):
    for clips, preset, movers in ((room, ROOM, False), (moving, dataclasses.replace(MOVING, frames=9), True)):
        rows, columns = np.mgrid[: preset.size, : preset.size] + 0.5
        errors = []
        for clip in clips:
            for frame in range(preset.frames):
                places = project(clip["object_positions"][frame, : present(clip)], clip["camera"][frame], preset)
                for k, (row, column) in enumerate(places, start=1):
                    segment = clip["segments"][frame] == k
                    inside = not segment[[0, -1]].any() and not segment[:, [0, -1]].any()
                    if inside and segment.sum() >= 12 and clip["object_moving"][k - 1] == movers:
                        errors.append(np.hypot(rows[segment].mean() - row, columns[segment].mean() - column))
        assert len(errors) > 25
        assert np.median(errors) < 1.5


def test_visible_means_that_a_pixel_shows_it(room, quickstart):
    for clip in [*room, *quickstart]:
        for frame, segments in enumerate(clip["segments"]):
            shown = set(np.unique(segments)) - {0}
            assert shown == {k + 1 for k in np.flatnonzero(clip["object_visible"][frame])}
            assert max(shown) <= present(clip)
    assert all(5 <= present(clip) <= 9 for clip in room)


def test_only_moving_objects_move(room, moving):
    assert not any(clip["object_moving"].any() for clip in room)
    for clip in moving:
        moved = np.ptp(clip["object_positions"], axis=0).max(axis=-1) > 0
        np.testing.assert_array_equal(clip["object_moving"], moved)
        assert 1 <= moved.sum() <= 2


def test_frames_show_the_segments(processes):
    flat = {"shadow_depth": (0.0, 0.0), "light_brightness": (1.0, 1.0), "specular": 0.0, "textures": ("flat",)}
    for preset, numbers in ((QUICKSTART, range(8)), (MOVING, range(2))):
        # Lit from all sides and without antialiasing, each object has its one colour, and so has the floor.
        plain = dataclasses.replace(preset, supersampling=1, frames=4, **flat)
        smooth = dataclasses.replace(plain, supersampling=4)
        for clip, soft in zip(processes.clips(plain, 3, numbers), processes.clips(smooth, 3, numbers), strict=True):
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


def test_limits_that_cannot_be_kept_are_told(monkeypatch):
    monkeypatch.setattr(generate, "MAX_ATTEMPTS", 3)
    with pytest.raises(UserError, match=r"'quickstart' at 4 frames of 24x24 .* in 3 attempts"):
        generate.generate_clip(dataclasses.replace(QUICKSTART, min_gap=9.0), 1, 0)


def test_rejection_rule():
    segments = np.zeros((2, 24, 24), np.uint8)
    segments[:, 2:8, 2:8] = 1
    segments[:, 10:16, 10:16] = 2
    assert generate.is_acceptable(QUICKSTART, segments, 2)
    assert not generate.is_acceptable(QUICKSTART, segments, 3)
    crowded = segments.copy()
    crowded[1, 2:14, 2:14] = 1
    assert not generate.is_acceptable(QUICKSTART, crowded, 2)
    hidden = segments.copy()
    hidden[1, 10:16, 10:16] = 0
    hidden[1, 10:13, 10:14] = 2
    assert generate.is_acceptable(QUICKSTART, hidden, 2)
    hidden[1, 10, 10] = 0
    assert not generate.is_acceptable(QUICKSTART, hidden, 2)
    outside = segments.copy()
    outside[0, 5, 0] = 1
    assert not generate.is_acceptable(QUICKSTART, outside, 2)
    assert generate.is_acceptable(dataclasses.replace(QUICKSTART, objects_inside_view=False), outside, 2)
