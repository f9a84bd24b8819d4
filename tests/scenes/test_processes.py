import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.scenes import render
from simone_tf.scenes.generate import generate_clip
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.processes import RenderProcesses, generate_clips


def test_clips_come_in_order_and_do_not_depend_on_the_number_of_processes(processes):
    preset = PRESETS["quickstart"]
    one = list(generate_clips(preset, 5, [3, 1, 2], workers=1))
    two = list(processes.clips(preset, 5, [1, 2, 3]))
    for index, clip in zip((3, 1, 2), one, strict=True):
        for name, value in clip.items():
            np.testing.assert_array_equal(value, two[index - 1][name], err_msg=name)


def test_rendering_beside_tensorflow_is_refused_instead_of_crashing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    with pytest.raises(RuntimeError, match="processes"):
        generate_clip(PRESETS["quickstart"], 1, 0)


def test_what_the_processes_import_leaves_tensorflow_out():
    code = "import sys, simone_tf.scenes.processes; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_a_process_is_deaf_to_an_interrupt_from_its_start():
    """One that came while it imports what it needs would be a traceback beside the command's sentence."""
    with RenderProcesses(1) as pool:
        mask = pool._submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT in mask
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_died_process_is_told():
    preset = PRESETS["quickstart"]
    with RenderProcesses(1) as pool:
        pool._pool.submit(os._exit, 1)
        with pytest.raises(UserError, match="process died"):
            list(pool.clips(preset, 1, range(20)))
        with pytest.raises(UserError, match="process died"):
            pool.check()


def test_missing_mujoco_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UserError, match=r"'mujoco'.*pip install 'simone_tf\[scenes\]'"):
        render.load_mujoco()


@pytest.mark.parametrize("chosen", [None, "egl"])
def test_the_users_choice_of_opengl_is_kept(monkeypatch, chosen):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setitem(sys.modules, "mujoco", sys)
    for name in ("MUJOCO_GL", "LP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # So that the test's end restores them.
        monkeypatch.delenv(name)
    if chosen:
        monkeypatch.setenv("MUJOCO_GL", chosen)
    render.load_mujoco()
    assert os.environ["MUJOCO_GL"] == (chosen or "osmesa")
    assert os.environ.get("LP_NUM_THREADS") == (None if chosen else "0")
