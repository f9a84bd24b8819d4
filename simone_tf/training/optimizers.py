"""The optimizers, without the clipping that Keras would do before the all-reduce."""

import re
from collections.abc import Sequence
from typing import Any

import keras

from simone_tf.checks import Check, check_values, number, whole
from simone_tf.training.schedules import WarmupCosine

_DECAY = number(0, below=1)


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
    values = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    check_values("Adam", values, {"beta_1": _DECAY, "beta_2": _DECAY, "epsilon": number(0)})
    return keras.optimizers.Adam(_schedule("Adam", learning_rate), beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def make_rmsprop(
    learning_rate: float | WarmupCosine = 1e-4, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-12
) -> keras.optimizers.RMSprop:
    """RMSprop; the training step clips the all-reduced gradient itself.

    Args:
        learning_rate: a number or a `LearningRateSchedule` (MONet: 1e-4, constant).
        rho: decay of the mean square of the gradient.
        momentum: decay of the momentum; 0 for none.
        epsilon: added to the mean square, whose root is the size of a gradient: small, because losses here are means
            over pixels, and so are their gradients.

    Raises:
        UserError: a value is no number or out of range.
    """
    values = {"rho": rho, "momentum": momentum, "epsilon": epsilon}
    check_values("RMSprop", values, {"rho": _DECAY, "momentum": _DECAY, "epsilon": number(0)})
    return keras.optimizers.RMSprop(_schedule("RMSprop", learning_rate), rho=rho, momentum=momentum, epsilon=epsilon)


def make_muon(
    learning_rate: float | WarmupCosine = 2e-3,
    momentum: float = 0.95,
    ns_steps: int = 5,
    rms_rate: float = 0.2,
    exclude_layers: Sequence[str] = ("output_layer",),
    adam_beta_1: float = 0.9,
    adam_beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> keras.optimizers.Muon:
    """Muon for the matrices, Adam for all other weights; no weight decay; the training step clips the gradient itself.

    Muon makes the momentum of a matrix orthogonal before it is applied, so that all its directions are learned at
    the same pace (Jordan et al., 2024); the size of the update is that of Adam's, so that both share a learning rate
    (Liu et al., 2025, arXiv 2502.16982). The paper knows Adam only.

    Args:
        learning_rate: a number or a `LearningRateSchedule`.
        momentum: decay of a matrix's momentum, Nesterov's.
        ns_steps: Newton-Schulz iterations that make it orthogonal.
        rms_rate: root mean square of an update, in learning rates; Adam's is 0.2 to 0.4 as a rule.
        exclude_layers: regular expressions; a matrix whose path one of them is found in is left to Adam, as the last
            layer of a decoder should be.
        adam_beta_1, adam_beta_2, epsilon: decay of the moments of what is left to Adam, and what is added to the root
            of the second.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """
    values = {
        "momentum": momentum,
        "ns_steps": ns_steps,
        "rms_rate": rms_rate,
        "exclude_layers": exclude_layers,
        "adam_beta_1": adam_beta_1,
        "adam_beta_2": adam_beta_2,
        "epsilon": epsilon,
    }
    check_values("Muon", values, _MUON_CHECKS)
    return keras.optimizers.Muon(
        _schedule("Muon", learning_rate),
        adam_beta_1=adam_beta_1,
        adam_beta_2=adam_beta_2,
        adam_weight_decay=None,
        epsilon=epsilon,
        weight_decay=None,
        exclude_layers=list(exclude_layers),
        adam_lr_ratio=1.0,
        momentum=momentum,
        ns_steps=ns_steps,
        nesterov=True,
        rms_rate=rms_rate,
    )


def _schedule(owner: str, learning_rate: Any) -> keras.optimizers.schedules.LearningRateSchedule:
    if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        return learning_rate
    # A bare number becomes a variable of the optimizer, and a resumed run would take the checkpoint's, not the one
    # that is configured now.
    check_values(owner, {"learning_rate": learning_rate}, {"learning_rate": number(0)})
    return WarmupCosine(learning_rate)


def _are_expressions(value: Any) -> bool:
    if not isinstance(value, tuple | list) or not all(isinstance(pattern, str) for pattern in value):
        return False
    try:
        return all(re.compile(pattern) for pattern in value)
    except re.error:
        return False


_MUON_CHECKS = {
    "momentum": _DECAY,
    "ns_steps": whole(1),
    "rms_rate": number(0, above=True),
    "exclude_layers": Check("a list of regular expressions", _are_expressions),
    "adam_beta_1": _DECAY,
    "adam_beta_2": _DECAY,
    "epsilon": number(0),
}
