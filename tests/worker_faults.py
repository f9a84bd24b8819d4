"""Sends a worker a signal at a place of its training that the environment names; a gin file imports this.

`FAULT=1:step:3:KILL` kills worker 1 when it is about to take its step 4 and the others are, too.
"""

import json
import os
import signal

import tensorflow as tf

from simone_tf.training.step import TrainingStep
from simone_tf.training.trainer import Trainer


def _at(owner, name, hit):
    """Has `owner.name` send the signal where `hit(*arguments)` says so."""
    called = getattr(owner, name)

    def replaced(*arguments, **keywords):
        if hit(*arguments, **keywords):
            os.kill(os.getpid(), _NUMBER)
        return called(*arguments, **keywords)

    setattr(owner, name, replaced)


def _half_saved(manager, checkpoint_number):
    """What is there when a save is killed: the files of a checkpoint that is in no list."""
    if checkpoint_number == _STEP:
        manager.checkpoint.write(f"{manager._prefix}-{checkpoint_number}")
        return True
    return False


if os.environ.get("FAULT"):
    _WORKER, _PLACE, _STEP, _NAME = os.environ["FAULT"].split(":")
    _STEP, _NUMBER = int(_STEP), getattr(signal, f"SIG{_NAME}")
    if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == int(_WORKER):
        if _PLACE == "step":
            _at(TrainingStep, "run", lambda taken, *_, **__: int(taken.step.numpy()) == _STEP)
        elif _PLACE == "checkpoint":
            _at(tf.train.CheckpointManager, "save", _half_saved)
        else:
            _at(Trainer, "_measured", lambda trainer, step, *_, **__: step == _STEP)
