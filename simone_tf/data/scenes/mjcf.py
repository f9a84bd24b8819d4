"""A scene in MuJoCo's XML (MJCF)."""

import math
from collections.abc import Iterable

import numpy as np

from simone_tf.data.scenes.layout import Scene, SceneObject, Surface
from simone_tf.data.scenes.presets import ScenePreset
from simone_tf.data.scenes.textures import texture_png

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
    """Name of the body and geom of instance k = 1, 2, ..."""
    return f"object{instance}"


def scene_mjcf(scene: Scene, preset: ScenePreset) -> tuple[str, dict[str, bytes]]:
    """Writes a scene.

    Returns:
      The XML, and the texture files it names. Instance k is the body and the geom `object_name(k)`.
    """
    assets, bodies = [], []
    for instance, item in enumerate(scene.objects, start=1):
        asset, body = _object_xml(object_name(instance), item, preset.specular)
        assets.append(asset)
        bodies.append(body)
    files = {}
    half_width = preset.room_half_width or ENDLESS
    bodies.append(_plane_xml("floor", (0, 0, 0), (1, 0, 0, 0, 1, 0), (half_width, half_width)))
    assets.append(_surface_xml("floor", scene.floor, (half_width, half_width), files))
    if scene.walls is not None:
        height = preset.wall_height / 2
        assets.append(_surface_xml("wall", scene.walls, (half_width, height), files))
        for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            # Local x runs along the wall, local y up, so that the drawn side (local z) faces the room.
            bodies.append(
                _plane_xml("wall", (half_width * x, half_width * y, height), (y, -x, 0, 0, 0, 1), (half_width, height))
            )
        assets.append(
            '<texture name="sky" type="skybox" builtin="gradient" rgb1="0.55 0.7 0.9" rgb2="0.8 0.87 0.95"'
            ' width="64" height="64"/>'
        )
    large = preset.size * preset.supersampling
    light = -0.5 * preset.shadow_reach * np.array(scene.light_direction)
    xml = f"""<mujoco>
  <visual>
    <global fovy="{preset.field_of_view!r}" offwidth="{large}" offheight="{large}"/>
    <quality shadowsize="{preset.shadow_map}" offsamples="0"/>
    <headlight ambient="{_numbers([scene.ambient] * 3)}" diffuse="0 0 0" specular="0 0 0"/>
    <map znear="0.01" zfar="50" shadowclip="1"/>
  </visual>
  <statistic center="0 0 0" extent="{preset.shadow_reach!r}"/>
  <asset>{"".join(assets)}</asset>
  <worldbody>
    <light directional="true" castshadow="true" pos="{_numbers(light)}" dir="{_numbers(scene.light_direction)}"
      ambient="0 0 0" diffuse="{_numbers([scene.diffuse] * 3)}" specular="{_numbers([scene.diffuse] * 3)}"/>
    {"".join(bodies)}
  </worldbody>
</mujoco>"""
    return xml, files


def _object_xml(name: str, item: SceneObject, specular: float) -> tuple[str, str]:
    x, y, z = item.half_extents
    color = _numbers((*item.color, 1))
    asset = f'<material name="{name}" rgba="{color}" specular="{specular!r}" shininess="0.3"/>'
    if item.shape in _MESHES:
        keyword, parameters, extents = _MESHES[item.shape]
        scale = _numbers(wanted / made for wanted, made in zip(item.half_extents, extents, strict=True))
        asset += f'<mesh name="{name}" builtin="{keyword}" params="{parameters}" scale="{scale}"/>'
        geom = f'type="mesh" mesh="{name}"'
    else:
        primitive = _PRIMITIVES[item.shape]
        sizes = {"cylinder": (x, z), "capsule": (x, z - x)}.get(primitive, (x, y, z))
        geom = f'type="{primitive}" size="{_numbers(sizes)}"'
    turn = _numbers((math.cos(item.yaw / 2), 0.0, 0.0, math.sin(item.yaw / 2)))
    return asset, (
        f'<body name="{name}" pos="{_numbers(item.start)}" quat="{turn}">'
        f'<geom name="{name}" {geom} material="{name}"/></body>'
    )


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
