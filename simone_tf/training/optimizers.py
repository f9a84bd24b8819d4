"""The optimizer, without the clipping that Keras would do before the all-reduce."""

import keras

from simone_tf.checks import check_values, number
from simone_tf.training.schedules import WarmupCosine


def make_adam(
    learning_rate: float | WarmupCosine = 2e-4, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> keras.optimizers.Adam:
    """Adam; the training step clips the all-reduced gradient itself.

    Args:
        learning_rate: a number or a `LearningRateSchedule` (recovered from reproductions: 2e-4, constant).
        beta_1, beta_2: decay of the first and second moment.
        epsilon: added to the root of the second moment.

    Raises:
        UserError: a value is no number or out of range.
    """
    decay = number(0, below=1)
    values = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    check_values("Adam", values, {"beta_1": decay, "beta_2": decay, "epsilon": number(0)})
    if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        # A bare number becomes a variable of the optimizer, and a resumed run would take the checkpoint's, not the one
        # that is configured now.
        check_values("Adam", {"learning_rate": learning_rate}, {"learning_rate": number(0)})
        learning_rate = WarmupCosine(learning_rate)
    return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
