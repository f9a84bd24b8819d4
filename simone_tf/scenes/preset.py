"""What every family of generated clips has in common, and what those have that show a rendered scene."""

import abc
import dataclasses
from typing import Any, ClassVar

import numpy as np

from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.scene import RGB, Scene, SceneObject

Range = tuple[float, float]

# Name -> colour. The first eight are far apart in hue and strongly saturated, so that two different names never look
# alike under the light variation.
COLORS: dict[str, RGB] = {
    "red": (0.90, 0.08, 0.08),
    "orange": (1.00, 0.50, 0.02),
    "yellow": (0.95, 0.90, 0.08),
    "green": (0.10, 0.72, 0.12),
    "cyan": (0.08, 0.85, 0.85),
    "blue": (0.08, 0.18, 0.95),
    "purple": (0.50, 0.08, 0.75),
    "pink": (1.00, 0.30, 0.80),
    "brown": (0.45, 0.25, 0.10),
    "black": (0.12, 0.12, 0.14),
    "white": (0.92, 0.92, 0.92),
    "lime": (0.55, 0.85, 0.15),
    "gray": (0.34, 0.34, 0.34),
    "gold": (0.95, 0.70, 0.12),
}
SATURATED_COLORS = tuple(COLORS)[:8]
# Frames above this size are supersampled less, which costs as much and shows as little, and have a finer shadow map.
FINE_SIZE = 96


@dataclasses.dataclass(frozen=True)
class ClipPreset(abc.ABC):
    """Settings that every family has.

    Variants are made with `dataclasses.replace(preset, frames=8)`. Each family has a field `num_objects`, the fewest
    and most objects of a clip, both included.
    """

    family: ClassVar[str]
    # Clip fields that it gives, in the order of `data.clip.FIELDS`.
    fields: ClassVar[tuple[str, ...]]
    # Whether clips are drawn by the renderer, which has to be installed.
    is_rendered: ClassVar[bool]

    # Name, as given to `make_dataset --preset`.
    name: str
    # Number of frames of a clip, T.
    frames: int
    # Height and width of a frame in pixels.
    size: int

    @abc.abstractmethod
    def attributes(self) -> list[dict[str, Any]]:
        """The columns of `object_attributes`: name, and the names of its values where they are categories."""

    @abc.abstractmethod
    def at_size(self, size: int) -> "ClipPreset":
        """The preset at another frame size."""

    def sweep(self, path: CameraPath, views: int) -> CameraPath | None:
        """Cameras all around a drawn scene, their yaw evenly spaced in [-pi, pi); None where a family has none.

        Args:
          path: of the clip, from the same draw.
          views: number of cameras.
        """
        return None


@dataclasses.dataclass(frozen=True)
class FlatPreset(ClipPreset):
    """Settings of pictures that are put together pixel by pixel, without a scene in space, a camera or a renderer."""

    fields: ClassVar[tuple[str, ...]] = (
        "video",
        "segments",
        "object_visible",
        "object_moving",
        "object_attributes",
    )
    is_rendered: ClassVar[bool] = False

    @abc.abstractmethod
    def draw(self, num_objects: int, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
        """Draws a clip with the family's `fields`, see `generate.generate_clip`; None when this draw does not fit."""


@dataclasses.dataclass(frozen=True)
class ScenePreset(ClipPreset):
    """Settings of scenes that are rendered.

    Lengths are in world units, angles in degrees, colours and brightness in [0, 1]. A pair `(low, high)` is a range
    from which one value is drawn uniformly per clip (per object where the comment says so).
    """

    fields: ClassVar[tuple[str, ...]] = (
        "video",
        "segments",
        "camera",
        "object_positions",
        "object_visible",
        "object_moving",
        "object_attributes",
    )
    is_rendered: ClassVar[bool] = True

    # Vertical (and horizontal) opening angle of the pinhole camera.
    field_of_view: float
    # Each frame is rendered this many times larger and box-averaged; masks are sampled at pixel centres.
    supersampling: int
    # Side of the shadow map in texels (the renderer's own default of 4096 is five times slower on a CPU).
    shadow_map: int
    # Distance from the origin up to which the shadow map reaches; it has to cover all floor in view.
    shadow_reach: float
    # Strength of the highlights on objects.
    specular: float

    # Fewest and most objects of a clip, both included.
    num_objects: tuple[int, int]
    # Object colours, keys of COLORS, drawn independently per object, so that equal colours occur as chance has it.
    colors: tuple[str, ...]

    # Rejection rule: a clip is drawn again (attempt number folded into its seed) when in any frame more than
    # `max_object_fraction` of the pixels belong to objects, or
    max_object_fraction: float
    # an object covers less than this fraction of the picture, or
    min_object_fraction: float
    # (if true) an object touches the border of the picture.
    objects_inside_view: bool

    @property
    @abc.abstractmethod
    def shape_names(self) -> tuple[str, ...]:
        """The shapes that objects of this family can have, as their attribute `shape` numbers them."""

    @abc.abstractmethod
    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        """Draws a scene of `frames` moments and the camera's path, or returns None when this draw does not fit."""

    @property
    def tessellation(self) -> tuple[int, int, int]:
        """Slices and stacks of round bodies, and squares along the side of a box, of which the renderer makes them."""
        return (28, 16, 4)

    def accepts(self, segments: np.ndarray) -> bool:
        """Whether a drawn clip's masks `[T, H, W]` keep the family's own rejection rule, beside that of all presets."""
        return True

    def develop(self, video: np.ndarray) -> np.ndarray:
        """Rendered frames `[T, H, W, 3] uint8` as the camera gives them out, which may have colours of its own."""
        return video

    def attributes(self) -> list[dict[str, Any]]:
        """The columns of `object_attributes`: name, and the names of its values where they are categories."""
        return [
            {"name": "shape", "values": list(self.shape_names)},
            {"name": "color", "values": list(self.colors)},
            {"name": "size"},
        ]

    def attribute_values(self, item: SceneObject) -> tuple[float, ...]:
        """An object's numbers in those columns."""
        return self.shape_names.index(item.shape), self.colors.index(item.color), item.size

    def at_size(self, size: int) -> "ScenePreset":
        """The preset at another frame size, with as much antialiasing and shadow detail as its pixels can show."""
        return dataclasses.replace(
            self,
            size=size,
            supersampling=self.supersampling if size <= FINE_SIZE else min(self.supersampling, 2),
            shadow_map=self.shadow_map if size <= FINE_SIZE else max(self.shadow_map, 1024),
        )


def preset_to_json(preset: ClipPreset) -> dict[str, Any]:
    """Returns the preset as a JSON-able dict, for a dataset's sidecar."""
    return {"family": preset.family, **dataclasses.asdict(preset)}
