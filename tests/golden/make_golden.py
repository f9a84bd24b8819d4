"""Makes the golden checkpoint: `python tests/golden/make_golden.py`.

The attribute names of the model are the names in its checkpoints, so that renaming one makes every checkpoint of every
user unreadable. `test_golden.py` restores a checkpoint that was written once and compares what the model then says of a
clip. Make it anew only for a change that is meant to break old checkpoints, and say so in the release notes.
"""

import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.optimizers import make_adam

RUN = pathlib.Path(__file__).parent / "run"
EXPECTED = pathlib.Path(__file__).parent / "expected.npz"
STEP = 5
VIDEO_SHAPE = (2, 2, 8, 8, 3)


def make_parts():
    """What a run saves, under the names it saves it under, untrained."""
    encoder = Encoder(
        feature_map=(4, 4),
        slot_grid=(2, 2),
        conv_channels=4,
        width=6,
        first_transformer=Transformer(2, 2, 3, 6),
        second_transformer=Transformer(1, 2, 3, 6),
        object_head=LatentHead(3, 6),
        frame_head=LatentHead(2, 6),
    )
    model = SIMONe(encoder=encoder, decoder=PixelDecoder(6, 3))
    model.build((None, *VIDEO_SHAPE[1:]))
    optimizer = make_adam()
    optimizer.build(model.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
    return {"model": model, "optimizer": optimizer, "step": step, "average": WeightAverage(model)}


def formula(shape):
    """float32 in [0, 1] of a shape by a formula, which no random number generator can change."""
    numbers = np.arange(np.prod(shape), dtype=np.float64)
    return tf.constant((0.5 + 0.5 * np.sin(0.7 * numbers + 0.001 * numbers**2)).reshape(shape), tf.float32)


def outputs(model):
    """What is compared: name -> float32 array."""
    decomposition = model.decompose(formula(VIDEO_SHAPE))
    objects, frames = decomposition.posteriors["object"], decomposition.posteriors["frame"]
    return {
        "reconstruction": decomposition.reconstruction.numpy(),
        "slot_masks": decomposition.slot_masks.numpy(),
        "object_mean": objects.mean.numpy(),
        "object_log_scale": objects.log_scale.numpy(),
        "frame_mean": frames.mean.numpy(),
        "frame_log_scale": frames.log_scale.numpy(),
    }


def main():
    """Writes the checkpoint and the outputs beside this file."""
    keras.utils.set_random_seed(0)
    parts = make_parts()
    rng = np.random.default_rng(0)
    for variable in parts["model"].trainable_variables:
        variable.assign(variable.numpy() + 0.3 * rng.normal(size=variable.shape))
    for variable, average in zip(parts["model"].trainable_variables, parts["average"].averages, strict=True):
        average.assign(variable.numpy() + 1.0)
    parts["step"].assign(STEP)
    shutil.rmtree(RUN, ignore_errors=True)
    Checkpoints(RUN, parts).save(STEP)
    np.savez_compressed(EXPECTED, **outputs(parts["model"]))


if __name__ == "__main__":
    main()
