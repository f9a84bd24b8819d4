"""The training step of every model in StableHLO, for devices without TensorFlow."""

import keras
import pytest
import tensorflow as tf

from simone_tf.runs.lowered_step import lowered, state_variables
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.schedules import WarmupCosine
from simone_tf.training.step import TrainingStep

from small_models import SMALL_MODELS

T, H, W = 2, 8, 16


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_step_of_one_clip_is_lowered_without_a_call_to_its_host(name):
    keras.utils.set_random_seed(0)
    model = SMALL_MODELS[name]()
    model.build((None, T, H, W, 3))
    optimizer = keras.optimizers.Adam(WarmupCosine(1e-3, warmup_steps=2, decay_steps=6))
    optimizer.build(model.trainable_variables)
    step = TrainingStep(model, optimizer, tf.distribute.get_strategy(), 1.0, average=WeightAverage(model, 0.9))
    shapes = {name: (1, T, H, W, 3) if name == "video" else (1, T, model.given[name]) for name in model.inputs}
    text, order = lowered(step, shapes)
    assert set(order) <= set(state_variables(step))
    assert {f"weights/{name}" for name in model_weights(step)} <= set(order)
    for name in ("custom_call", "infeed", "outfeed", "send", "recv", "mhlo.copy"):
        assert f"{name} " not in text.replace("(", " "), name


def model_weights(step):
    return [name.removeprefix("weights/") for name in state_variables(step) if name.startswith("weights/")]
