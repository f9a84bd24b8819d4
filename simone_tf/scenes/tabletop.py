"""Small bodies that fall, roll and knock into each other on an open floor, seen by a camera that is still or nearly so.

In the manner of Kubric's MOVi-A and MOVi-B (Greff et al., 2022): 3 to 10 plain shapes, dull or shiny, thrown roughly
towards the middle, some lying there already. Measures, speeds and light are this project's own, and vary more widely.
"""

import colorsys
import dataclasses
import math
from typing import ClassVar

import numpy as np

from simone_tf.scenes import physics
from simone_tf.scenes.camera import CameraPath, arc_path
from simone_tf.scenes.preset import COLORS, Range, ScenePreset
from simone_tf.scenes.scene import RGB, SHAPES, Light, Part, Scene, SceneObject, Surface, footprint_radius, upright

MATERIALS = {"rubber": (0.05, 0.1), "metal": (0.9, 0.5)}  # Specular strength and shininess.
PLACEMENT_TRIES = 60
# The camera keeps this far from every object, in world units.
CAMERA_CLEARANCE = 0.5


@dataclasses.dataclass(frozen=True)
class TabletopPreset(ScenePreset):
    """Settings of thrown and lying objects."""

    family: ClassVar[str] = "tabletop"

    # Shapes, drawn independently per object; keys of `scene.SHAPES`.
    shapes: tuple[str, ...]
    # Factor on an object's colour, per object, and how far its hue may turn either way (1 is once around).
    color_brightness: Range
    hue_jitter: float
    # Radius of an object, per object.
    object_size: Range
    # Share of a clip's objects that are thrown; the others lie on the floor.
    thrown_share: Range
    # First places are within this distance of the vertical axis through the origin; those thrown in this range of
    # heights above the floor.
    layout_radius: float
    throw_height: Range
    # Least free space between the bounding spheres of two objects in the first frame.
    min_gap: float
    # Horizontal and vertical speed of a throw, which goes to within 60 degrees of the middle, and its turns in radians
    # per second about each axis, per object.
    throw_speed: Range
    fall_speed: Range
    spin: float
    # Share of its speed that a body keeps when it bounces, and its friction, per clip.
    bounce: Range
    friction: Range

    # Factor on the opening angle of the camera, per clip.
    lens: Range
    # Share of clips in which the camera stands still; azimuth that it travels in the others, in either direction.
    still_share: float
    camera_arc: Range
    # Distance from the camera to the point it looks at, and its angle above the horizontal.
    camera_distance: Range
    camera_elevation: Range
    # The point looked at lies within this distance of the axis, at a height in this range.
    look_radius: float
    look_height: Range

    # Share of clips whose floor is grey; HSV saturation of the others and value of all, and how much the texture's
    # second colour differs in value.
    grey_share: float
    textures: tuple[str, ...]
    floor_saturation: Range
    floor_value: Range
    texture_contrast: Range
    # Fewest and most lamps, each of which throws shadows, and the angles at which they stand above the horizontal.
    num_lights: tuple[int, int]
    light_elevation: Range
    # Brightness of an unshadowed white floor, and the share of it that reaches every shadow.
    brightness: Range
    ambient_share: Range

    # Rejection rule: a clip is drawn again when fewer objects than this cover `min_visible_fraction` of the picture in
    # its middle frame.
    min_visible_objects: int
    min_visible_fraction: float

    @property
    def shape_names(self) -> tuple[str, ...]:
        return self.shapes

    def attributes(self):
        return [*super().attributes(), {"name": "material", "values": list(MATERIALS)}]

    def attribute_values(self, item: SceneObject) -> tuple[float, ...]:
        return *super().attribute_values(item), tuple(MATERIALS).index(item.material)

    def accepts(self, segments: np.ndarray) -> bool:
        middle = np.bincount(segments[len(segments) // 2].ravel(), minlength=256)[1:]
        return np.count_nonzero(middle >= self.min_visible_fraction * segments[0].size) >= self.min_visible_objects

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        thrown = round(num_objects * rng.uniform(*self.thrown_share))
        objects, throws = [], []
        for flies in rng.permutation(np.arange(num_objects) < thrown):
            item = _sample_object(self, rng)
            found = _sample_place(self, item, bool(flies), objects, rng)
            if found is None:
                return None
            item, throw = found
            objects.append(item)
            throws.append(throw)
        path = _sample_camera(self, rng)
        scene = _sample_surroundings(self, tuple(objects), rng)
        matter = physics.Matter(friction=rng.uniform(*self.friction), bounce=rng.uniform(*self.bounce))
        velocities, spins = (np.array(parts) for parts in zip(*throws, strict=True))
        scene = physics.simulate(scene, self, velocities, spins, matter)
        return None if scene is None or scene.clearance(path.position) < CAMERA_CLEARANCE else (scene, path)


def _sample_object(preset: TabletopPreset, rng: np.random.Generator) -> SceneObject:
    """A body at the origin."""
    shape = preset.shapes[rng.integers(len(preset.shapes))]
    color = preset.colors[rng.integers(len(preset.colors))]
    material = list(MATERIALS)[rng.integers(len(MATERIALS))]
    radius = rng.uniform(*preset.object_size)
    specular, shininess = MATERIALS[material]
    look = _turned(COLORS[color], rng.uniform(-1, 1) * preset.hue_jitter, rng.uniform(*preset.color_brightness))
    half_extents = tuple(radius * extent for extent in SHAPES[shape])
    part = Part(shape, half_extents, look, specular=specular, shininess=shininess)
    still = np.zeros((preset.frames, 3)), np.broadcast_to(upright(0.0), (preset.frames, 4))
    return SceneObject((part,), *still, shape, color, radius, material)


def _sample_place(
    preset: TabletopPreset, item: SceneObject, flies: bool, others: list[SceneObject], rng: np.random.Generator
) -> tuple[SceneObject, tuple[np.ndarray, np.ndarray]] | None:
    """The body at a free place in the first frame, and with which velocity and spin `[3]` it goes off from there."""
    (part,) = item.parts
    for _ in range(PLACEMENT_TRIES):
        distance, azimuth = preset.layout_radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
        heading = azimuth + math.pi + rng.uniform(-math.pi, math.pi) / 3
        speed, fall = rng.uniform(*preset.throw_speed), rng.uniform(*preset.fall_speed)
        height = item.reach + rng.uniform(*preset.throw_height) if flies else part.half_extents[2]
        place = np.array([distance * math.cos(azimuth), distance * math.sin(azimuth), height])
        reach = item.reach if flies else max(footprint_radius(part.shape, part.half_extents), part.half_extents[2])
        if all(math.dist(place, other.positions[0]) >= reach + other.reach + preset.min_gap for other in others):
            break
    else:
        return None
    turn = rng.normal(size=4) if flies else upright(rng.uniform(0, 2 * math.pi))
    item = dataclasses.replace(
        item,
        positions=np.broadcast_to(place, item.positions.shape),
        quaternions=np.broadcast_to(turn / np.linalg.norm(turn), item.quaternions.shape),
    )
    if not flies:
        return item, (np.zeros(3), np.zeros(3))
    velocity = np.array([speed * math.cos(heading), speed * math.sin(heading), -fall])
    return item, (velocity, rng.uniform(-preset.spin, preset.spin, 3))


def _sample_surroundings(preset: TabletopPreset, objects: tuple[SceneObject, ...], rng: np.random.Generator) -> Scene:
    hue, value = rng.random(), rng.uniform(*preset.floor_value)
    saturation = 0.0 if rng.random() < preset.grey_share else rng.uniform(*preset.floor_saturation)
    contrast = rng.uniform(*preset.texture_contrast)
    floor = colorsys.hsv_to_rgb(hue, saturation, value)
    brightness, share = rng.uniform(*preset.brightness), rng.uniform(*preset.ambient_share)
    weights = rng.uniform(0.5, 1.0, int(rng.integers(preset.num_lights[0], preset.num_lights[1] + 1)))
    first = rng.uniform(0, 2 * math.pi)
    lights = []
    for k, weight in enumerate(weights / weights.sum()):
        azimuth = first + 2 * math.pi * (k + rng.uniform(-0.3, 0.3)) / len(weights)
        elevation = math.radians(rng.uniform(*preset.light_elevation))
        flat = math.cos(elevation)
        direction = (-flat * math.cos(azimuth), -flat * math.sin(azimuth), -math.sin(elevation))
        lights.append(Light(direction, float(brightness * (1 - share) * weight / math.sin(elevation))))
    return Scene(
        objects=objects,
        floor=Surface(
            texture=preset.textures[rng.integers(len(preset.textures))],
            first=floor,
            second=colorsys.hsv_to_rgb(hue, saturation, max(0.0, value - contrast)),
            seed=int(rng.integers(2**31)),
        ),
        floor_half_size=None,
        walls=(),
        lights=tuple(lights),
        ambient=brightness * share,
        # The floor far away and what is behind it look alike, as in a studio.
        sky=tuple(min(1.0, brightness * channel) for channel in floor),
        field_of_view=preset.field_of_view * rng.uniform(*preset.lens),
    )


def _sample_camera(preset: TabletopPreset, rng: np.random.Generator) -> CameraPath:
    moment = np.linspace(0.0, 1.0, preset.frames)
    start = rng.uniform(0, 2 * math.pi)
    arc = math.radians(rng.uniform(*preset.camera_arc)) * (1 if rng.random() < 0.5 else -1)
    if rng.random() < preset.still_share:
        arc = 0.0
    distance, azimuth = preset.look_radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    target = np.array([distance * math.cos(azimuth), distance * math.sin(azimuth), rng.uniform(*preset.look_height)])
    constant = np.ones(preset.frames)
    return arc_path(
        np.tile(target, (preset.frames, 1)),
        start + arc * moment,
        rng.uniform(*preset.camera_distance) * constant,
        math.radians(rng.uniform(*preset.camera_elevation)) * constant,
    )


def _turned(color: RGB, turn: float, brightness: float) -> RGB:
    hue, saturation, value = colorsys.rgb_to_hsv(*color)
    return colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, min(1.0, value * brightness))
