"""Shapes on a large floor under several lamps that act two at a time, seen by a fast camera: after CATER.

The look-alike of CATER with a moving camera (Girdhar and Ramanan 2020, setting max2action_cameramotion), on which the
paper reports (section 4). Each clip has one golden snitch. The camera starts at the same pose in every clip.
"""

import dataclasses
import math
from typing import ClassVar

import numpy as np

from simone_tf.scenes.actions import Action, Track
from simone_tf.scenes.camera import CameraPath, arc_path, monotone_curve
from simone_tf.scenes.preset import COLORS, FINE_SIZE, Range, ScenePreset
from simone_tf.scenes.scene import (
    SHAPES,
    Light,
    Part,
    Scene,
    SceneObject,
    Surface,
    Vector,
    footprint_radius,
    upright,
)

SNITCH, SNITCH_COLOR = "snitch", "gold"
MATERIALS = {"rubber": (0.1, 0.1), "metal": (1.0, 0.4)}  # Specular strength and shininess.
PLACEMENT_TRIES = 60
ACTION_TRIES = 12
# Moments of a slot at which what moves is kept apart from everything else.
CHECKS_PER_SLOT = 49
# The tilt (w, x) that stands the snitch's ring upright.
_UPRIGHT_RING = math.sqrt(0.5)


@dataclasses.dataclass(frozen=True)
class CaterPreset(ScenePreset):
    """Settings of CATER-like clips."""

    family: ClassVar[str] = "cater"
    shape_names: ClassVar[tuple[str, ...]] = ("sphere", "cube", "cylinder", "cone", SNITCH)

    # Radii of small, medium and large objects; the snitch is small.
    sizes: tuple[float, float, float]
    # Objects stand within this distance of the vertical axis through the origin.
    layout_radius: float
    # Least distance of the bounding cylinders of two objects, at every moment (a cone and what it holds apart).
    min_gap: float
    # Time is divided into slots of this many frames, in each of which one or two objects act.
    slot_frames: float

    # Azimuth and elevation of the camera's first place as seen from the origin, and its distance.
    camera_start: tuple[float, float, float]
    # Frames from one waypoint of the camera to the next.
    waypoint_frames: float
    # Change of azimuth from waypoint to waypoint, in either direction.
    camera_turn: Range
    # Elevation and distance at the waypoints.
    camera_elevation: Range
    camera_distance: Range
    # Height above the origin of the point that the camera looks at.
    look_height: float

    # HSV saturation and value of the floor, and how much its texture varies in value.
    floor_saturation: Range
    floor_value: Range
    floor_contrast: Range
    # Fewest and most lamps, each of which throws shadows.
    num_lights: tuple[int, int]
    # Brightness of an unshadowed white floor, and the share of it that reaches every shadow.
    brightness: Range
    ambient_share: Range

    @property
    def tessellation(self) -> tuple[int, int, int]:
        # Every lamp draws the whole scene twice, so coarser bodies pay; nobody sees it at these sizes.
        return (20, 12, 1) if self.size <= FINE_SIZE else super().tessellation

    def attributes(self):
        return [*super().attributes(), {"name": "material", "values": list(MATERIALS)}]

    def attribute_values(self, item: SceneObject) -> tuple[float, ...]:
        return *super().attribute_values(item), tuple(MATERIALS).index(item.material)

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        bodies = _sample_bodies(self, num_objects, rng)
        if bodies is None:
            return None
        _sample_actions(self, bodies, rng)
        times = np.arange(self.frames, dtype=np.float64)
        objects = tuple(body.scene_object(times) for body in bodies)
        scene = _sample_surroundings(self, objects, rng)
        return scene, _sample_camera(self, times, rng)


@dataclasses.dataclass(eq=False)
class _Body:
    """An object while its clip is planned: a bounding cylinder on a track."""

    shape: str
    color: str
    material: str
    radius: float
    half_extents: Vector
    footprint: float
    track: Track
    # What this cone stands over.
    holds: "_Body | None" = None
    held: bool = False

    def scene_object(self, times: np.ndarray) -> SceneObject:
        positions, yaw = self.track.at(times)
        quaternions = np.stack([upright(angle) for angle in yaw])
        specular, shininess = MATERIALS[self.material]
        looks = {"color": COLORS[self.color], "specular": specular, "shininess": shininess}
        if self.shape == SNITCH:
            quaternions = _UPRIGHT_RING * quaternions[:, [0, 0, 3, 3]]
            ring, core = self.radius, 0.4 * self.radius
            parts = (Part("torus", (ring, ring, 0.3 * ring), **looks), Part("sphere", (core,) * 3, **looks))
        else:
            parts = (Part(self.shape, self.half_extents, **looks),)
            if self.shape != "cube":
                quaternions[:] = quaternions[0]
        return SceneObject(parts, positions, quaternions, self.shape, self.color, self.radius, self.material)

    def can_hold(self, other: "_Body") -> bool:
        """Whether the other object fits under this one, hidden from all sides."""
        if self.shape != "cone" or self.holds or other.holds or other.held or other is self:
            return False
        width, height = self.half_extents[0], 2 * self.half_extents[2]
        if other.shape in ("sphere", SNITCH):
            slope = width / math.hypot(width, height)
            return (height - other.radius) * slope >= other.radius
        return other.footprint <= width * (1 - 2 * other.half_extents[2] / height)


def _sample_bodies(preset: CaterPreset, num_objects: int, rng: np.random.Generator) -> list[_Body] | None:
    bodies: list[_Body] = []
    snitch = int(rng.integers(num_objects))
    plain_shapes = [shape for shape in preset.shape_names if shape != SNITCH]
    plain_colors = [color for color in preset.colors if color != SNITCH_COLOR]
    for index in range(num_objects):
        if index == snitch:
            shape, color, material, radius = SNITCH, SNITCH_COLOR, "metal", preset.sizes[0]
            half_extents = (radius, radius, radius)
        else:
            shape, color = str(rng.choice(plain_shapes)), str(rng.choice(plain_colors))
            material, radius = str(rng.choice(list(MATERIALS))), float(rng.choice(preset.sizes))
            half_extents = tuple(radius * extent for extent in SHAPES[shape])
        footprint = footprint_radius(shape, half_extents)
        for _ in range(PLACEMENT_TRIES):
            place = np.array([*_point_in_disc(preset.layout_radius, rng), half_extents[2]])
            others = ((body.track.end(), body.footprint) for body in bodies)
            if all(math.dist(place[:2], at[:2]) >= footprint + width + preset.min_gap for at, width in others):
                break
        else:
            return None
        track = Track(place, rng.uniform(0, 2 * math.pi))
        bodies.append(_Body(shape, color, material, radius, half_extents, footprint, track))
    return bodies


def _sample_actions(preset: CaterPreset, bodies: list[_Body], rng: np.random.Generator) -> None:
    """Lets objects act, in one slot after the other; at most two move at a time."""
    num_slots = math.ceil((preset.frames - 1) / preset.slot_frames)
    for slot in range(num_slots):
        still_to_move = int(rng.integers(1, 3))
        moving: set[_Body] = set()
        for index in rng.permutation(len(bodies)):
            if still_to_move and not bodies[index].held and bodies[index] not in moving:
                moved = _act(preset, bodies, bodies[index], slot, still_to_move, moving, rng)
                moving |= set(moved)
                still_to_move -= len(moved)


def _act(
    preset: CaterPreset,
    bodies: list[_Body],
    body: _Body,
    slot: int,
    most: int,
    moving: set[_Body],
    rng: np.random.Generator,
) -> list[_Body]:
    """Appends a random action to the body's track; returns the bodies that move by it, none when none was possible."""
    start, end = preset.slot_frames * np.array([slot, slot + 1])
    times = np.linspace(start, end, CHECKS_PER_SLOT)
    start += preset.slot_frames * rng.uniform(0.0, 0.2)
    end -= preset.slot_frames * rng.uniform(0.0, 0.2)
    for _ in range(ACTION_TRIES):
        kinds = ["slide", "pick_place"]
        if body.shape in ("cube", SNITCH):
            kinds.append("rotate")
        targets = [other for other in bodies if body.can_hold(other) and other not in moving]
        if targets:
            kinds += ["contain"] * 3
        kind = str(rng.choice(kinds))
        if kind == "rotate":
            turn = rng.uniform(math.pi / 3, math.pi) * (1 if rng.random() < 0.5 else -1)
            body.track.actions.append(Action(start, end, turn=turn))
            return [body]
        place = body.track.end()
        target = targets[rng.integers(len(targets))] if kind == "contain" else None
        goal = target.track.end()[:2] if target else _point_in_disc(preset.layout_radius, rng)
        # Over everything on the floor.
        lift = max(2 * other.half_extents[2] for other in bodies) + 2 * preset.min_gap if kind != "slide" else 0.0
        # What is carried along.
        group = [body, body.holds] if kind == "slide" and body.holds else [body]
        action = Action(start, end, (float(goal[0] - place[0]), float(goal[1] - place[1])), lift)
        if len(group) > most:
            continue
        for member in group:
            member.track.actions.append(action)
        # A cone meets what it comes to hold or held, but does not come down halfway over the latter.
        close = kind == "pick_place" and body.holds and math.dist(goal, place[:2]) < 2 * body.footprint + preset.min_gap
        apart = [other for other in bodies if other not in (body, target, body.holds)]
        if not close and _stays_apart(body, apart, times, preset.min_gap):
            if target:
                body.holds, target.held = target, True
            elif kind == "pick_place" and body.holds:
                body.holds.held, body.holds = False, None
            return group
        for member in group:
            member.track.actions.pop()
    return []


def _stays_apart(body: _Body, others: list[_Body], times: np.ndarray, gap: float) -> bool:
    """Whether the bounding cylinders keep their distance at all times, beside or above each other."""
    path, _ = body.track.at(times)
    for other in others:
        offset = np.abs(other.track.at(times)[0] - path)
        beside = np.hypot(offset[:, 0], offset[:, 1]) >= body.footprint + other.footprint + gap
        above = offset[:, 2] >= body.half_extents[2] + other.half_extents[2] + gap
        if not (beside | above).all():
            return False
    return True


def _sample_surroundings(preset: CaterPreset, objects: tuple[SceneObject, ...], rng: np.random.Generator) -> Scene:
    hue, saturation = rng.random(), rng.uniform(*preset.floor_saturation)
    value, contrast = rng.uniform(*preset.floor_value), rng.uniform(*preset.floor_contrast)
    tint = 1 - saturation * np.abs((hue + np.arange(3) / 3) % 1 - 0.5) * 2
    brightness, share = rng.uniform(*preset.brightness), rng.uniform(*preset.ambient_share)
    num_lights = int(rng.integers(preset.num_lights[0], preset.num_lights[1] + 1))
    weights = rng.uniform(0.6, 1.0, num_lights)
    first = rng.uniform(0, 2 * math.pi)
    lights = []
    for k, weight in enumerate(weights / weights.sum()):
        # The lamps stand around the scene, so that the shadows fall to different sides.
        azimuth = first + 2 * math.pi * (k + rng.uniform(-0.2, 0.2)) / num_lights
        elevation = math.radians(rng.uniform(42.0, 65.0))
        flat = math.cos(elevation)
        direction = (-flat * math.cos(azimuth), -flat * math.sin(azimuth), -math.sin(elevation))
        lights.append(Light(direction, float(brightness * (1 - share) * weight / math.sin(elevation))))
    return Scene(
        objects=objects,
        floor=Surface("noise", tuple(value * tint), tuple((value - contrast) * tint), seed=int(rng.integers(2**31))),
        floor_half_size=None,
        walls=(),
        lights=tuple(lights),
        ambient=brightness * share,
    )


def _sample_camera(preset: CaterPreset, times: np.ndarray, rng: np.random.Generator) -> CameraPath:
    azimuth, elevation, distance = ([value] for value in preset.camera_start)
    knots = [0.0]
    while knots[-1] < times[-1] or len(knots) < 2:
        knots.append(knots[-1] + preset.waypoint_frames * rng.uniform(0.8, 1.2))
        azimuth.append(azimuth[-1] + rng.uniform(*preset.camera_turn) * (1 if rng.random() < 0.5 else -1))
        elevation.append(rng.uniform(*preset.camera_elevation))
        distance.append(rng.uniform(*preset.camera_distance))
    curves = [monotone_curve(np.array(knots), np.array(values), times) for values in (azimuth, elevation, distance)]
    target = np.tile([0.0, 0.0, preset.look_height], (len(times), 1))
    return arc_path(target, np.radians(curves[0]), curves[2], np.radians(curves[1]))


def _point_in_disc(radius: float, rng: np.random.Generator) -> np.ndarray:
    distance, angle = radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    return np.array([distance * math.cos(angle), distance * math.sin(angle)])
