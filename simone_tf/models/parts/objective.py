"""GECO: the KL is minimised under a constraint on the log-likelihood per pixel (Rezende & Viola, 2018)."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import Check, check_values, number
from simone_tf.errors import UserError

OBJECTIVE_TERMS = ("multiplier", "missing_nats")
"""What a model with such an objective tells in its losses: the multiplier of the step, and the moving average before it
of the nats per pixel that the target lies above what was reached; at most 0 where the constraint holds."""


class Geco(keras.layers.Layer):
    """Moves the weight of a model's KL so that its pixels come to be explained as well as was asked, and no better.

    The Lagrangian of "minimise the KL where `target - nats_per_pixel <= 0`" is `KL + multiplier * (target - nats)`.
    What is trained is that over the multiplier: the weights of a model's KLs are divided by it and the likelihood keeps
    its own, so that gradients keep about their size however far the multiplier goes. With a multiplier of 1 it is the
    model's own loss. After each step the logarithm of the multiplier moves by `step_size` times the moving average of
    what is missing. No gradient leads through it.

    Its state is part of the model, so of every checkpoint; the target as well, which a run keeps to its end. Of several
    replicas all see the mean of their batches, and move alike.

    Args:
        target: nats per pixel that the log-likelihood is to reach, as a model's `nats_per_pixel` counts them. They
            depend on the scale of the likelihood: models are compared at the same one.
        decay: weight of the past in the moving average (paper: 0.99).
        step_size: what the logarithm of the multiplier moves by for each missing nat per pixel (ours).
        max_log_step: what it moves by at most in a step (ours); an early model misses its target by hundreds of nats.
        initial_multiplier: of the first step (paper: 1).
        multiplier_range: the multiplier stays in it; (lowest, highest), around `initial_multiplier`.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        target: float,
        decay: float = 0.99,
        step_size: float = 0.02,
        max_log_step: float = 0.01,
        initial_multiplier: float = 1.0,
        multiplier_range: tuple[float, float] = (1e-4, 1e4),
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        around = Check(
            f"two numbers above 0 around {initial_multiplier!r}", lambda value: _around(value, initial_multiplier)
        )
        values = {
            "target": target,
            "decay": decay,
            "step_size": step_size,
            "max_log_step": max_log_step,
            "initial_multiplier": initial_multiplier,
            "multiplier_range": multiplier_range,
        }
        positive = number(0, above=True)
        checks = {
            "target": Check("a finite number of nats", number(-math.inf).holds),
            "decay": number(0, below=1),
            "step_size": positive,
            "max_log_step": positive,
            "initial_multiplier": positive,
            "multiplier_range": around,
        }
        check_values("Geco", values, checks)
        self.target = target
        self.decay = decay
        self.step_size = step_size
        self.max_log_step = max_log_step
        self.initial_multiplier = initial_multiplier
        self.multiplier_range = multiplier_range

    def build(self, input_shape: tuple[Any, ...] = ()) -> None:
        """Creates the state; it has no shape that depends on an input."""
        del input_shape

        def scalar(name: str, value: float) -> keras.Variable:
            return self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(value),
                dtype="float32",
                trainable=False,
                aggregation="only_first_replica",  # All replicas come to the same.
                name=name,
            )

        self.wanted_nats = scalar("wanted_nats", self.target)
        self.log_multiplier = scalar("log_multiplier", math.log(self.initial_multiplier))
        self.average = scalar("average", 0.0)  # of what is missing, each step with its weight
        self.weight = scalar("weight", 0.0)  # of all steps together, 1 in the end

    def kl_scale(self) -> tf.Tensor:
        """What the weights of the KLs are multiplied by, a float32 scalar."""
        return tf.stop_gradient(tf.exp(-tf.convert_to_tensor(self.log_multiplier)))

    def terms(self) -> dict[str, tf.Tensor]:
        """By name of `OBJECTIVE_TERMS`, float32 scalars."""
        multiplier = tf.exp(tf.convert_to_tensor(self.log_multiplier))
        return {"multiplier": tf.stop_gradient(multiplier), "missing_nats": tf.stop_gradient(self._missing())}

    def update(self, nats_per_pixel: tf.Tensor) -> None:
        """Takes notice of a step.

        Args:
            nats_per_pixel: float32 scalar, what the step reached, over the batches of all replicas.
        """
        missing = tf.convert_to_tensor(self.wanted_nats) - nats_per_pixel
        self.average.assign(self.decay * self.average + (1.0 - self.decay) * missing)
        self.weight.assign(self.decay * self.weight + (1.0 - self.decay))
        log_step = tf.clip_by_value(self.step_size * self._missing(), -self.max_log_step, self.max_log_step)
        low, high = (math.log(bound) for bound in self.multiplier_range)
        self.log_multiplier.assign(tf.clip_by_value(self.log_multiplier + log_step, low, high))
        # Unchanged, but written, and by a sum that XLA does not see through: a lowered step hands on what it writes,
        # and the target is part of the state.
        self.wanted_nats.assign(tf.convert_to_tensor(self.wanted_nats) + 0.0)

    def _missing(self) -> tf.Tensor:
        """The moving average, of which the first value is the first step's alone; 0 before it."""
        return tf.math.divide_no_nan(tf.convert_to_tensor(self.average), tf.convert_to_tensor(self.weight))


class WithObjective:
    """For a `SceneModel` whose loss is a log-likelihood per pixel and KLs: it may be trained under a constraint.

    Such a model calls `pursue` in its constructor and `build_objective` in `build`, multiplies the weights of its KLs
    by `kl_scale` and adds `objective_terms` to its losses, among which there is `nats_per_pixel`.
    """

    objective: Geco | None = None
    loss_terms: tuple[str, ...]

    def pursue(self, objective: Geco | None) -> None:
        """Gives the model its objective; None leaves it as it is.

        Raises:
            UserError: it is no objective.
        """
        if objective is None:
            return
        if not isinstance(objective, Geco):
            raise UserError(f"{type(self).__name__}.objective is {objective!r}: it must be @Geco(), or None.")
        self.objective = objective
        own = [name for name in self.loss_terms if not name.startswith("weighted_")]
        self.loss_terms = (*own, *OBJECTIVE_TERMS, *self.loss_terms[len(own) :])

    def build_objective(self) -> None:
        """Creates the objective's state, where there is an objective."""
        if self.objective is not None:
            self.objective.build()

    @property
    def kl_scale(self) -> tf.Tensor | float:
        """What the objective multiplies the weights of the KLs by; 1 without one."""
        return 1.0 if self.objective is None else self.objective.kl_scale()

    def objective_terms(self) -> dict[str, tf.Tensor]:
        """What the objective tells of a step, by name of `OBJECTIVE_TERMS`; nothing without one."""
        return {} if self.objective is None else self.objective.terms()

    def after_step(self, losses: Mapping[str, tf.Tensor]) -> None:
        """Moves the objective, see `SceneModel.after_step`."""
        if self.objective is not None:
            self.objective.update(losses["nats_per_pixel"])


def _around(bounds: Any, middle: float) -> bool:
    """Whether they are two numbers above 0 with `middle` between them or at one of them."""
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        return False
    return all(number(0, above=True).holds(bound) for bound in bounds) and bounds[0] <= middle <= bounds[1]
