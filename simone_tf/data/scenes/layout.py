"""What stands where in a generated scene: objects, floor, walls and light, drawn from a preset."""

import colorsys
import dataclasses
import math

import numpy as np

from simone_tf.data.scenes.presets import RGB, Range, ScenePreset

# Shape -> half extents (x, y, z) of an object of radius 1, chosen so that all shapes show a similar area.
SHAPES: dict[str, tuple[float, float, float]] = {
    "sphere": (1.0, 1.0, 1.0),
    "cube": (0.8, 0.8, 0.8),
    "cylinder": (0.87, 0.87, 0.87),
    "cone": (1.0, 1.0, 1.1),
    "capsule": (0.7, 0.7, 1.3),
    "disc": (1.15, 1.15, 0.55),
    "pillar": (0.6, 0.6, 1.3),
    "pyramid": (1.0, 1.0, 1.0),
    "torus": (1.3, 1.3, 0.4),
}
WITH_CORNERS = frozenset({"cube", "pillar"})
PLACEMENT_TRIES = 50
# Sliding objects are kept apart at this many moments, whatever the number of frames.
MOMENTS = np.linspace(0.0, 1.0, 33)


@dataclasses.dataclass(frozen=True)
class SceneObject:
    """One object standing on the floor (z = 0)."""

    shape: str
    half_extents: tuple[float, float, float]
    color: RGB
    # Rotation about the vertical axis, radians.
    yaw: float
    # Centre of the object's bounding box at the first frame.
    start: tuple[float, float, float]
    # Its displacement from the first to the last frame.
    displacement: tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Surface:
    """The look of the floor or of a wall; the arguments of `textures.texture_png`."""

    texture: str
    first: RGB
    second: RGB
    seed: int


@dataclasses.dataclass(frozen=True)
class Scene:
    """Everything the renderer draws, except the camera."""

    objects: tuple[SceneObject, ...]
    floor: Surface
    # All four walls look alike; None without a room.
    walls: Surface | None
    # Unit vector in which the light travels.
    light_direction: tuple[float, float, float]
    # A surface shows its colour times ambient + diffuse * cos(angle to the light); only ambient in shadow.
    ambient: float
    diffuse: float

    def positions(self, frames: int) -> np.ndarray:
        """Returns the objects' centres, `[T, N, 3] float64`."""
        start = np.array([item.start for item in self.objects])
        displacement = np.array([item.displacement for item in self.objects])
        return start + np.linspace(0.0, 1.0, frames)[:, None, None] * displacement

    def clearance(self, points: np.ndarray) -> float:
        """Least distance of points `[T, 3]`, one per frame, from the objects' bounding spheres; negative inside."""
        radii = np.array([np.linalg.norm(item.half_extents) for item in self.objects])
        return float((np.linalg.norm(self.positions(len(points)) - points[:, None], axis=-1) - radii).min())


def sample_scene(preset: ScenePreset, num_objects: int, rng: np.random.Generator) -> Scene | None:
    """Draws a scene, or returns None when the objects did not fit without overlap."""
    objects = _sample_objects(preset, num_objects, rng)
    if objects is None:
        return None
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(*preset.light_elevation))
    brightness, depth = rng.uniform(*preset.light_brightness), rng.uniform(*preset.shadow_depth)
    return Scene(
        objects=objects,
        floor=_sample_surface(preset, rng),
        walls=_sample_surface(preset, rng) if preset.room_half_width else None,
        light_direction=(
            -math.cos(elevation) * math.cos(azimuth),
            -math.cos(elevation) * math.sin(azimuth),
            -math.sin(elevation),
        ),
        # Lit floor = ambient + diffuse * sin(elevation) = brightness; floor in shadow = ambient.
        ambient=brightness * (1 - depth),
        diffuse=brightness * depth / math.sin(elevation),
    )


def footprint_radius(shape: str, half_extents: tuple[float, float, float]) -> float:
    """Radius of the circle around an object seen from above."""
    x, y, _ = half_extents
    return math.hypot(x, y) if shape in WITH_CORNERS else max(x, y)


def _sample_surface(preset: ScenePreset, rng: np.random.Generator) -> Surface:
    hue, saturation = rng.random(), rng.uniform(*preset.surface_saturation)
    value, contrast = rng.uniform(*preset.surface_value), rng.uniform(*preset.texture_contrast)
    return Surface(
        texture=preset.textures[rng.integers(len(preset.textures))],
        first=colorsys.hsv_to_rgb(hue, saturation, value),
        second=colorsys.hsv_to_rgb(hue, saturation, max(0.0, value - contrast)),
        seed=int(rng.integers(2**31)),
    )


def _sample_objects(preset: ScenePreset, num_objects: int, rng: np.random.Generator) -> tuple[SceneObject, ...] | None:
    growth = (preset.num_objects[1] / num_objects) ** preset.size_growth
    num_moving = min(num_objects, int(rng.integers(preset.num_moving[0], preset.num_moving[1] + 1)))
    # Instance numbers say nothing about motion; big movers find room because they are placed first.
    moving = set(rng.permutation(num_objects)[:num_moving].tolist())
    objects: dict[int, SceneObject] = {}
    placed: list[tuple[np.ndarray, float]] = []
    for index in sorted(range(num_objects), key=lambda k: k not in moving):
        shape = preset.shapes[rng.integers(len(preset.shapes))]
        color = preset.colors[rng.integers(len(preset.colors))]
        brightness = rng.uniform(*preset.color_brightness)
        radius = rng.uniform(*preset.object_size) * growth
        half_extents = tuple(radius * extent for extent in SHAPES[shape])
        footprint = footprint_radius(shape, half_extents)
        yaw = rng.uniform(0, 2 * math.pi)
        way = _sample_way(preset, footprint, placed, preset.travel if index in moving else (0.0, 0.0), rng)
        if way is None:
            return None
        placed.append((way, footprint))
        objects[index] = SceneObject(
            shape=shape,
            half_extents=half_extents,
            color=tuple(channel * brightness for channel in color),
            yaw=yaw,
            start=(*way[0].tolist(), half_extents[2]),
            displacement=(*(way[-1] - way[0]).tolist(), 0.0),
        )
    return tuple(objects[index] for index in range(num_objects))


def _sample_way(
    preset: ScenePreset,
    footprint: float,
    placed: list[tuple[np.ndarray, float]],
    travel: Range,
    rng: np.random.Generator,
) -> np.ndarray | None:
    """Draws where an object is on the floor at each of MOMENTS, `[33, 2]`, free of those already placed."""
    for _ in range(PLACEMENT_TRIES):
        distance, angle = preset.layout_radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        start = distance * np.array([math.cos(angle), math.sin(angle)])
        length, heading = rng.uniform(*travel), rng.uniform(0, 2 * math.pi)
        way = start + MOMENTS[:, None] * length * np.array([math.cos(heading), math.sin(heading)])
        free = all(
            np.linalg.norm(way - other, axis=1).min() >= footprint + radius + preset.min_gap for other, radius in placed
        )
        if free and np.linalg.norm(way[-1]) <= preset.layout_radius:
            return way
    return None
