"""What the playroom's clips promise, checked against geometry that is worked out here."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from simone_tf.scenes.camera import CameraPath, camera_matrices
from simone_tf.scenes.generate import is_acceptable
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.render import SceneRenderer
from simone_tf.scenes.scene import Part, simple_object

PRESET = PRESETS["playroom"]
HALF, INNER = PRESET.room_half_width, PRESET.inner_corner
BALLS = dataclasses.replace(
    PRESET, furniture=(), toys=("ball",), num_objects=(12, 16), min_objects_ahead=3.0, min_mean_object_fraction=0.01
)


def sampled(preset, count, seed):
    """The first scene and camera path of a seed; no rendering."""
    for attempt in itertools.count():
        drawn = preset.sample(count, np.random.default_rng([seed, attempt]))
        if drawn is not None:
            return drawn


def drawn_from(preset, scene, path):
    """Video and segments of a scene seen along a path; for a process without TensorFlow."""
    with SceneRenderer(scene, dataclasses.replace(preset, frames=len(path.yaw))) as renderer:
        return renderer.video(path), renderer.segments(path)


@pytest.fixture(scope="module")
def clips(processes):
    return list(processes.clips(PRESET, 5, range(8)))


@pytest.fixture(scope="module")
def samples():
    return [sampled(PRESET, count, count) for count in range(10, 31)]


def pose(x, y, target_x, target_y, pitch=-0.35, height=1.3):
    return (x, y, height, math.atan2(target_y - y, target_x - x), pitch)


def path_of(*poses):
    x, y, z, yaw, pitch = np.array(poses).T
    return CameraPath(np.stack([x, y, z], axis=1), yaw, pitch)


def project(points, camera, preset):
    """Pinhole projection of `[N, 3]` to (row, column) in pixels, and the depth: `[N, 3]`."""
    matrix = camera_matrices(camera).astype(np.float64)
    right, up, back = ((points.astype(np.float64) - matrix[:3, 3]) @ matrix[:3, :3]).T
    focal = preset.size / 2 / math.tan(math.radians(preset.field_of_view) / 2)
    return np.stack([preset.size / 2 + focal * up / back, preset.size / 2 - focal * right / back, -back], axis=1)


def test_fields_and_padding(clips):
    for clip in clips:
        assert {name: (value.shape, value.dtype.name) for name, value in clip.items()} == {
            "video": ((16, 64, 64, 3), "uint8"),
            "segments": ((16, 64, 64), "uint8"),
            "camera": ((16, 7), "float32"),
            "object_positions": ((16, 30, 3), "float32"),
            "object_visible": ((16, 30), "bool"),
            "object_moving": ((30,), "bool"),
            "object_attributes": ((30, 3), "float32"),
        }
        count = int(clip["object_positions"].any(axis=(0, 2)).sum())
        assert 10 <= count <= 30
        assert clip["segments"].max() <= count
        assert not clip["object_attributes"][count:].any()
        assert not clip["object_moving"].any()
        shape, color, size = clip["object_attributes"][:count].T
        assert shape.max() < len(PRESET.shape_names)
        assert color.max() < len(PRESET.colors)
        assert 0.05 < size.min() < size.max() < 1.2
        assert clip["video"].std() > 15
    assert len({clip["video"].tobytes() for clip in clips}) == len(clips)


def test_clips_show_several_objects_and_part_of_the_room_only(clips):
    seen = []
    for clip in clips:
        segments = clip["segments"]
        best = [(segments == k).mean(axis=(1, 2)).max() for k in range(1, 31)]
        assert sum(share >= PRESET.min_visible_fraction for share in best) >= PRESET.min_visible_objects
        assert (segments > 0).mean() >= PRESET.min_mean_object_fraction
        present = clip["object_positions"].any(axis=(0, 2))
        seen.append(clip["object_visible"].any(axis=0)[present].mean())
    assert min(seen) < 0.9  # Objects may be out of view all the time.


def test_rejection_rule():
    preset = dataclasses.replace(
        PRESET, min_visible_objects=3, min_visible_fraction=0.01, min_mean_object_fraction=0.05
    )
    segments = np.zeros((4, 20, 20), np.uint8)
    for k in range(3):
        segments[k, 0, 4 * k : 4 * k + 4] = k + 1
    segments[3, 5:9] = 1
    assert preset.accepts(segments)
    assert is_acceptable(preset, segments, 12)
    two = segments.copy()
    two[two == 3] = 2
    assert not preset.accepts(two)
    assert not is_acceptable(preset, two, 12)
    small = segments.copy()
    small[2, 0, 8] = 0
    assert not preset.accepts(small)
    wall = segments.copy()
    wall[3, 5:8] = 0
    assert not preset.accepts(wall)
    # A clip of two objects cannot show three.
    assert dataclasses.replace(preset, num_objects=(2, 4)).accepts(two)


def test_the_camera_is_an_agents_that_keeps_out_of_things(samples):
    for scene, path in samples:
        for x, y, z in path.position:
            assert max(abs(x), abs(y)) <= HALF - 0.3 + 1e-9
            assert math.hypot(max(INNER - x, 0), max(INNER - y, 0)) >= 0.3 - 1e-9
            assert 1.1 < z < 1.5
        for item in scene.objects:
            # The agent on the floor plan, in the object's frame, against the box around each part.
            yaw = 2 * math.atan2(item.quaternions[0, 3], item.quaternions[0, 0])
            x, y = (path.position - item.positions[0])[:, :2].T
            local = np.stack([math.cos(yaw) * x + math.sin(yaw) * y, math.cos(yaw) * y - math.sin(yaw) * x], axis=1)
            for part in item.parts:
                half = np.array(part.half_extents[:2])
                if part.yaw:  # A round part, or one within the object's own rectangle.
                    half[:] = half.min()
                gap = np.linalg.norm(np.maximum(np.abs(local - part.offset[:2]) - half, 0), axis=1)
                assert gap.min() >= 0.3 - 1e-9, item.shape


def test_the_agent_is_not_always_moving(clips):
    still = np.concatenate([(np.diff(clip["camera"], axis=0) == 0).all(axis=1) for clip in clips])
    walked = np.concatenate([np.diff(clip["camera"][:, :2], axis=0).any(axis=1) for clip in clips])
    assert 0.1 < still.mean() < 0.5
    assert walked.mean() > 0.2


def test_centers_of_balls_project_onto_their_segments(processes):
    rows, columns = np.mgrid[:64, :64] + 0.5
    errors = []
    for clip in processes.clips(BALLS, 2, range(4)):
        count = int(clip["object_positions"].any(axis=(0, 2)).sum())
        for frame, camera in enumerate(clip["camera"]):
            places = project(clip["object_positions"][frame, :count], camera, BALLS)
            radius = clip["object_attributes"][:count, 2]
            for k, (row, column, depth) in enumerate(places):
                segment = clip["segments"][frame] == k + 1
                # Wholly in view and not hidden: as many pixels as the ball's disc has.
                focal = 32 / math.tan(math.radians(BALLS.field_of_view) / 2)
                if depth > 0 and segment.sum() > 0.85 * math.pi * (focal * radius[k] / depth) ** 2 >= 12:
                    errors.append(np.hypot(rows[segment].mean() - row, columns[segment].mean() - column))
    assert len(errors) > 60
    assert np.median(errors) <= 1.0
    assert np.quantile(errors, 0.9) <= 1.5


def test_the_inner_corner_hides_the_other_wing(processes, samples):
    # From the end of one wing towards the middle of the other, and back.
    path = path_of(pose(HALF - 0.4, 0.1, -1.0, 2.5), pose(0.1, HALF - 0.4, 2.5, -1.0))
    hidden = 0
    for scene, _ in samples[10:]:
        _, segments = processes._pool.submit(drawn_from, PRESET, scene, path).result()
        for frame, eye in enumerate(path.position):
            for k, item in enumerate(scene.objects, start=1):
                around = item.positions[0, :2] + item.reach * np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
                shares = np.linspace(0, 1, 400)[:, None, None]
                lines = eye[:2] + shares * (around - eye[:2])
                if ((lines > INNER) & (lines < HALF)).all(axis=2).any(axis=0).all():
                    assert not (segments[frame] == k).any()
                    x, y, depth = project(item.positions[:1], path.vectors()[frame], PRESET)[0]
                    hidden += bool(depth > 0 and 0 < x < 64 and 0 < y < 64)
    assert hidden > 10  # Without the corner's walls these would have been seen.


def test_shadows_fall_up_to_the_corners(processes, samples):
    scene, _ = samples[0]
    floor = dataclasses.replace(scene.floor, texture="flat", first=(0.7, 0.7, 0.7))
    corners = np.array([[x, y] for x, y in itertools.product((-1, 1), repeat=2) if (x, y) != (1, 1)])
    corners = np.concatenate([corners * (HALF - 0.5), [[HALF - 0.5, 0.0], [0.0, HALF - 0.5]]])
    path = path_of(*[pose(0.4 * x, 0.4 * y, x, y) for x, y in corners])
    images = []
    for height in (0.6, 50.0):  # On the floor, and out of sight.
        things = tuple(
            simple_object(
                "cube", (0.9, 0.1, 0.1), np.array([[x, y, height]] * len(corners)), color_name="red", radius=0.4
            )
            for x, y in corners
        )
        bare = dataclasses.replace(scene, floor=floor, objects=things, fixtures=())
        images.append(processes._pool.submit(drawn_from, PRESET, bare, path).result())
    (with_things, segments), (without, nothing) = images
    assert not nothing.any()
    darker = (with_things.astype(int).sum(axis=-1) < 0.88 * without.astype(int).sum(axis=-1)) & (segments == 0)
    assert (segments > 0).any(axis=(1, 2)).all()
    assert darker.sum(axis=(1, 2)).min() > 40


def test_fixtures_throw_no_shadow_and_are_no_objects(processes, samples):
    scene, path = samples[3]
    above = Part("cube", (1.5, 1.5, 0.05), (0.5, 0.5, 0.5), offset=(-1.5, -1.5, 2.4))
    images = []
    for fixtures in ((), (above,)):
        changed = dataclasses.replace(scene, fixtures=fixtures)
        images.append(processes._pool.submit(drawn_from, PRESET, changed, path).result())
    (video, segments), (under, under_segments) = images
    # Below the middle nothing is hidden by a board near the ceiling.
    np.testing.assert_array_equal(segments[:, 48:], under_segments[:, 48:])
    np.testing.assert_array_equal(video[:, 48:], under[:, 48:])
    assert under_segments.max() <= len(scene.objects)


def test_only_the_layout_is_the_same_in_all_rooms(samples):
    walls = {tuple((wall.start, wall.end, wall.height) for wall in scene.walls) for scene, _ in samples}
    assert len(walls) == 1
    assert len(walls.pop()) == 6
    assert len({scene.floor.first for scene, _ in samples}) == len(samples)
    assert len({scene.walls[0].surface.first for scene, _ in samples}) == len(samples)
    assert {scene.floor.texture for scene, _ in samples} == set(PRESET.floor_textures)
    assert len({scene.lights[0].direction for scene, _ in samples}) == len(samples)
    assert len({scene.fixtures[7:] for scene, _ in samples}) == len(samples)
    for scene, _ in samples:
        lit = scene.ambient - scene.lights[0].diffuse * scene.lights[0].direction[2]
        assert PRESET.light_brightness[0] <= lit <= PRESET.light_brightness[1]


@pytest.mark.parametrize(("frames", "size"), [(1, 40), (20, 24)])
def test_any_frame_count_and_size(processes, frames, size):
    (clip,) = processes.clips(dataclasses.replace(PRESET, frames=frames, size=size), 1, [0])
    assert clip["video"].shape == (frames, size, size, 3)
    assert clip["segments"].any()


def test_a_clip_depends_on_preset_seed_and_index_only(processes, clips):
    for index, clip in zip((6, 2), processes.clips(PRESET, 5, (6, 2)), strict=True):
        for name, value in clip.items():
            np.testing.assert_array_equal(value, clips[index][name], err_msg=name)
