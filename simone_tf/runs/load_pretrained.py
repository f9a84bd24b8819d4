"""A pretrained model read from its folder, as the run that it was packed from."""

import os

import gin

from simone_tf.config import gin_files
from simone_tf.runs.load import TrainedRun, read_settings
from simone_tf.runs.pretrained import WEIGHTS, find_pretrained, read_card
from simone_tf.runs.weights import load_weights
from simone_tf.train import build_model


def load_pretrained(name, gin_params=()):
    """Builds a pretrained model and reads its weights; needs neither network nor training data.

    Args:
        name: see `find_pretrained`.
        gin_params: bindings that win over its config.

    Returns:
        `TrainedRun` whose `run_dir` is the folder of the model and whose `checkpoint` is its file of weights.

    Raises:
        UserError: there is no such model, or its files are damaged or do not fit each other.
    """
    folder = find_pretrained(name)
    card = read_card(folder)
    settings = read_settings((), gin_params, folder)
    with gin_files.errors_in_one_sentence():
        names = ("model", "num_frames", "frame_size", "seed", "precision")
        model = build_model(**{name: settings[name] for name in names})
    weights = os.path.join(folder, WEIGHTS)
    load_weights(weights, model)
    return TrainedRun(folder, settings, model, card["step"], weights, gin.config_str())
