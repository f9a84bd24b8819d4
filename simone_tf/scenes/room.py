"""Rooms (or endless floors) of objects at rest or pushed into each other that a camera on an arc looks at.

The families of `quickstart` and of Objects Room 9 (Kabra et al., 2021, section 4).
"""

import colorsys
import dataclasses
import itertools
import math
from typing import ClassVar

import numpy as np

from simone_tf.scenes import physics
from simone_tf.scenes.camera import CameraPath, arc_path
from simone_tf.scenes.preset import COLORS, Range, ScenePreset
from simone_tf.scenes.scene import (
    SHAPES,
    Light,
    Scene,
    SceneObject,
    Surface,
    Wall,
    footprint_radius,
    simple_object,
)

PLACEMENT_TRIES = 50
# The camera keeps this far from every object, in world units.
CAMERA_CLEARANCE = 0.3


@dataclasses.dataclass(frozen=True)
class RoomPreset(ScenePreset):
    """Settings of rooms with simple objects."""

    family: ClassVar[str] = "room"

    # Shapes, drawn independently per object; keys of `scene.SHAPES`.
    shapes: tuple[str, ...]
    # Factor on an object's colour, per object.
    color_brightness: Range
    # Radius of an object at the largest count, per object.
    object_size: Range
    # Sizes are multiplied by (largest count / count) ** this; 0.5 keeps the total area alike for every count.
    size_growth: float
    # Object centres lie within this distance of the vertical axis through the origin.
    layout_radius: float
    # Least free floor between the bounding circles of two objects, in the first frame.
    min_gap: float
    # Fewest and most objects of a clip that get a push in the first frame, roughly towards the middle; they push others
    # as they meet them.
    num_moving: tuple[int, int]
    # How far a push would carry a sliding object that meets nothing, per pushed object.
    travel: Range

    # Azimuth travelled around the origin from the first to the last frame, in either direction; the start is uniform
    # in [0, 360).
    camera_arc: Range
    # Distance from the camera to the point it looks at.
    camera_distance: Range
    # Angle of the camera above the horizontal.
    camera_elevation: Range
    # Most that the distance changes over the clip (it stays in its range).
    camera_distance_change: float
    # Most that the elevation changes over the clip (it stays in its range).
    camera_elevation_change: float
    # The point looked at starts and ends within this distance of the vertical axis through the origin.
    look_radius: float
    # Height above the floor of the point looked at.
    look_height: float

    # Half the side of the square room; 0 for an endless floor without walls.
    room_half_width: float
    # Height of the walls.
    wall_height: float
    # Looks of floor and walls, drawn independently; keys of `textures.TEXTURES`.
    textures: tuple[str, ...]
    # HSV saturation of floor and walls, per surface; the hue is uniform.
    surface_saturation: Range
    # HSV value of floor and walls, per surface.
    surface_value: Range
    # How much the second colour of a texture differs in HSV value from the first, per surface.
    texture_contrast: Range

    # Angle of the light above the horizontal; its azimuth is uniform.
    light_elevation: Range
    # Brightness of an unshadowed white floor.
    light_brightness: Range
    # How much darker than the lit floor the floor in shadow is.
    shadow_depth: Range

    @property
    def shape_names(self) -> tuple[str, ...]:
        return self.shapes

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        drawn = sample_scene(self, num_objects, rng)
        if drawn is None:
            return None
        scene, velocities = drawn
        path = sample_camera(self, rng)
        if velocities.any():
            scene = physics.simulate(scene, self, velocities)
        return None if scene is None or scene.clearance(path.position) < CAMERA_CLEARANCE else (scene, path)

    def sweep(self, path: CameraPath, views: int) -> CameraPath | None:
        """A circle around the room, from the middle of the camera's distances and elevations; of still scenes only."""
        if self.num_moving[1]:
            return None
        yaw = np.linspace(-math.pi, math.pi, views, endpoint=False)
        target = np.tile([0.0, 0.0, self.look_height], (views, 1))
        distance = np.full(views, np.mean(self.camera_distance))
        elevation = np.full(views, math.radians(np.mean(self.camera_elevation)))
        return arc_path(target, yaw - math.pi, distance, elevation)


def sample_scene(preset: RoomPreset, num_objects: int, rng: np.random.Generator) -> tuple[Scene, np.ndarray] | None:
    """Draws a scene at rest and the velocities `[N, 3]` of the pushes, or None when the objects did not fit."""
    drawn = _sample_objects(preset, num_objects, rng)
    if drawn is None:
        return None
    objects, velocities = drawn
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(*preset.light_elevation))
    brightness, depth = rng.uniform(*preset.light_brightness), rng.uniform(*preset.shadow_depth)
    floor = sample_surface(preset, rng)
    half = preset.room_half_width
    walls = ()
    if half:
        # All four walls look alike; their order keeps the room on the right-hand side.
        surface = sample_surface(preset, rng)
        corners = ((half, half), (half, -half), (-half, -half), (-half, half), (half, half))
        walls = tuple(Wall(a, b, preset.wall_height, surface) for a, b in itertools.pairwise(corners))
    direction = (
        -math.cos(elevation) * math.cos(azimuth),
        -math.cos(elevation) * math.sin(azimuth),
        -math.sin(elevation),
    )
    scene = Scene(
        objects=objects,
        floor=floor,
        floor_half_size=(half, half) if half else None,
        walls=walls,
        # Lit floor = ambient + diffuse * sin(elevation) = brightness; floor in shadow = ambient.
        lights=(Light(direction, brightness * depth / math.sin(elevation)),),
        ambient=brightness * (1 - depth),
    )
    return scene, velocities


def sample_camera(preset: RoomPreset, rng: np.random.Generator) -> CameraPath:
    """Draws an arc around the room's centre at constant angular speed, always looking at a (slowly moving) point."""
    moment = np.linspace(0.0, 1.0, preset.frames)
    start = rng.uniform(0, 2 * math.pi)
    arc = math.radians(rng.uniform(*preset.camera_arc)) * (1 if rng.random() < 0.5 else -1)
    distance = _drift(preset.camera_distance, preset.camera_distance_change, moment, rng)
    elevation = np.radians(_drift(preset.camera_elevation, preset.camera_elevation_change, moment, rng))
    ends = [_point_in_disc(preset.look_radius, rng) for _ in range(2)]
    target = ends[0] + moment[:, None] * (ends[1] - ends[0]) + np.array([0.0, 0.0, preset.look_height])
    return arc_path(target, start + arc * moment, distance, elevation)


def sample_surface(preset: RoomPreset, rng: np.random.Generator) -> Surface:
    """Draws the look of a floor or of walls."""
    hue, saturation = rng.random(), rng.uniform(*preset.surface_saturation)
    value, contrast = rng.uniform(*preset.surface_value), rng.uniform(*preset.texture_contrast)
    return Surface(
        texture=preset.textures[rng.integers(len(preset.textures))],
        first=colorsys.hsv_to_rgb(hue, saturation, value),
        second=colorsys.hsv_to_rgb(hue, saturation, max(0.0, value - contrast)),
        seed=int(rng.integers(2**31)),
    )


def _sample_objects(
    preset: RoomPreset, num_objects: int, rng: np.random.Generator
) -> tuple[tuple[SceneObject, ...], np.ndarray] | None:
    growth = (preset.num_objects[1] / num_objects) ** preset.size_growth
    num_moving = min(num_objects, int(rng.integers(preset.num_moving[0], preset.num_moving[1] + 1)))
    # Instance numbers say nothing about motion, nor about who was placed first.
    moving = set(rng.permutation(num_objects)[:num_moving].tolist())
    objects: dict[int, SceneObject] = {}
    velocities = np.zeros((num_objects, 3))
    placed: list[tuple[np.ndarray, float]] = []
    for index in sorted(range(num_objects), key=lambda k: k not in moving):
        shape = preset.shapes[rng.integers(len(preset.shapes))]
        color = preset.colors[rng.integers(len(preset.colors))]
        brightness = rng.uniform(*preset.color_brightness)
        radius = rng.uniform(*preset.object_size) * growth
        half_extents = tuple(radius * extent for extent in SHAPES[shape])
        footprint = footprint_radius(shape, half_extents)
        yaw = rng.uniform(0, 2 * math.pi)
        found = _sample_place(preset, footprint, placed, preset.travel if index in moving else (0.0, 0.0), rng)
        if found is None:
            return None
        place, travel, heading = found
        placed.append((place, footprint))
        velocities[index, :2] = physics.push_speed(travel) * np.array([math.cos(heading), math.sin(heading)])
        objects[index] = simple_object(
            shape,
            tuple(channel * brightness for channel in COLORS[color]),
            np.tile([*place, half_extents[2]], (preset.frames, 1)),
            color_name=color,
            radius=radius,
            yaw=yaw,
        )
    return tuple(objects[index] for index in range(num_objects)), velocities


def _sample_place(
    preset: RoomPreset,
    footprint: float,
    placed: list[tuple[np.ndarray, float]],
    travel: Range,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float, float] | None:
    """Draws a place on the floor `[2]` that is free of those already placed, and length and heading of a push."""
    for _ in range(PLACEMENT_TRIES):
        distance, angle = preset.layout_radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        place = distance * np.array([math.cos(angle), math.sin(angle)])
        length, heading = rng.uniform(*travel), rng.uniform(0, 2 * math.pi)
        free = all(np.linalg.norm(place - other) >= footprint + radius + preset.min_gap for other, radius in placed)
        if free and np.linalg.norm(place) <= preset.layout_radius:
            # Within 45 degrees of the way to the middle.
            return place, length, angle + math.pi + (heading - math.pi) / 4
    return None


def _drift(values: Range, change: float, moment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first = rng.uniform(*values)
    last = min(max(first + rng.uniform(-change, change), values[0]), values[1])
    return first + moment * (last - first)


def _point_in_disc(radius: float, rng: np.random.Generator) -> np.ndarray:
    distance, angle = radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    return np.array([distance * math.cos(angle), distance * math.sin(angle), 0.0])
