"""Learning rates over the steps of a run."""

import math
from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, number, whole

_CHECKS = {
    "peak": number(0),
    "warmup_steps": whole(0),
    "decay_steps": whole(0),
    "final_fraction": number(0),
    "halving_steps": whole(1),
}


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a peak, then constant, or a cosine down to a fraction of it.

    Args:
        peak: learning rate after the warm-up (recovered from reproductions: 2e-4, constant).
        warmup_steps: steps of the linear warm-up, 0 for none.
        decay_steps: step at which the cosine ends, counted from step 0; 0 keeps the peak.
        final_fraction: learning rate at the end, as a fraction of the peak.

    Raises:
        UserError: a value is no number or out of range.
    """

    def __init__(
        self, peak: float = 2e-4, warmup_steps: int = 0, decay_steps: int = 0, final_fraction: float = 0.0
    ) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps
        self.final_fraction = final_fraction
        check_values("WarmupCosine", self.get_config(), _CHECKS)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate (float32 scalar) of the step that is about to be taken."""
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self.peak, tf.float32)
        if self.decay_steps:
            span = max(self.decay_steps - self.warmup_steps, 1)
            progress = tf.clip_by_value((step - self.warmup_steps) / span, 0.0, 1.0)
            cosine = 0.5 * (1.0 + tf.cos(math.pi * progress))
            rate *= self.final_fraction + (1.0 - self.final_fraction) * cosine
        return rate * _warmup(step, self.warmup_steps)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
            "final_fraction": self.final_fraction,
        }


class WarmupHalving(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, and a decay that never rests: halved once in so many steps, from the first step on.

    The rate at step s is `peak * min(1, (s + 1) / warmup_steps) * 0.5 ** (s / halving_steps)`; it never reaches the
    peak. That is the schedule of Slot Attention (Locatello et al., 2020), but that its first step is not lost, whose
    rate is 0 there.

    Args:
        peak: learning rate without warm-up and decay (Slot Attention: 4e-4).
        warmup_steps: steps of the linear warm-up, 0 for none.
        halving_steps: steps in which the decay halves the rate.

    Raises:
        UserError: a value is no number or out of range.
    """

    def __init__(self, peak: float = 4e-4, warmup_steps: int = 10_000, halving_steps: int = 100_000) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.halving_steps = halving_steps
        check_values("WarmupHalving", self.get_config(), _CHECKS)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate (float32 scalar) of the step that is about to be taken."""
        step = tf.cast(step, tf.float32)
        return self.peak * 0.5 ** (step / self.halving_steps) * _warmup(step, self.warmup_steps)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "halving_steps": self.halving_steps}


def _warmup(step: tf.Tensor, warmup_steps: int) -> tf.Tensor | float:
    """Share of the rate at a step of a linear warm-up, which the last of them has in full."""
    return tf.minimum(1.0, (step + 1.0) / warmup_steps) if warmup_steps else 1.0
