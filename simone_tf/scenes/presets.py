"""The presets of the procedural scene generator, by the name that `make_dataset --preset` takes."""

import dataclasses

from simone_tf.scenes.cater import CaterPreset
from simone_tf.scenes.compass import CompassPreset
from simone_tf.scenes.furniture import FURNITURE
from simone_tf.scenes.glancing import GlancingPreset
from simone_tf.scenes.playroom import PlayroomPreset
from simone_tf.scenes.preset import COLORS, SATURATED_COLORS, ClipPreset, FlatPreset, ScenePreset
from simone_tf.scenes.room import RoomPreset
from simone_tf.scenes.tabletop import TabletopPreset
from simone_tf.scenes.tetrominoes import COLORS as TETROMINO_COLORS
from simone_tf.scenes.tetrominoes import TetrominoesPreset
from simone_tf.scenes.toys import TOYS

# The easiest family that still needs the method: equal colours, shadows, changing light and a moving camera, but few,
# big, unmistakable objects on a plain floor. 12 of 24 x 24 pixels is the least an object shows.
QUICKSTART = RoomPreset(
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

# After Objects Room 9 of the paper (section 4): a square room, up to nine objects, a smoothly moving camera
# from a random start. The original's generator and exact camera paths are not published.
OBJECTS_ROOM = RoomPreset(
    name="objects_room",
    frames=16,
    size=64,
    field_of_view=55.0,
    supersampling=4,
    shadow_map=512,
    shadow_reach=8.0,
    num_objects=(5, 9),
    shapes=("sphere", "cube", "cylinder", "cone", "capsule", "disc", "pillar", "pyramid", "torus"),
    colors=tuple(COLORS)[:12],
    color_brightness=(0.75, 1.0),
    object_size=(0.24, 0.46),
    size_growth=0.0,
    layout_radius=2.1,
    min_gap=0.08,
    num_moving=(0, 0),
    travel=(0.0, 0.0),
    camera_arc=(20.0, 80.0),
    camera_distance=(3.0, 3.7),
    camera_elevation=(14.0, 30.0),
    camera_distance_change=0.5,
    camera_elevation_change=10.0,
    look_radius=0.3,
    look_height=0.4,
    room_half_width=4.2,
    wall_height=2.3,
    textures=("flat", "noise", "checker"),
    surface_saturation=(0.2, 0.75),
    surface_value=(0.5, 0.9),
    texture_contrast=(0.05, 0.15),
    light_elevation=(45.0, 75.0),
    light_brightness=(0.9, 1.1),
    shadow_depth=(0.35, 0.55),
    specular=0.3,
    max_object_fraction=0.4,
    min_object_fraction=0.0,
    objects_inside_view=False,
)

# The same room with one to three objects pushed into the others. Capsules are left out: standing, they would fall over
# by themselves.
OBJECTS_ROOM_MOVING = dataclasses.replace(
    OBJECTS_ROOM,
    name="objects_room_moving",
    shapes=tuple(shape for shape in OBJECTS_ROOM.shapes if shape != "capsule"),
    num_moving=(1, 3),
    travel=(1.0, 2.5),
)

# After CATER with a moving camera (max2action_cameramotion, 300 frames of which 33 are kept).
CATER = CaterPreset(
    name="cater",
    frames=33,
    size=64,
    field_of_view=38.0,
    supersampling=3,
    shadow_map=512,
    shadow_reach=9.0,
    num_objects=(5, 10),
    colors=("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow", "gold"),
    sizes=(0.30, 0.50, 0.75),
    layout_radius=2.9,
    min_gap=0.15,
    slot_frames=8.0,
    camera_start=(-43.0, 30.0, 9.5),
    waypoint_frames=10.0,
    camera_turn=(30.0, 80.0),
    camera_elevation=(24.0, 50.0),
    camera_distance=(8.5, 10.5),
    look_height=0.3,
    floor_saturation=(0.0, 0.06),
    floor_value=(0.62, 0.74),
    floor_contrast=(0.01, 0.04),
    num_lights=(2, 3),
    brightness=(0.9, 1.05),
    ambient_share=(0.25, 0.4),
    specular=0.2,
    max_object_fraction=1.0,
    min_object_fraction=0.0,
    objects_inside_view=False,
)

# After the Playroom of the paper (section 4): an L-shaped room with up to 30 objects, seen by a walking agent.
PLAYROOM = PlayroomPreset(
    name="playroom",
    frames=16,
    size=64,
    field_of_view=65.0,
    supersampling=2,
    shadow_map=512,
    shadow_reach=5.2,
    num_objects=(10, 30),
    colors=tuple(COLORS),
    room_half_width=3.5,
    inner_corner=0.5,
    wall_height=2.6,
    furniture=tuple(FURNITURE),
    toys=tuple(TOYS),
    furniture_share=(0.35, 0.6),
    max_furniture=12,
    toys_on_furniture=0.4,
    furniture_size=(0.9, 1.1),
    toy_size=(1.0, 1.4),
    color_brightness=(0.75, 1.0),
    floor_textures=("flat", "checker", "stripes", "noise"),
    floor_saturation=(0.1, 0.5),
    floor_value=(0.45, 0.85),
    wall_textures=("flat", "flat", "stripes", "noise"),
    wall_saturation=(0.05, 0.45),
    wall_value=(0.7, 1.0),
    texture_contrast=(0.06, 0.15),
    num_windows=(1, 3),
    num_pictures=(0, 3),
    light_elevation=(45.0, 70.0),
    light_brightness=(1.0, 1.15),
    shadow_depth=(0.25, 0.4),
    specular=0.15,
    eye_height=(1.15, 1.45),
    body_radius=0.3,
    action_frames=(2, 5),
    standing_share=0.25,
    walk_speed=(0.08, 0.22),
    turn_speed=(5.0, 14.0),
    look_speed=(2.0, 5.0),
    pitch=(-35.0, 0.0),
    max_object_fraction=0.9,
    min_object_fraction=0.0,
    objects_inside_view=False,
    min_objects_ahead=5.0,
    min_visible_objects=5,
    min_visible_fraction=0.004,
    min_mean_object_fraction=0.12,
)

# In the manner of MOVi-A and MOVi-B (Greff et al., 2022): plain shapes thrown onto an open floor.
TABLETOP = TabletopPreset(
    name="tabletop",
    frames=24,
    size=64,
    field_of_view=44.0,
    supersampling=3,
    shadow_map=512,
    shadow_reach=9.0,
    num_objects=(3, 10),
    shapes=("sphere", "cube", "cylinder", "cone", "capsule", "disc", "pillar", "pyramid", "torus"),
    colors=tuple(COLORS),
    color_brightness=(0.7, 1.1),
    hue_jitter=0.04,
    object_size=(0.35, 0.9),
    thrown_share=(0.3, 1.0),
    layout_radius=3.4,
    throw_height=(0.2, 3.0),
    min_gap=0.05,
    throw_speed=(0.5, 4.0),
    fall_speed=(-1.0, 1.0),
    spin=4.0,
    bounce=(0.2, 0.65),
    friction=(0.2, 0.6),
    lens=(0.8, 1.25),
    still_share=0.6,
    camera_arc=(5.0, 40.0),
    camera_distance=(8.0, 11.0),
    camera_elevation=(14.0, 55.0),
    look_radius=0.6,
    look_height=(0.3, 0.9),
    grey_share=0.4,
    textures=("flat", "flat", "noise"),
    floor_saturation=(0.05, 0.6),
    floor_value=(0.3, 0.85),
    texture_contrast=(0.02, 0.12),
    num_lights=(1, 3),
    light_elevation=(35.0, 75.0),
    brightness=(0.8, 1.1),
    ambient_share=(0.4, 0.65),
    specular=0.3,
    max_object_fraction=0.6,
    min_object_fraction=0.0,
    objects_inside_view=False,
    min_visible_objects=3,
    min_visible_fraction=0.002,
)

# The quickstart's scenes for long videos: the camera turns as fast per frame as there and goes on turning, while it
# glances aside often enough for every object to leave the view and come back many times.
QUICKSTART_LONG = GlancingPreset(
    **{
        **{field.name: getattr(QUICKSTART, field.name) for field in dataclasses.fields(QUICKSTART)},
        "name": "quickstart_long",
        "frames": 128,
        "camera_arc": (7.0, 15.0),
        "max_object_fraction": 0.3,
        "min_object_fraction": 0.0,
        "objects_inside_view": False,
    },
    glance_gap=(4.0, 12.0),
    glance_turn=(2.0, 4.0),
    glance_stay=(0.0, 0.0),
    glance_margin=(-0.4, -0.1),
    max_absence=2,
    hue_drift=0.0,
)

# The same seen by a camera whose colours drift, by 89 degrees over the clip: no object can be known by its colour for
# long.
QUICKSTART_LONG_DRIFT = dataclasses.replace(QUICKSTART_LONG, name="quickstart_long_drift", hue_drift=0.7)

# The quickstart's objects in a room that is seen from far apart, for models that are given the camera and draw the room
# from where it was not seen. 6 of 24 x 24 pixels is the least an object shows.
QUICKSTART_VIEWS = CompassPreset(
    **{
        **{field.name: getattr(QUICKSTART, field.name) for field in dataclasses.fields(QUICKSTART)},
        "name": "quickstart_views",
        "frames": 8,
        "camera_arc": (150.0, 300.0),
        "field_of_view": 50.0,
        "camera_distance": (4.0, 4.2),
        "camera_elevation": (25.0, 33.0),
        "room_half_width": 4.0,
        "wall_height": 2.8,
        "max_object_fraction": 0.3,
        "min_object_fraction": 6 / (24 * 24),
    },
    wall_saturation=(0.3, 0.5),
    wall_value=(0.55, 0.8),
)

# After DeepMind's tetrominoes: three pieces on black, none of which hides another.
TETROMINOES = TetrominoesPreset(
    name="tetrominoes", frames=1, size=35, num_objects=(3, 3), colors=tuple(TETROMINO_COLORS), squares=7
)

PRESETS: dict[str, ScenePreset] = {
    preset.name: preset
    for preset in (
        QUICKSTART,
        OBJECTS_ROOM,
        OBJECTS_ROOM_MOVING,
        CATER,
        PLAYROOM,
        TABLETOP,
        QUICKSTART_LONG,
        QUICKSTART_LONG_DRIFT,
        QUICKSTART_VIEWS,
    )
}
"""Those of rendered scenes."""

FLAT_PRESETS: dict[str, FlatPreset] = {TETROMINOES.name: TETROMINOES}
"""Those of pictures without a scene."""

ALL_PRESETS: dict[str, ClipPreset] = {**PRESETS, **FLAT_PRESETS}
