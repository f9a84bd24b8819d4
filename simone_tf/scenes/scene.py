"""What a generated scene consists of: objects of one or more parts on their paths, floor, walls, fixtures and lights.

The world frame is right-handed with z up and the floor at z = 0. Samplers (`room`, `cater`, `playroom`) make scenes,
`mjcf` and `render` draw them.
"""

import dataclasses
import math

import numpy as np

RGB = tuple[float, float, float]
Vector = tuple[float, float, float]

# Shape -> half extents (x, y, z) of an object of radius 1, chosen so that all shapes show a similar area.
SHAPES: dict[str, Vector] = {
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


@dataclasses.dataclass(frozen=True)
class Part:
    """One body of simple shape and one colour."""

    # Key of SHAPES; its half extents follow.
    shape: str
    half_extents: Vector
    color: RGB
    # Centre of the part's bounding box in the frame of its object (of the world for a fixture).
    offset: Vector = (0.0, 0.0, 0.0)
    # Rotation about its vertical axis, radians.
    yaw: float = 0.0
    # Strength and sharpness of its highlights, in [0, 1]; None for the preset's strength.
    specular: float | None = None
    shininess: float = 0.3


@dataclasses.dataclass(frozen=True)
class SceneObject:
    """One object: one instance number, however many parts it has.

    `positions` `[T, 3]` are those of the origin of the parts' frame, which is the centre of the object's bounding box;
    `quaternions` `[T, 4]` (w, x, y, z) turn the parts' frame. `shape`, `color` and `size` are what the object's
    attributes say: a shape name, a colour name and a radius in world units.
    """

    parts: tuple[Part, ...]
    positions: np.ndarray
    quaternions: np.ndarray
    shape: str
    color: str
    size: float
    # Name of what it is made of, in families that tell materials apart.
    material: str = ""

    @property
    def moving(self) -> bool:
        """Whether the object moves in the world."""
        return bool(np.ptp(self.positions, axis=0).any() or np.ptp(self.quaternions, axis=0).any())

    @property
    def reach(self) -> float:
        """Radius of a sphere around the object's origin that holds all parts."""
        return max(float(np.linalg.norm(part.offset) + np.linalg.norm(part.half_extents)) for part in self.parts)


@dataclasses.dataclass(frozen=True)
class Surface:
    """The look of the floor or of a wall; the arguments of `textures.texture_png`."""

    texture: str
    first: RGB
    second: RGB
    seed: int


@dataclasses.dataclass(frozen=True)
class Wall:
    """An upright wall over the floor from `start` to `end` (x, y), drawn on the side to the right of that way only."""

    start: tuple[float, float]
    end: tuple[float, float]
    height: float
    surface: Surface


@dataclasses.dataclass(frozen=True)
class Light:
    """Parallel light that throws shadows: unit vector in which it travels, and brightness of what faces it."""

    direction: Vector
    diffuse: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """Everything the renderer draws, except the camera.

    A surface shows its colour times `ambient` + sum over the lights of diffuse * cos(angle to the light).
    """

    objects: tuple[SceneObject, ...]
    floor: Surface
    # Half the floor's sides (x, y); None for an endless floor.
    floor_half_size: tuple[float, float] | None
    walls: tuple[Wall, ...]
    lights: tuple[Light, ...]
    ambient: float
    # Background that is neither floor nor wall, in the frame of the world: never an instance, never moving. Like walls,
    # fixtures throw no shadow.
    fixtures: tuple[Part, ...] = ()
    # Colour behind everything where there are no walls, None for black.
    sky: RGB | None = None
    # Opening angle of this clip's camera in degrees, None for the preset's.
    field_of_view: float | None = None

    def positions(self) -> np.ndarray:
        """Returns the objects' centres, `[T, N, 3] float64`."""
        return np.stack([item.positions for item in self.objects], axis=1)

    def quaternions(self) -> np.ndarray:
        """Returns the objects' rotations, `[T, N, 4] float64`."""
        return np.stack([item.quaternions for item in self.objects], axis=1)

    def clearance(self, points: np.ndarray) -> float:
        """Least distance of points `[T, 3]`, one per frame, from the objects' bounding spheres; negative inside."""
        radii = np.array([item.reach for item in self.objects])
        return float((np.linalg.norm(self.positions() - points[:, None], axis=-1) - radii).min())


def simple_object(
    shape: str, color: RGB, positions: np.ndarray, *, color_name: str, radius: float, yaw: float = 0.0
) -> SceneObject:
    """An object of one part of a given radius that goes along `positions` `[T, 3]` without turning."""
    half_extents = tuple(radius * extent for extent in SHAPES[shape])
    return SceneObject(
        parts=(Part(shape, half_extents, color),),
        positions=positions,
        quaternions=np.broadcast_to(upright(yaw), (len(positions), 4)),
        shape=shape,
        color=color_name,
        size=radius,
    )


def upright(yaw: float) -> np.ndarray:
    """The quaternion (w, x, y, z) of a turn about the vertical axis."""
    return np.array([math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)])


def footprint_radius(shape: str, half_extents: Vector) -> float:
    """Radius of the circle around a part seen from above."""
    x, y, _ = half_extents
    return math.hypot(x, y) if shape in WITH_CORNERS else max(x, y)
