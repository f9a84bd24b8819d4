"""The loss's scale in float16: grown, halved, and without a trace in gradients that are large enough."""

import keras
import numpy as np
import tensorflow as tf

from simone_tf.training.loss_scale import LossScale


def test_it_grows_after_good_steps_and_halves_after_a_bad_one():
    scale = LossScale(8.0, growth_steps=3)
    factors = []
    for good in "111110111001":
        (scale.was_finite if good == "1" else scale.was_not_finite)()
        factors.append(float(scale.factor))
    assert factors == [8, 8, 16, 16, 16, 8, 8, 8, 16, 8, 4, 4]
    for _ in range(9):
        scale.was_not_finite()
    assert float(scale.factor) == 1


def test_small_gradients_survive_in_float16():
    """A gradient of 1e-8 is 0 in float16, whose smallest number is 6e-8."""
    weight, scale = tf.Variable(1.0), LossScale()

    def gradient(scaled, unscaled):
        with tf.GradientTape() as tape:
            half = tf.cast(weight, tf.float16) * tf.constant(1.0, tf.float16)
            loss = scaled(tf.cast(half, tf.float32) * 1e-8)
        return float(unscaled([tape.gradient(loss, weight)])[0])

    assert gradient(lambda loss: loss, lambda gradients: gradients) == 0.0
    np.testing.assert_allclose(gradient(scale.scaled, scale.unscaled), 1e-8, rtol=1e-3)


def test_a_run_in_float16_skips_until_the_scale_fits(one_replica, make_step, feed, clips):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        step = make_step(one_replica, loss_scale=LossScale(2.0**40))
    finally:
        keras.config.set_dtype_policy("float32")
    before = [variable.numpy() for variable in step.model.trainable_variables]
    rows = step.run(feed(one_replica, clips, 4), 40)
    skipped = ~np.isfinite(rows["gradient_norm"])
    count = int(skipped.sum())
    assert 5 < count < 35
    assert skipped[:count].all()  # from then on it fits
    assert step.num_skipped == count == 40 - int(step.optimizer.iterations)
    assert float(step.loss_scale.factor) == 2.0 ** (40 - count)
    assert rows["update_norm"][:count].max() == 0.0
    full = make_step(one_replica).run(feed(one_replica, clips, 4), 1)
    np.testing.assert_allclose(rows["gradient_norm"][count], full["gradient_norm"][0], rtol=0.1)
    assert all(variable.dtype == "float32" for variable in step.model.trainable_variables)
    assert any(np.any(old != new.numpy()) for old, new in zip(before, step.model.trainable_variables, strict=True))
