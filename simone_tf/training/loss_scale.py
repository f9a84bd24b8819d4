"""Scaling of the loss for gradients in float16, whose smallest numbers would else be rounded to 0."""

import math
from collections.abc import Sequence

import tensorflow as tf


class LossScale(tf.Module):
    """The factor that the loss is multiplied by before gradients are computed, and these are divided by afterwards.

    A step whose gradients are not finite is skipped and halves it; so many steps in a row that are finite double it
    (Micikevicius et al., 2018, section 3.2). Its state belongs to the checkpoint.

    Args:
        initial: the factor of the first step.
        growth_steps: finite steps in a row after which it doubles.

    Attributes:
        num_halvings: how many steps that are not finite it takes from `initial` to 1.
    """

    def __init__(self, initial: float = 2.0**15, growth_steps: int = 2000) -> None:
        super().__init__(name="loss_scale")
        self.growth_steps = growth_steps
        self.num_halvings = math.ceil(math.log2(max(initial, 1.0)))
        self.factor = tf.Variable(initial, dtype=tf.float32, trainable=False, name="factor", aggregation=_ONCE)
        self.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="good_steps", aggregation=_ONCE)

    def scaled(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss, a float32 scalar, that is differentiated."""
        return loss * self.factor.read_value()

    def unscaled(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The gradients of the loss itself, from those of the scaled one."""
        return [gradient / self.factor.read_value() for gradient in gradients]

    def was_finite(self) -> None:
        """Takes notice of a step with finite gradients."""
        good = self.good_steps.assign_add(1)
        grows = good >= self.growth_steps
        larger = tf.minimum(self.factor * 2.0, tf.float32.max / 2**16)
        self.factor.assign(tf.where(grows, larger, self.factor))
        self.good_steps.assign(tf.where(grows, tf.zeros_like(good), good))

    def was_not_finite(self) -> None:
        """Takes notice of a step that was skipped; at a factor of 1 the gradients themselves are at fault."""
        self.good_steps.assign(0)
        self.factor.assign(tf.maximum(self.factor / 2.0, 1.0))


# All replicas come to the same: take the first's.
_ONCE = tf.VariableAggregation.ONLY_FIRST_REPLICA
