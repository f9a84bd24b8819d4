"""A run read back from its folder: the settings it was trained with, and the model with its trained weights."""

import inspect
import os
from typing import Any, NamedTuple

import gin

from simone_tf.config import gin_files
from simone_tf.errors import UserError
from simone_tf.models.simone.model import SIMONe
from simone_tf.runs.settings import check_settings
from simone_tf.train import build_model, train
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import restore_weights


class TrainedRun(NamedTuple):
    """What later commands need of a run."""

    run_dir: str
    settings: dict[str, Any]  # the arguments of `train`, defaults included
    model: SIMONe  # built; holds the averaged weights where the run kept an average
    step: int  # training steps behind the weights
    checkpoint: str  # path of the checkpoint
    config_text: str  # every binding in use, as gin writes it


def read_settings(gin_files=(), gin_params=(), run_dir=None):
    """The arguments that a configuration gives to `train`, defaults included, by name.

    Args:
        gin_files, gin_params, run_dir: as for `gin_files.parse_config`.

    Raises:
        UserError: the configuration is wrong, or leaves something open that `train` needs.
    """
    gin_files.parse_config(gin_files, gin_params, run_dir)
    arguments = inspect.signature(train).parameters.values()
    defaults = {argument.name: argument.default for argument in arguments if argument.default is not argument.empty}
    with gin_files.errors_in_one_sentence():
        settings = defaults | gin.get_bindings(train)
    missing = [f"train.{name}" for name, value in settings.items() if value is gin.REQUIRED]
    if missing:
        raise UserError(f"The configuration does not set {', '.join(missing)}; include a gin file that does.")
    return check_settings(settings)


def load_run(run_dir, gin_params=(), best=False):
    """Reads a run's config, builds its model and restores its weights.

    Args:
        run_dir: the run's folder.
        gin_params: bindings that win over the run's config, such as another folder of held-out clips.
        best: the checkpoint of the best held-out score instead of the newest.

    Returns:
        `TrainedRun`.

    Raises:
        UserError: the folder holds no run, its config is wrong, or its checkpoint is missing, damaged or another
            model's.
    """
    if not os.path.isfile(os.path.join(run_dir, gin_files.CONFIG_FILE)):
        raise UserError(
            f"{run_dir} holds no run (no {gin_files.CONFIG_FILE}): name the folder of a trained run, for example "
            "--run_dir=runs/quickstart."
        )
    settings = read_settings((), gin_params, run_dir)
    with gin_files.errors_in_one_sentence():
        names = ("model", "num_frames", "frame_size", "seed", "precision")
        model = build_model(**{name: settings[name] for name in names})
    average = None if settings["average_decay"] is None else WeightAverage(model, settings["average_decay"])
    checkpoint, step = restore_weights(run_dir, model, average, best)
    return TrainedRun(run_dir, settings, model, step, checkpoint, gin.config_str())
