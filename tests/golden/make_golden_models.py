"""Makes the golden weights of the models besides SIMONe: `PYTHONPATH=tests python tests/golden/make_golden_models.py`.

As `make_golden.py`, which does so for a whole run of SIMONe: `test_golden_models.py` restores what was written once and
compares what each model then says of a clip. NAME on the command line makes that model's alone. Make one anew only for
a change that is meant to break old checkpoints, and say so in the release notes.
"""

import pathlib
import shutil
import sys

import keras
import numpy as np
import tensorflow as tf
from make_golden import formula

from simone_tf.models import MODELS

from small_models import SMALL_MODELS

FOLDER = pathlib.Path(__file__).parent / "models"
NAMES = sorted(set(MODELS) - {"SIMONe"})
SHAPE = (2, 2, 8, 16)  # clips, frames, height, width


def make_model(name):
    """The model of `small_models` by its name, built and untrained."""
    keras.utils.set_random_seed(0)
    model = SMALL_MODELS[name]()
    model.build((None, *SHAPE[1:], 3))
    return model


def make_batch(model):
    """Clips, and what the model is given."""
    sizes = {"video": (*SHAPE, 3), **{name: (*SHAPE[:2], size) for name, size in model.given.items()}}
    return {name: formula(shape) for name, shape in sizes.items()}


def outputs(model):
    """What is compared: name -> float32 array."""
    parts = model.decompose(make_batch(model))
    found = {"reconstruction": parts.reconstruction.numpy(), "slot_masks": parts.slot_masks.numpy()}
    for name, posterior in parts.posteriors.items():
        found[f"{name}_mean"] = posterior.mean.numpy()
        if posterior.log_scale is not None:
            found[f"{name}_log_scale"] = posterior.log_scale.numpy()
    return found


def main(names):
    """Writes the weights and the outputs of each model into a folder of its own."""
    for name in names:
        model = make_model(name)
        rng = np.random.default_rng(0)
        for variable in model.variables:
            variable.assign(variable.numpy() + 0.3 * rng.normal(size=variable.shape))
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        (FOLDER / name).mkdir(parents=True)
        tf.train.Checkpoint(model=model).write(str(FOLDER / name / "weights"))
        np.savez_compressed(FOLDER / name / "expected.npz", **outputs(model))


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
