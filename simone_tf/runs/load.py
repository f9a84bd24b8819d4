"""A run read back from its folder, or from that of a pretrained model: settings, and the model with its weights."""

import os
from typing import NamedTuple

import gin

from simone_tf.config import gin_files
from simone_tf.errors import UserError
from simone_tf.models.scene_model import SceneModel
from simone_tf.runs.build import build_model
from simone_tf.runs.pretrained import WEIGHTS, find_pretrained, read_card
from simone_tf.runs.settings import RunSettings, read_settings
from simone_tf.runs.weights import load_weights
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import restore_weights


class Run(NamedTuple):
    """What later commands need of a run."""

    settings: RunSettings
    model: SceneModel  # built; holds the averaged weights where the run kept an average
    step: int  # training steps behind the weights
    checkpoint: str  # path of the checkpoint, or of a pretrained model's file of weights
    config: str  # every binding in use, as gin writes it
    run_dir: str  # the run's folder, or the pretrained model's


def load_run(run_dir: str, gin_params: tuple[str, ...] | list[str] = (), best: bool = False) -> Run:
    """Reads a run's config, builds its model and restores its weights.

    Args:
        run_dir: the run's folder.
        gin_params: bindings that win over the run's config, such as another folder of held-out clips.
        best: the checkpoint of the best held-out score instead of the newest.

    Raises:
        UserError: the folder holds no run, its config is wrong, or its checkpoint is missing, damaged or another
            model's.
    """
    if not os.path.isfile(os.path.join(run_dir, gin_files.CONFIG_FILE)):
        raise UserError(
            f"{run_dir} holds no run (no {gin_files.CONFIG_FILE}): name the folder of a trained run, for example "
            "--run_dir=runs/quickstart."
        )
    settings, model = _rebuilt(run_dir, gin_params)
    average = None if settings.average_decay is None else WeightAverage(model, settings.average_decay)
    checkpoint, step = restore_weights(run_dir, model, average, best)
    return Run(settings, model, step, checkpoint, gin.config_str(), run_dir)


def load_pretrained(name: str, gin_params: tuple[str, ...] | list[str] = ()) -> Run:
    """Builds a pretrained model and reads its weights; needs neither network nor training data.

    Args:
        name: a model that is installed with the library, such as "quickstart", or the path of a folder that
            `tools/pack_pretrained.py` made, with a separator in it ("./mine").
        gin_params: bindings that win over its config.

    Raises:
        UserError: there is no such model, or its files are damaged or do not fit each other.
    """
    folder = find_pretrained(name)
    card = read_card(folder)
    settings, model = _rebuilt(folder, gin_params)
    weights = os.path.join(folder, WEIGHTS)
    load_weights(weights, model)
    return Run(settings, model, card["step"], weights, gin.config_str(), folder)


def _rebuilt(folder, gin_params):
    settings = read_settings((), gin_params, folder)
    with gin_files.errors_in_one_sentence():
        return settings, build_model(settings)
