"""Presets of the procedural scene generator: everything that decides what a generated video looks like.

Lengths are in world units, angles in degrees, colours and brightness in [0, 1]. A pair `(low, high)` is a range from
which one value is drawn uniformly per clip (per object where the comment says so). Variants are made with
`dataclasses.replace(PRESETS["quickstart"], frames=8)`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

Range = tuple[float, float]
RGB = tuple[float, float, float]

# Far apart in hue and strongly saturated, so that two different names never look alike under the light variation.
SATURATED_COLORS: tuple[RGB, ...] = (
    (0.90, 0.08, 0.08),  # red
    (1.00, 0.50, 0.02),  # orange
    (0.95, 0.90, 0.08),  # yellow
    (0.10, 0.72, 0.12),  # green
    (0.08, 0.85, 0.85),  # cyan
    (0.08, 0.18, 0.95),  # blue
    (0.50, 0.08, 0.75),  # purple
    (1.00, 0.30, 0.80),  # pink
)
MANY_COLORS: tuple[RGB, ...] = (
    *SATURATED_COLORS,
    (0.45, 0.25, 0.10),  # brown
    (0.12, 0.12, 0.14),  # black
    (0.92, 0.92, 0.92),  # white
    (0.55, 0.85, 0.15),  # lime
)


@dataclasses.dataclass(frozen=True)
class ScenePreset:
    """All settings of a family of generated scenes."""

    # Name, as given to `make_dataset --preset`.
    name: str
    # Number of frames of a clip, T.
    frames: int
    # Height and width of a frame in pixels.
    size: int
    # Vertical (and horizontal) opening angle of the pinhole camera.
    field_of_view: float
    # Each frame is rendered this many times larger and box-averaged; masks are sampled at pixel centres.
    supersampling: int
    # Side of the shadow map in texels (the renderer's own default of 4096 is five times slower on a CPU).
    shadow_map: int
    # Distance from the origin up to which the shadow map reaches; it has to cover all floor in view.
    shadow_reach: float

    # Fewest and most objects of a clip, both included.
    num_objects: tuple[int, int]
    # Shapes, drawn independently per object; keys of `layout.SHAPES`.
    shapes: tuple[str, ...]
    # Object colours, drawn independently per object, so that equal colours occur as chance has it.
    colors: tuple[RGB, ...]
    # Factor on an object's colour, per object.
    color_brightness: Range
    # Radius of an object at the largest count, per object.
    object_size: Range
    # Sizes are multiplied by (largest count / count) ** this; 0.5 keeps the total area alike for every count.
    size_growth: float
    # Object centres lie within this distance of the vertical axis through the origin.
    layout_radius: float
    # Least free floor between the bounding circles of two objects, at every moment.
    min_gap: float
    # Fewest and most objects of a clip that slide straight over the floor at constant speed.
    num_moving: tuple[int, int]
    # Way a sliding object goes from the first to the last frame, per object.
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
    # Strength of the highlights on objects.
    specular: float

    # Rejection rule: a clip is drawn again (attempt number folded into its seed) when in any frame more than
    # `max_object_fraction` of the pixels belong to objects, or
    max_object_fraction: float
    # an object covers less than this fraction of the picture, or
    min_object_fraction: float
    # (if true) an object touches the border of the picture.
    objects_inside_view: bool


# The easiest family that still needs the method: equal colours, shadows, changing light and a moving camera, but few,
# big, unmistakable objects on a plain floor. 12 of 24 x 24 pixels is the least an object shows.
QUICKSTART = ScenePreset(
    name="quickstart",
    frames=4,
    size=24,
    field_of_view=40.0,
    supersampling=4,
    shadow_map=512,
    shadow_reach=12.0,
    num_objects=(2, 3),
    shapes=("sphere", "cube", "cylinder"),
    colors=SATURATED_COLORS,
    color_brightness=(0.9, 1.0),
    object_size=(0.50, 0.56),
    size_growth=0.4,
    layout_radius=1.2,
    min_gap=0.3,
    num_moving=(0, 0),
    travel=(0.0, 0.0),
    camera_arc=(21.0, 45.0),
    camera_distance=(5.0, 5.3),
    camera_elevation=(35.0, 50.0),
    camera_distance_change=0.0,
    camera_elevation_change=0.0,
    look_radius=0.0,
    look_height=0.4,
    room_half_width=0.0,
    wall_height=0.0,
    textures=("flat",),
    surface_saturation=(0.0, 0.25),
    surface_value=(0.4, 0.6),
    texture_contrast=(0.0, 0.0),
    light_elevation=(45.0, 65.0),
    light_brightness=(0.95, 1.1),
    shadow_depth=(0.25, 0.35),
    specular=0.1,
    max_object_fraction=0.25,
    min_object_fraction=12 / (24 * 24),
    objects_inside_view=True,
)

# After Objects Room 9 of the SIMONe paper (section 4): a square room, up to nine objects, a smoothly moving camera
# from a random start. The original's generator and exact camera paths are not published.
OBJECTS_ROOM = ScenePreset(
    name="objects_room",
    frames=16,
    size=64,
    field_of_view=55.0,
    supersampling=4,
    shadow_map=512,
    shadow_reach=8.0,
    num_objects=(5, 9),
    shapes=("sphere", "cube", "cylinder", "cone", "capsule", "disc", "pillar", "pyramid", "torus"),
    colors=MANY_COLORS,
    color_brightness=(0.75, 1.0),
    object_size=(0.24, 0.46),
    size_growth=0.0,
    layout_radius=2.1,
    min_gap=0.08,
    num_moving=(0, 0),
    travel=(0.0, 0.0),
    camera_arc=(20.0, 80.0),
    camera_distance=(3.0, 3.7),
    camera_elevation=(15.0, 35.0),
    camera_distance_change=0.5,
    camera_elevation_change=10.0,
    look_radius=0.3,
    look_height=0.4,
    room_half_width=4.2,
    wall_height=3.0,
    textures=("flat", "checker", "stripes", "noise"),
    surface_saturation=(0.1, 0.6),
    surface_value=(0.35, 0.8),
    texture_contrast=(0.08, 0.2),
    light_elevation=(45.0, 75.0),
    light_brightness=(0.8, 1.05),
    shadow_depth=(0.35, 0.55),
    specular=0.3,
    max_object_fraction=0.4,
    min_object_fraction=0.0,
    objects_inside_view=False,
)

# After CATER with a moving camera: geometric shapes on a large pale floor, of which up to two slide at a time.
MOVING_OBJECTS = dataclasses.replace(
    OBJECTS_ROOM,
    name="moving_objects",
    frames=33,
    field_of_view=40.0,
    shadow_reach=15.0,
    num_objects=(5, 10),
    shapes=("sphere", "cube", "cylinder", "cone"),
    colors=MANY_COLORS,
    object_size=(0.24, 0.42),
    layout_radius=2.2,
    num_moving=(1, 2),
    travel=(0.6, 2.5),
    camera_arc=(20.0, 60.0),
    camera_distance=(6.0, 7.0),
    camera_elevation=(32.0, 45.0),
    room_half_width=0.0,
    wall_height=0.0,
    textures=("flat",),
    surface_saturation=(0.0, 0.1),
    surface_value=(0.55, 0.7),
    texture_contrast=(0.0, 0.0),
)

PRESETS: dict[str, ScenePreset] = {preset.name: preset for preset in (QUICKSTART, OBJECTS_ROOM, MOVING_OBJECTS)}


def preset_to_json(preset: ScenePreset) -> dict[str, Any]:
    """Returns the preset as a JSON-able dict, for a dataset's sidecar."""
    return dataclasses.asdict(preset)


def preset_from_json(values: Mapping[str, Any]) -> ScenePreset:
    """Rebuilds the very preset that `preset_to_json` (and then JSON, which has no tuples) wrote.

    Raises:
      TypeError: a field is missing or unknown.
    """
    return ScenePreset(**{name: _tuples(value) for name, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
