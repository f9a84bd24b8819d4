"""A scene in MuJoCo's XML (MJCF)."""

import math
from collections.abc import Iterable

import numpy as np

from simone_tf.scenes.preset import ScenePreset
from simone_tf.scenes.scene import Light, Part, Scene, SceneObject, Surface, Wall
from simone_tf.scenes.textures import texture_png

# Without walls the floor goes on this far.
ENDLESS = 100.0
TEXTURE_PERIOD = 2.0
# Builtin meshes: keyword, parameters and half extents of the mesh as MuJoCo makes it.
_MESHES: dict[str, tuple[str, str, tuple[float, float, float]]] = {
    "cone": ("cone", "32 0", (1.0, 1.0, 1.0)),
    "pyramid": ("cone", "4 0", (1.0, 1.0, 1.0)),
    "torus": ("supertorus", "32 0.4 1 1", (1.4, 1.4, 0.4)),
}
_PRIMITIVES = {
    "sphere": "ellipsoid",
    "disc": "ellipsoid",
    "cube": "box",
    "pillar": "box",
    "cylinder": "cylinder",
    "capsule": "capsule",
}


def object_name(instance: int) -> str:
    """Name of the body of instance k = 1, 2, ..."""
    return f"object{instance}"


def scene_mjcf(scene: Scene, preset: ScenePreset, free_objects: bool = False) -> tuple[str, dict[str, bytes]]:
    """Writes a scene.

    Args:
      scene: what to draw.
      preset: how to draw it.
      free_objects: whether the objects can move under forces, for a simulation.

    Returns:
      The XML, and the texture files it names. Instance k is the body `object_name(k)`, with a joint of that name when
      it is free.
    """
    assets, bodies, files = [], [], {}
    for instance, item in enumerate(scene.objects, start=1):
        bodies.append(_object_xml(object_name(instance), item, preset.specular, assets, free_objects))
    bodies += [_part_xml(f"fixture{i}", part, 0.0, assets, castshadow=False) for i, part in enumerate(scene.fixtures)]
    half_size = scene.floor_half_size or (ENDLESS, ENDLESS)
    bodies.append(_plane_xml("floor", (0, 0, 0), (1, 0, 0, 0, 1, 0), half_size))
    assets.append(_surface_xml("floor", scene.floor, half_size, files))
    bodies += [_wall_xml(f"wall{i}", wall, assets, files) for i, wall in enumerate(scene.walls)]
    if scene.walls:
        assets.append(
            '<texture name="sky" type="skybox" builtin="gradient" rgb1="0.55 0.7 0.9" rgb2="0.8 0.87 0.95"'
            ' width="64" height="64"/>'
        )
    elif scene.sky is not None:
        color = _numbers(scene.sky)
        assets.append(
            f'<texture name="sky" type="skybox" builtin="flat" rgb1="{color}" rgb2="{color}" width="8" height="8"/>'
        )
    large = preset.size * preset.supersampling
    slices, stacks, squares = preset.tessellation
    xml = f"""<mujoco>
  <visual>
    <global fovy="{(scene.field_of_view or preset.field_of_view)!r}" offwidth="{large}" offheight="{large}"/>
    <quality shadowsize="{preset.shadow_map}" offsamples="0" numslices="{slices}" numstacks="{stacks}"
      numquads="{squares}"/>
    <headlight ambient="{_numbers([scene.ambient] * 3)}" diffuse="0 0 0" specular="0 0 0"/>
    <map znear="0.01" zfar="50" shadowclip="1"/>
  </visual>
  <statistic center="0 0 0" extent="{preset.shadow_reach!r}"/>
  <asset>{"".join(assets)}</asset>
  <worldbody>
    {"".join(_light_xml(light, preset.shadow_reach) for light in scene.lights)}
    {"".join(bodies)}
  </worldbody>
</mujoco>"""
    return xml, files


def _light_xml(light: Light, reach: float) -> str:
    position = -0.5 * reach * np.array(light.direction)
    return (
        f'<light directional="true" castshadow="true" pos="{_numbers(position)}" dir="{_numbers(light.direction)}"'
        f' ambient="0 0 0" diffuse="{_numbers([light.diffuse] * 3)}" specular="{_numbers([light.diffuse] * 3)}"/>'
    )


def _object_xml(name: str, item: SceneObject, specular: float, assets: list[str], free: bool) -> str:
    geoms = "".join(_part_xml(f"{name}part{i}", part, specular, assets) for i, part in enumerate(item.parts))
    place, turn = _numbers(item.positions[0]), _numbers(item.quaternions[0])
    joint = f'<freejoint name="{name}"/>' if free else ""
    return f'<body name="{name}" pos="{place}" quat="{turn}">{joint}{geoms}</body>'


def _part_xml(name: str, part: Part, specular: float, assets: list[str], castshadow: bool = True) -> str:
    x, y, z = part.half_extents
    color = _numbers((*part.color, 1))
    strength = specular if part.specular is None else part.specular
    assets.append(f'<material name="{name}" rgba="{color}" specular="{strength!r}" shininess="{part.shininess!r}"/>')
    if part.shape in _MESHES:
        keyword, parameters, extents = _MESHES[part.shape]
        scale = _numbers(wanted / made for wanted, made in zip(part.half_extents, extents, strict=True))
        assets.append(f'<mesh name="{name}" builtin="{keyword}" params="{parameters}" scale="{scale}"/>')
        form = f'type="mesh" mesh="{name}"'
    else:
        primitive = _PRIMITIVES[part.shape]
        sizes = {"cylinder": (x, z), "capsule": (x, z - x)}.get(primitive, (x, y, z))
        form = f'type="{primitive}" size="{_numbers(sizes)}"'
    turn = _numbers((math.cos(part.yaw / 2), 0.0, 0.0, math.sin(part.yaw / 2)))
    shadow = "" if castshadow else ' castshadow="false"'
    return f'<geom name="{name}" {form} pos="{_numbers(part.offset)}" quat="{turn}" material="{name}"{shadow}/>'


def _wall_xml(name: str, wall: Wall, assets: list[str], files: dict[str, bytes]) -> str:
    way = np.subtract(wall.end, wall.start)
    length = float(np.hypot(*way))
    middle = np.add(wall.start, wall.end) / 2
    half_size = (length / 2, wall.height / 2)
    assets.append(_surface_xml(name, wall.surface, half_size, files))
    # Local x runs along the wall, local y up, so that the drawn side (local z) is the one to the right of the way.
    return _plane_xml(name, (*middle, wall.height / 2), (*(way / length), 0, 0, 0, 1), half_size)


def _plane_xml(material: str, position, axes, half_size) -> str:
    # Only objects throw shadows: the light stands outside the room.
    return (
        f'<geom type="plane" pos="{_numbers(position)}" xyaxes="{_numbers(axes)}" size="{_numbers(half_size)} 1"'
        f' material="{material}" castshadow="false"/>'
    )


def _surface_xml(name: str, surface: Surface, half_size: tuple[float, float], files: dict[str, bytes]) -> str:
    if surface.texture == "flat":
        return f'<material name="{name}" rgba="{_numbers((*surface.first, 1))}" specular="0"/>'
    files[f"{name}.png"] = texture_png(surface.texture, surface.first, surface.second, surface.seed)
    repeats = _numbers(2 * half / TEXTURE_PERIOD for half in half_size)
    return (
        f'<texture name="{name}" type="2d" file="{name}.png"/>'
        f'<material name="{name}" texture="{name}" texrepeat="{repeats}" specular="0"/>'
    )


def _numbers(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)
