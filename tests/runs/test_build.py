"""What builds a model decides about it alone."""

import gin
import keras
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.runs.build import build_model, build_step
from simone_tf.runs.lowered_step import state_variables
from simone_tf.runs.settings import read_settings

from tiny_run import QUICKSTART, TINY


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    gin.clear_config()


def test_the_precision_of_a_users_keras_is_no_matter():
    """`floatx` in a user's keras.json reaches neither weights nor optimizer."""
    kinds = []
    for floatx in ("float32", "float16", "float64"):
        keras.config.set_floatx(floatx)
        step = build_step(
            tf.distribute.get_strategy(),
            read_settings([str(QUICKSTART)], (*TINY, "learning_rate = 3e-4", "Adam.learning_rate = %learning_rate")),
        )
        kinds.append(
            [(tuple(variable.shape), variable.dtype) for variable in (*step.model.weights, *step.optimizer.variables)]
        )
    assert kinds[0] == kinds[1] == kinds[2]
    assert {kind for _, kind in kinds[0] if "float" in kind} == {"float32"}


def test_what_recomputes_is_a_setting_of_training_alone():
    settings = read_settings([str(QUICKSTART)], (*TINY, "train.recompute = 'decoder'"))
    model = build_step(tf.distribute.get_strategy(), settings).model
    assert model.decoder.recomputation is not None
    assert model.encoder.first_transformer.blocks[0].recomputation is None
    assert build_model(settings).decoder.recomputation is None
    with pytest.raises(UserError, match=r"train\.recompute is 'encoder': it must be None or 'decoder' or 'all'"):
        read_settings([str(QUICKSTART)], (*TINY, "train.recompute = 'encoder'"))


def test_only_float16_scales_the_loss():
    for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
        settings = read_settings([str(QUICKSTART)], (*TINY, f"train.precision = '{precision}'"))
        step = build_step(tf.distribute.get_strategy(), settings)
        assert (step.loss_scale is not None) == (precision == "mixed_float16")
        names = [name for name in state_variables(step) if name.startswith("loss_scale/")]
        assert len(names) == (2 if step.loss_scale else 0)
