"""Objects that are pushed, slide or roll, and push each other: their paths, computed with MuJoCo before rendering."""

import dataclasses

import numpy as np

from simone_tf.scenes.mjcf import object_name, scene_mjcf
from simone_tf.scenes.preset import ScenePreset
from simone_tf.scenes.render import load_mujoco
from simone_tf.scenes.scene import Scene, SceneObject

# Time from the first to the last frame of a clip, in seconds, whatever the number of frames.
CLIP_SECONDS = 2.0
TIME_STEP = 0.008
GRAVITY = 9.81
FRICTION = 0.25
# An object counts as moving when it leaves its first place by more than this (world units), or turns by more than this
# (radians). One that only trembled under the solver is kept exactly where it was.
MOVED, TURNED = 0.02, 0.05


def push_speed(travel: float) -> float:
    """Speed that takes a sliding object as far as `travel` when nothing is in its way; a ball rolls farther."""
    return float(np.sqrt(2 * FRICTION * GRAVITY * travel))


def simulate(scene: Scene, preset: ScenePreset, velocities: np.ndarray) -> Scene | None:
    """Lets the objects go from where they are in the first frame.

    The floor and walls are solid, walls as endless planes, so the floor plan has to be convex. The outcome is the same
    for the same arguments, on the same processor and version of MuJoCo.

    Args:
      scene: objects at rest on the floor; only their first positions and rotations are read.
      preset: the clip's number of frames.
      velocities: `[N, 3]`, of each object at the first frame.

    Returns:
      The scene with the objects' paths, `preset.frames` moments over CLIP_SECONDS; None when an object fell over the
      edge of the world or the simulation failed.
    """
    mujoco = load_mujoco()
    xml, files = scene_mjcf(scene, preset, free_objects=True)
    model = mujoco.MjModel.from_xml_string(xml, files)
    model.opt.timestep, model.opt.gravity[2] = TIME_STEP, -GRAVITY
    # Damps the slow drift of bodies in contact.
    model.opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC.value
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST.value
    model.geom_friction[:, 0] = FRICTION
    data = mujoco.MjData(model)
    # Else MuJoCo writes them to a file in the working directory; `data.warning` counts them as well.
    mujoco.set_mju_user_warning(lambda message: None)
    joints = [model.joint(object_name(k + 1)) for k in range(len(scene.objects))]
    places = np.stack([np.arange(7) + joint.qposadr[0] for joint in joints])  # [N, 7]
    for joint, velocity in zip(joints, velocities, strict=True):
        data.qvel[joint.dofadr[0] : joint.dofadr[0] + 3] = velocity
    poses = [data.qpos[places]]
    steps = 0
    for frame in range(1, preset.frames):
        wanted = round(frame * CLIP_SECONDS / TIME_STEP / (preset.frames - 1))
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
