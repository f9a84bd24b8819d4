"""Rendering of a scene to frames and exact instance masks with MuJoCo's Classic renderer."""

import atexit
import math
import os
import sys
from types import ModuleType

import numpy as np
from PIL import Image

from simone_tf.errors import UserError
from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.mjcf import object_name, scene_mjcf
from simone_tf.scenes.preset import ScenePreset
from simone_tf.scenes.scene import Scene

_gl_context = None


def load_mujoco() -> ModuleType:
    """Imports MuJoCo with the CPU renderer (OSMesa) unless the variable MUJOCO_GL chooses another one.

    Raises:
      UserError: MuJoCo or its OpenGL library is missing; says what to install.
      RuntimeError: TensorFlow is loaded in this process.
    """
    if "tensorflow" in sys.modules:
        raise RuntimeError(
            "OSMesa crashes in a process that has loaded TensorFlow: use simone_tf.scenes.processes, and import "
            "TensorFlow inside functions of the script that calls it."
        )
    if not os.environ.get("MUJOCO_GL"):
        os.environ["MUJOCO_GL"] = "osmesa"
        # Rasterise in the calling thread: beside other worker processes Mesa's own threads only compete.
        os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise UserError(
            f"Rendering scenes needs the Python package {error.name!r}, which is not installed: "
            "pip install 'simone_tf[scenes]'."
        ) from error
    except Exception as error:  # PyOpenGL raises ImportError, AttributeError or TypeError, as the version has it.
        raise _no_opengl(error) from error
    return mujoco


def check_renderer() -> None:
    """Raises UserError when scenes cannot be rendered on this machine; says what to install."""
    _activate_context(load_mujoco())


def _no_opengl(error: Exception) -> UserError:
    return UserError(
        f"Rendering scenes with MUJOCO_GL={os.environ['MUJOCO_GL']} failed to start OpenGL "
        f"({type(error).__name__}: {' '.join(str(error).split())}): install OSMesa with 'apt-get install libosmesa6' "
        "and leave MUJOCO_GL and PYOPENGL_PLATFORM unset, or set MUJOCO_GL=egl where EGL is installed."
    )


def _activate_context(mujoco: ModuleType) -> None:
    global _gl_context
    try:
        if _gl_context is None:
            # Frames are drawn to an offscreen buffer of their own size, never to the context's.
            _gl_context = mujoco.GLContext(16, 16)
            # PyOpenGL can no longer free a context once the interpreter is shutting down.
            atexit.register(_free_context)
        _gl_context.make_current()
    except Exception as error:
        raise _no_opengl(error) from error


def _free_context() -> None:
    global _gl_context
    if _gl_context is not None:
        _gl_context.free()
        _gl_context = None


class SceneRenderer:
    """One compiled scene with its graphics memory; a context manager, which frees that memory."""

    def __init__(self, scene: Scene, preset: ScenePreset):
        self._mujoco = mujoco = load_mujoco()
        _activate_context(mujoco)
        self._preset = preset
        xml, files = scene_mjcf(scene, preset)
        self._model = mujoco.MjModel.from_xml_string(xml, files)
        self._data = mujoco.MjData(self._model)
        self._positions, self._quaternions = scene.positions(), scene.quaternions()  # [T, N, 3], [T, N, 4]
        self._bodies = [self._model.body(object_name(k + 1)).id for k in range(len(scene.objects))]
        instance_of_body = np.zeros(self._model.nbody, np.uint8)
        instance_of_body[self._bodies] = np.arange(1, len(self._bodies) + 1)
        self._instance_of_geom = instance_of_body[self._model.geom_bodyid]
        self._scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 10)
        self._options = mujoco.MjvOption()
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)

    def __enter__(self) -> "SceneRenderer":
        return self

    def __exit__(self, *exception) -> None:
        self._context.free()

    def segments(self, path: CameraPath) -> np.ndarray:
        """Returns instance numbers sampled at pixel centres, `[T, H, W] uint8`: 0 = background, k = instance k."""
        return np.stack([self._frame_segments(path, frame) for frame in range(self._preset.frames)])

    def video(self, path: CameraPath) -> np.ndarray:
        """Returns antialiased frames, `[T, H, W, 3] uint8`."""
        factor = self._preset.supersampling
        frames = []
        for frame in range(self._preset.frames):
            self._place(path, frame)
            image = Image.fromarray(self._draw(self._preset.size * factor, segment=False))
            frames.append(np.asarray(image.reduce(factor)))
        return np.stack(frames)

    def _frame_segments(self, path: CameraPath, frame: int) -> np.ndarray:
        self._place(path, frame)
        # In a segment drawing, a pixel's colour is 1 + the number of the drawn geom; 0 where nothing is.
        colors = self._draw(self._preset.size, segment=True).astype(np.int32)
        drawn = colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]
        instances = np.zeros(self._scene.ngeom + 1, np.uint8)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == self._mujoco.mjtObj.mjOBJ_GEOM and geom.segid >= 0:
                instances[geom.segid + 1] = self._instance_of_geom[geom.objid]
        return instances[drawn]

    def _place(self, path: CameraPath, frame: int) -> None:
        """Puts objects and camera where they are in a frame."""
        mujoco = self._mujoco
        self._model.body_pos[self._bodies] = self._positions[frame]
        self._model.body_quat[self._bodies] = self._quaternions[frame]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FREE.value
        camera.azimuth, camera.elevation = math.degrees(path.yaw[frame]), math.degrees(path.pitch[frame])
        camera.distance = 1.0
        camera.lookat = path.position[frame] + path.directions()[frame]
        mujoco.mjv_updateScene(
            self._model, self._data, self._options, None, camera, mujoco.mjtCatBit.mjCAT_ALL.value, self._scene
        )

    def _draw(self, side: int, segment: bool) -> np.ndarray:
        mujoco = self._mujoco
        flags, names = self._scene.flags, mujoco.mjtRndFlag
        flags[names.mjRND_SHADOW] = not segment
        flags[names.mjRND_SKYBOX] = not segment
        flags[names.mjRND_SEGMENT] = segment
        flags[names.mjRND_IDCOLOR] = segment
        flags[names.mjRND_HAZE] = False
        flags[names.mjRND_REFLECTION] = False
        viewport = mujoco.MjrRect(0, 0, side, side)
        image = np.empty((side, side, 3), np.uint8)
        mujoco.mjr_render(viewport, self._scene, self._context)
        mujoco.mjr_readPixels(image, None, viewport, self._context)
        return image[::-1]  # OpenGL's first row is the lowest.
