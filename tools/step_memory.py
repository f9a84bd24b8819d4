"""What a training step's peak memory becomes by microbatches and by recomputation; for `benchmark.py`.

Every option is measured in a process of its own. What the process had before its first step (TensorFlow, the weights,
the state of the optimizer) is the same in all; the factors are those of the rest.
"""

from collections.abc import Callable, Iterable
from typing import Any

OPTIONS = {
    "whole batch": ("None", "None"),
    "microbatches of 1": ("1", "None"),
    "recompute decoder": ("None", "'decoder'"),
    "recompute all": ("None", "'all'"),
    "both": ("1", "'all'"),
}
"""Name -> `train.microbatch_size` and `train.recompute`; the first is what the others are compared with."""


def rows(measure: Callable[[list[str]], dict[str, Any]]) -> Iterable[tuple[str, str]]:
    """Measures the options one after the other.

    Args:
        measure: measures the training step with further flags, see `_measure_training` of `benchmark.py`.

    Yields:
        The name of an option and what is to be printed of it.
    """
    whole = None
    for name, (microbatch_size, recompute) in OPTIONS.items():
        found = measure(
            [
                f"--gin_param=train.microbatch_size = {microbatch_size}",
                f"--gin_param=train.recompute = {recompute}",
            ]
        )
        own = found["peak_bytes"] - found["built_bytes"]
        whole = whole or (own, found["step_seconds"])
        yield (
            name,
            f"{found['peak_bytes'] / 2**30:.2f} GiB, of the step {own / 2**30:.2f} GiB ({whole[0] / own:.1f} times "
            f"less), {found['step_seconds']:.3g} s ({found['step_seconds'] / whole[1]:.2f} of the time)",
        )
