"""A second look at a generated clip; runs in a rendering process, where TensorFlow is not."""

import dataclasses
import itertools
from unittest import mock

import numpy as np

from simone_tf.scenes import generate
from simone_tf.scenes.render import SceneRenderer
from simone_tf.scenes.scene import Surface

# Colours of instances 0, 1, 2, ... of which every channel is a multiple of 51.
PALETTE = np.array([(r, g, b) for r in range(0, 256, 51) for g in range(0, 256, 51) for b in range(0, 256, 51)])


def seen_by_color(preset, seed, index):
    """A clip, and what its scene shows when every instance is painted in one flat colour of its own.

    Returns:
      The clip of `generate_clip`; the instance that each pixel's colour tells, `[T, H, W]`, -1 for any other colour;
      the mask of each object with nothing else in the world, `[N, T, H, W] bool`; the shapes of each object's parts;
      the corners of each object that is a box in the world, `[T, 8, 3]`, else None.
    """
    drawn = {}

    class Remembering(SceneRenderer):
        def __init__(self, scene, preset):
            drawn["scene"] = scene
            super().__init__(scene, preset)

        def video(self, path):
            drawn["path"] = path
            return super().video(path)

    with mock.patch.object(generate, "SceneRenderer", Remembering):
        clip = generate.generate_clip(preset, seed, index)
    flat = _flat(drawn["scene"])
    plain = dataclasses.replace(preset, supersampling=1, specular=0.0)
    with SceneRenderer(flat, plain) as renderer:
        colors = renderer.video(drawn["path"]).astype(int)
    told = np.full(colors.shape[:3], -1)
    for k in range(len(flat.objects) + 1):
        told[(colors == PALETTE[k]).all(axis=-1)] = k
    alone = []
    for item in flat.objects:
        with SceneRenderer(dataclasses.replace(flat, objects=(item,), walls=(), fixtures=()), plain) as renderer:
            alone.append(renderer.segments(drawn["path"]) > 0)
    shapes = [tuple(part.shape for part in item.parts) for item in flat.objects]
    return clip, told, np.stack(alone), shapes, [_corners(item) for item in flat.objects]


def _corners(item):
    if len(item.parts) > 1 or item.parts[0].shape not in ("cube", "pillar"):
        return None
    local = np.array(list(itertools.product((-1, 1), repeat=3))) * item.parts[0].half_extents
    w, v = item.quaternions[:, None, :1], item.quaternions[:, None, 1:]
    # v' = v + 2 u x (u x v + w v) for the quaternion (w, u).
    turned = local + 2 * np.cross(v, np.cross(v, local) + w * local)
    return turned + item.positions[:, None]


def _flat(scene):
    """The scene under even light, the background black and instance k in colour k of the palette."""
    black = Surface("flat", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0)

    def painted(parts, k):
        color = tuple(PALETTE[k] / 255)
        return tuple(dataclasses.replace(part, color=color, specular=0.0) for part in parts)

    return dataclasses.replace(
        scene,
        objects=tuple(
            dataclasses.replace(item, parts=painted(item.parts, k)) for k, item in enumerate(scene.objects, start=1)
        ),
        fixtures=painted(scene.fixtures, 0),
        floor=black,
        walls=tuple(dataclasses.replace(wall, surface=black) for wall in scene.walls),
        lights=(),
        ambient=1.0,
    )
