"""A furnished L-shaped room full of toys through which an agent walks: the family of the paper's Playroom.

From section 4 of the paper: up to 30 objects, some of them two-toned; colour, position, size and choice of all objects
are drawn per scene and only the L-shaped layout is shared; the camera is an agent's, which is not always moving.
The original set was never published, so catalogue, proportions and policy are this project's own.
"""

import colorsys
import dataclasses
import math
from typing import ClassVar

import numpy as np

from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.fixtures import fixtures
from simone_tf.scenes.floor_plan import FloorPlan
from simone_tf.scenes.furniture import FURNITURE
from simone_tf.scenes.placement import ORDER, Furnishing
from simone_tf.scenes.preset import FINE_SIZE, Range, ScenePreset
from simone_tf.scenes.scene import RGB, Light, Scene, Surface, Wall
from simone_tf.scenes.walker import Walker, in_view

# Toys that are tried per object, and walks, before a draw is given up.
OTHERS = 8
WALKS = 20


@dataclasses.dataclass(frozen=True)
class PlayroomPreset(ScenePreset):
    """Settings of playrooms. World units are metres."""

    family: ClassVar[str] = "playroom"

    # Half the side of the square around the L.
    room_half_width: float
    # x = y of the inner corner: the square's part beyond it does not belong to the room.
    inner_corner: float
    # Height of the walls and the ceiling.
    wall_height: float

    # Furniture, keys of `furniture.FURNITURE`, and toys, keys of `toys.TOYS`, that the room may hold.
    furniture: tuple[str, ...]
    toys: tuple[str, ...]
    # Share of a clip's objects that are furniture.
    furniture_share: Range
    # Most pieces of furniture.
    max_furniture: int
    # Share of the toys that lie on furniture, where they fit; the others lie on the floor.
    toys_on_furniture: float
    # Factor on the measures of furniture (width and height drawn apart) and of toys, per object.
    furniture_size: Range
    toy_size: Range
    # Factor on an object's colours, per colour.
    color_brightness: Range

    # Looks of the floor and of the walls, keys of `textures.TEXTURES`, and their HSV saturation and value.
    floor_textures: tuple[str, ...]
    floor_saturation: Range
    floor_value: Range
    wall_textures: tuple[str, ...]
    wall_saturation: Range
    wall_value: Range
    # How much the second colour of a texture differs in HSV value from the first, per surface.
    texture_contrast: Range
    # Fewest and most windows and pictures on the walls.
    num_windows: tuple[int, int]
    num_pictures: tuple[int, int]

    # Angle of the light above the horizontal; its azimuth is uniform.
    light_elevation: Range
    # Brightness of an unshadowed white floor.
    light_brightness: Range
    # How much darker than the lit floor the floor in shadow is.
    shadow_depth: Range

    # The agent: see the fields of `walker.Walker`.
    eye_height: Range
    body_radius: float
    action_frames: tuple[int, int]
    standing_share: float
    walk_speed: Range
    turn_speed: Range
    look_speed: Range
    pitch: Range

    # A walk is drawn again when, on average over the frames, fewer objects than this have their centre within the
    # picture's borders, hidden or not.
    min_objects_ahead: float
    # Rejection rule: a clip is drawn again when fewer objects than `min_visible_objects` (or the least
    # count of `num_objects`, if that is smaller) ever cover `min_visible_fraction` of the picture, or
    min_visible_objects: int
    min_visible_fraction: float
    # when objects cover less than this fraction of all its pixels: the agent stared at a wall.
    min_mean_object_fraction: float

    @property
    def shape_names(self) -> tuple[str, ...]:
        return self.furniture + self.toys

    @property
    def plan(self) -> FloorPlan:
        """The layout of the room, the same in all clips."""
        return FloorPlan(self.room_half_width, self.inner_corner)

    @property
    def tessellation(self) -> tuple[int, int, int]:
        # Most of the rendering time goes into the corners of some hundred bodies, each a few pixels wide.
        return (20, 12, 1) if self.size <= FINE_SIZE else (28, 16, 1)

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        plan = self.plan
        trim = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.0, 0.4), rng.uniform(0.35, 0.95))
        pictures = [_vivid(rng) for _ in range(_count(self.num_pictures, rng))]
        fixed, threshold = fixtures(plan, self.wall_height, trim, pictures, _count(self.num_windows, rng), rng)
        room = Furnishing(
            plan,
            threshold,
            frames=self.frames,
            colors=self.colors,
            brightness=self.color_brightness,
            furniture_size=self.furniture_size,
            toy_size=self.toy_size,
            rng=rng,
        )
        if not self._fill(room, num_objects, rng):
            return None
        path = self._walk(room, rng)
        if path is None:
            return None
        floor = self._surface(self.floor_textures, self.floor_saturation, self.floor_value, rng)
        wall = self._surface(self.wall_textures, self.wall_saturation, self.wall_value, rng)
        light, ambient = self._light(rng)
        scene = Scene(
            # Instance numbers do not tell furniture from toys.
            objects=tuple(room.objects[k] for k in rng.permutation(num_objects)),
            floor=floor,
            floor_half_size=(self.room_half_width, self.room_half_width),
            walls=tuple(Wall(start, end, self.wall_height, wall) for start, end in plan.sides()),
            lights=(light,),
            ambient=ambient,
            fixtures=fixed,
        )
        return scene, path

    def sweep(self, path: CameraPath, views: int) -> CameraPath | None:
        """A turn on the spot at which the agent starts, which is free, at the mean of its pitches."""
        yaw = np.linspace(-math.pi, math.pi, views, endpoint=False)
        return CameraPath(np.tile(path.position[:1], (views, 1)), yaw, np.full(views, path.pitch.mean()))

    def accepts(self, segments: np.ndarray) -> bool:
        pixels = np.array([np.bincount(frame.ravel(), minlength=256) for frame in segments])[:, 1:]  # [T, N]
        best = pixels.max(axis=0) / segments[0].size
        enough = np.count_nonzero(best >= self.min_visible_fraction) >= min(
            self.min_visible_objects, self.num_objects[0]
        )
        return bool(enough and pixels.sum() >= self.min_mean_object_fraction * segments.size)

    def _fill(self, room: Furnishing, num_objects: int, rng: np.random.Generator) -> bool:
        """Puts so many objects into a room; returns whether they fitted."""
        names = []
        if self.furniture:
            weights = np.array([FURNITURE[name].weight for name in self.furniture])
            pieces = min(round(num_objects * rng.uniform(*self.furniture_share)), self.max_furniture)
            chosen = rng.choice(len(weights), pieces, p=weights / weights.sum())
            names = [self.furniture[k] for k in chosen]
        for name in sorted(names, key=lambda name: ORDER.index(FURNITURE[name].standing)):
            room.add_furniture(name)
        # Toys take the places of furniture that did not fit.
        for _ in range(OTHERS * num_objects):
            if len(room.objects) == num_objects:
                return True
            room.add_toy(self.toys[rng.integers(len(self.toys))], on_top=rng.random() < self.toys_on_furniture)
        return len(room.objects) == num_objects

    def _walk(self, room: Furnishing, rng: np.random.Generator) -> CameraPath | None:
        """Draws walks until one shows enough of the room; gives up after some."""
        walker = Walker(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Walker)})
        places = np.array([item.positions[0] for item in room.objects])
        for _ in range(WALKS):
            path = walker.walk(self.frames, room.clearance, lambda: self.plan.random_point(rng), rng)
            # What is hidden by something else counts, too: an estimate that costs no rendering.
            if path and in_view(path, places, self.field_of_view).sum(axis=1).mean() >= self.min_objects_ahead:
                return path
        return None

    def _surface(self, textures: tuple[str, ...], saturation: Range, value: Range, rng: np.random.Generator) -> Surface:
        hue, strength, light = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
        return Surface(
            texture=textures[rng.integers(len(textures))],
            first=colorsys.hsv_to_rgb(hue, strength, light),
            second=colorsys.hsv_to_rgb(hue, strength, max(0.0, light - rng.uniform(*self.texture_contrast))),
            seed=int(rng.integers(2**31)),
        )

    def _light(self, rng: np.random.Generator) -> tuple[Light, float]:
        """Draws the light and the ambient brightness."""
        azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(*self.light_elevation))
        brightness, depth = rng.uniform(*self.light_brightness), rng.uniform(*self.shadow_depth)
        flat = math.cos(elevation)
        direction = (-flat * math.cos(azimuth), -flat * math.sin(azimuth), -math.sin(elevation))
        # Lit floor = ambient + diffuse * sin(elevation) = brightness; floor in shadow = ambient.
        return Light(direction, brightness * depth / math.sin(elevation)), brightness * (1 - depth)


def _count(limits: tuple[int, int], rng: np.random.Generator) -> int:
    return int(rng.integers(limits[0], limits[1] + 1))


def _vivid(rng: np.random.Generator) -> RGB:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.5, 0.95))
