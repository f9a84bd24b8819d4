"""Generation of one clip, or of views from all around its scene: a pure function of (preset, seed, index)."""

import dataclasses

import numpy as np

from simone_tf.errors import UserError
from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.preset import ClipPreset, FlatPreset, ScenePreset
from simone_tf.scenes.render import SceneRenderer
from simone_tf.scenes.scene import Scene

MAX_ATTEMPTS = 2000


def generate_clip(preset: ClipPreset, seed: int, index: int, views: int = 0) -> dict[str, np.ndarray]:
    """Draws and renders one clip, or with `views` the same scene from cameras all around it.

    The same arguments give the same arrays, in any process and order.

    Masks, poses and positions are exact everywhere; the colours of the frames may differ in a few levels between
    versions of the OpenGL library.

    Renders in this very process, in which TensorFlow must not be loaded, neither before nor after: the two end it with
    a segmentation fault. Beside TensorFlow, use `processes.generate_clips`.

    Args:
      preset: what the scenes look like.
      seed: non-negative; clips of different seeds are unrelated.
      index: number of the clip within the seed, from 0.
      views: 0 for the clip itself; else the number of cameras of `ScenePreset.sweep`, which look at the scene in place
        of the clip's.

    Returns:
      A clip, with T = preset.frames (with `views`, that number), H = W = preset.size and N = preset.num_objects[1]; a
      clip with fewer objects has zeros in the last places of N. Of these fields those of `preset.fields`:
        video: `[T, H, W, 3] uint8`.
        segments: `[T, H, W] uint8`, 0 = background, k = instance k; pixel-centre samples of the exact scene.
        camera: `[T, 7] float32`, see `simone_tf.scenes.camera`.
        object_positions: `[T, N, 3] float32`, centre of the object's bounding box in the world.
        object_visible: `[T, N] bool`, whether any pixel of the frame shows the object.
        object_moving: `[N] bool`, whether the object moves in the world.
        object_attributes: `[N, A] float32`, shape, colour, size and so on, see `ScenePreset.attributes`.

    Raises:
      UserError: MuJoCo or OSMesa is missing, no attempt kept the preset's limits, or the preset has no such views.
      RuntimeError: TensorFlow is loaded.
    """
    check_views(preset, views)
    # The count is drawn outside the attempts: rejection must not favour clips with few objects.
    least, most = preset.num_objects
    num_objects = int(np.random.default_rng([seed, index]).integers(least, most + 1))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        rng = np.random.default_rng([seed, index, attempt])
        if isinstance(preset, FlatPreset):
            clip = preset.draw(num_objects, rng)
            if clip is None:
                continue
            return clip
        drawn = preset.sample(num_objects, rng)
        if drawn is None:
            continue
        scene, path = drawn
        with SceneRenderer(scene, preset) as renderer:
            segments = renderer.segments(path)
            if not is_acceptable(preset, segments, num_objects):
                continue
            if not views:
                return _clip(preset, scene, path, segments, renderer.video(path))
        return _views(preset, scene, path, views)
    raise UserError(
        f"Preset {preset.name!r} at {preset.frames} frames of {preset.size}x{preset.size} pixels gave no clip within "
        f"its limits in {MAX_ATTEMPTS} attempts (seed {seed}, clip {index}): use larger frames or loosen the preset."
    )


def check_views(preset: ClipPreset, views: int) -> None:
    """Raises UserError when views from all around are asked of a preset that has none."""
    if views and preset.sweep(CameraPath(np.zeros((1, 3)), np.zeros(1), np.zeros(1)), views) is None:
        raise UserError(
            f"Preset {preset.name!r} has no views from all around, as its things move or its camera has no place to "
            "stand: choose one of rooms at rest, such as quickstart_views or playroom."
        )


def _views(preset: ScenePreset, scene: Scene, path: CameraPath, views: int) -> dict[str, np.ndarray]:
    """The clip of a scene at rest that cameras all around it see."""
    path = preset.sweep(path, views)
    preset = dataclasses.replace(preset, frames=views)
    objects = tuple(
        dataclasses.replace(
            item,
            positions=np.repeat(item.positions[:1], views, axis=0),
            quaternions=np.repeat(item.quaternions[:1], views, axis=0),
        )
        for item in scene.objects
    )
    scene = dataclasses.replace(scene, objects=objects)
    with SceneRenderer(scene, preset) as renderer:
        return _clip(preset, scene, path, renderer.segments(path), renderer.video(path))


def _clip(
    preset: ScenePreset, scene: Scene, path: CameraPath, segments: np.ndarray, video: np.ndarray
) -> dict[str, np.ndarray]:
    num_objects, most = len(scene.objects), preset.num_objects[1]
    positions = np.zeros((preset.frames, most, 3), np.float32)
    positions[:, :num_objects] = scene.positions()
    moving = np.zeros(most, bool)
    moving[:num_objects] = [item.moving for item in scene.objects]
    attributes = np.zeros((most, len(preset.attributes())), np.float32)
    attributes[:num_objects] = [preset.attribute_values(item) for item in scene.objects]
    return {
        "video": preset.develop(video),
        "segments": segments,
        "camera": path.vectors(),
        "object_positions": positions,
        "object_visible": (segments[..., None] == np.arange(1, most + 1)).any(axis=(1, 2)),
        "object_moving": moving,
        "object_attributes": attributes,
    }


def is_acceptable(preset: ScenePreset, segments: np.ndarray, num_objects: int) -> bool:
    """Whether the masks `[T, H, W]` of a drawn clip keep the preset's rejection rule."""
    if (segments > 0).mean(axis=(1, 2)).max() > preset.max_object_fraction:
        return False
    shares = (segments[..., None] == np.arange(1, num_objects + 1)).mean(axis=(1, 2))  # [T, num_objects]
    if shares.min() < preset.min_object_fraction:
        return False
    border = np.ones(segments.shape[1:], bool)
    border[1:-1, 1:-1] = False
    return not (preset.objects_inside_view and segments[:, border].any()) and preset.accepts(segments)
