"""An exponential moving average of the weights, used in place of them for evaluation."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class WeightAverage(tf.Module):
    """Shadow copies of a model's trainable variables.

    The decay warms up as (1 + n) / (10 + n), so that early averages do not remember the initial weights.

    Args:
        model: built model; create the average inside the same `strategy.scope()`.
        decay: weight of the past in each update, in [0, 1).
    """

    def __init__(self, model: keras.Model, decay: float = 0.999) -> None:
        super().__init__(name="weight_average")
        self.decay = decay
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates", aggregation=_ONCE)
        self.averages = tuple(
            tf.Variable(variable.value, trainable=False, name=variable.name, aggregation=_ONCE)
            for variable in model.trainable_variables
        )

    def update(self, variables: Sequence[keras.Variable]) -> None:
        """Moves the averages towards the variables; called in a replica after the optimizer."""
        count = tf.cast(self.updates.assign_add(1), tf.float32)
        rate = 1.0 - tf.minimum(self.decay, (1.0 + count) / (10.0 + count))
        for average, variable in zip(self.averages, variables, strict=True):
            average.assign(average + rate * (variable.value - average))

    def start_again(self, model: keras.Model) -> None:
        """The averages become the weights as they are, which may have come from elsewhere."""
        self.updates.assign(0)
        for average, variable in zip(self.averages, model.trainable_variables, strict=True):
            average.assign(variable.value)

    def assign_to(self, model: keras.Model) -> None:
        """Gives the model the averaged weights."""
        for average, variable in zip(self.averages, model.trainable_variables, strict=True):
            variable.assign(average.read_value())

    @contextlib.contextmanager
    def swapped_into(self, model: keras.Model) -> Iterator[None]:
        """The model holds the averaged weights inside this context and its own again after it."""
        variables = model.trainable_variables
        own = [variable.numpy() for variable in variables]
        try:
            self.assign_to(model)
            yield
        finally:
            for value, variable in zip(own, variables, strict=True):
                variable.assign(value)


# All replicas compute the same average: take the first's.
_ONCE = tf.VariableAggregation.ONLY_FIRST_REPLICA
