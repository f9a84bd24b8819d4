"""Objects that are pushed, slide or roll, and push each other: their paths, computed with MuJoCo before rendering."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from simone_tf.scenes.mjcf import object_name, scene_mjcf
from simone_tf.scenes.preset import ScenePreset
from simone_tf.scenes.render import load_mujoco
from simone_tf.scenes.scene import Scene, SceneObject

# Time from the first to the last frame of a clip, in seconds, whatever the number of frames.
CLIP_SECONDS = 2.0
TIME_STEP = 0.008
GRAVITY = 9.81
FRICTION = 0.25
# How stiff bodies are that bounce, in 1 / s^2: they come apart again within a few steps.
STIFFNESS = 6000.0
# An object counts as moving when it leaves its first place by more than this (world units), or turns by more than this
# (radians). One that only trembled under the solver is kept exactly where it was.
MOVED, TURNED = 0.02, 0.05


class Matter(NamedTuple):
    """What all bodies and the floor are made of."""

    friction: float = FRICTION
    bounce: float = 0.0  # share of its speed, from 0.15 on, that a body keeps when it hits the floor; 0 for none


def push_speed(travel: float) -> float:
    """Speed that takes a sliding object as far as `travel` when nothing is in its way; a ball rolls farther."""
    return float(np.sqrt(2 * FRICTION * GRAVITY * travel))


def damping_ratio(bounce: float) -> float:
    """Damping of a spring that gives a body back the share `bounce`, at least 0.15, of its speed and never pulls.

    With the ratio sin(a) the spring lets go, its force being zero, when exp(-tan(a) (pi - 2 a)) of the speed is left.
    """
    angle = brentq(lambda a: math.exp(-math.tan(a) * (math.pi - 2 * a)) - bounce, 1e-6, 1.5)
    return math.sin(angle)


def simulate(
    scene: Scene,
    preset: ScenePreset,
    velocities: np.ndarray,
    spins: np.ndarray | None = None,
    matter: Matter | None = None,
) -> Scene | None:
    """Lets the objects go from where they are in the first frame.

    The floor and walls are solid, walls as endless planes, so the floor plan has to be convex. The outcome is the same
    for the same arguments, on the same processor and version of MuJoCo.

    Args:
      scene: objects on the floor or in the air; only their first positions and rotations are read.
      preset: the clip's number of frames.
      velocities: `[N, 3]`, of each object at the first frame.
      spins: `[N, 3]`, turns in radians per second about the body's own axes; None for none.
      matter: how bodies slide and bounce; None for `Matter()`.

    Returns:
      The scene with the objects' paths, `preset.frames` moments over CLIP_SECONDS; None when an object fell over the
      edge of the world or the simulation failed.
    """
    mujoco = load_mujoco()
    matter = matter or Matter()
    xml, files = scene_mjcf(scene, preset, free_objects=True)
    model = mujoco.MjModel.from_xml_string(xml, files)
    # A bounce is over within some hundredths of a second.
    time_step = TIME_STEP / 2 if matter.bounce else TIME_STEP
    model.opt.timestep, model.opt.gravity[2] = time_step, -GRAVITY
    # Damps the slow drift of bodies in contact.
    model.opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC.value
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST.value
    model.geom_friction[:, 0] = matter.friction
    if matter.bounce:
        model.geom_solref[:] = -STIFFNESS, -2 * damping_ratio(matter.bounce) * math.sqrt(STIFFNESS)
    data = mujoco.MjData(model)
    # Else MuJoCo writes them to a file in the working directory; `data.warning` counts them as well.
    mujoco.set_mju_user_warning(lambda message: None)
    joints = [model.joint(object_name(k + 1)) for k in range(len(scene.objects))]
    places = np.stack([np.arange(7) + joint.qposadr[0] for joint in joints])  # [N, 7]
    for joint, velocity in zip(joints, velocities, strict=True):
        data.qvel[joint.dofadr[0] : joint.dofadr[0] + 3] = velocity
    for joint, spin in zip(joints, () if spins is None else spins, strict=spins is not None):
        data.qvel[joint.dofadr[0] + 3 : joint.dofadr[0] + 6] = spin
    poses = [data.qpos[places]]
    steps = 0
    for frame in range(1, preset.frames):
        wanted = round(frame * CLIP_SECONDS / time_step / (preset.frames - 1))
        if wanted > steps:
            mujoco.mj_step(model, data, wanted - steps)
        steps = wanted
        poses.append(data.qpos[places])
    states = np.stack(poses, axis=1)  # [N, T, 7]
    if data.warning.number.any() or not np.isfinite(states).all() or states[..., 2].min() < 0:
        return None
    return dataclasses.replace(scene, objects=tuple(map(_on_path, scene.objects, states)))


def _on_path(item: SceneObject, states: np.ndarray) -> SceneObject:
    positions, quaternions = states[:, :3], states[:, 3:]
    moved = np.linalg.norm(positions - positions[0], axis=1).max() > MOVED
    # The angle between two unit quaternions is twice that between them as vectors.
    turned = 2 * np.arccos(np.clip(np.abs(quaternions @ quaternions[0]), 0, 1)).max() > TURNED
    if not moved and not turned:
        positions, quaternions = np.broadcast_to(positions[0], positions.shape), item.quaternions
    return dataclasses.replace(item, positions=positions, quaternions=quaternions)
