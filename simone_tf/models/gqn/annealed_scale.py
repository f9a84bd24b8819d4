"""GQN's schedule of the pixels' standard deviation, which starts wide and narrows (Eslami et al., 2018)."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, number, whole


class AnnealedScale(keras.layers.Layer):
    """A standard deviation that goes down in a straight line to that of the likelihood, and stays there.

    Its place in the schedule is part of the model, so of every checkpoint.

    Args:
        initial_scale: standard deviation of a colour channel in the first step (public code: 2.0).
        num_steps: steps until it is the likelihood's own (public code: 200,000).

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(self, initial_scale: float = 2.0, num_steps: int = 200_000, name: str | None = None) -> None:
        super().__init__(name=name)
        values = {"initial_scale": initial_scale, "num_steps": num_steps}
        check_values("AnnealedScale", values, {"initial_scale": number(0, above=True), "num_steps": whole(1)})
        self.initial_scale = initial_scale
        self.num_steps = num_steps

    def build(self, input_shape: tuple[Any, ...] = ()) -> None:
        """Creates the state; it has no shape that depends on an input."""
        del input_shape
        self.steps_taken = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="steps_taken",
        )

    def scale(self, final_scale: float) -> tf.Tensor:
        """The standard deviation of the step that is about to be taken, a float32 scalar."""
        done = tf.minimum(tf.convert_to_tensor(self.steps_taken) / self.num_steps, 1.0)
        return self.initial_scale + (final_scale - self.initial_scale) * done

    def advance(self) -> None:
        """Goes on by a step."""
        self.steps_taken.assign(self.steps_taken + 1.0)
