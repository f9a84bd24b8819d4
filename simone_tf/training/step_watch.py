"""What is wrong with steps that were taken: numbers that are not finite, KLs that explode."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from simone_tf.errors import UserError

# The learning rate and timings are not watched.
_SKIPPED_BY, _BROKEN_BY = "gradient_norm", "update_norm"
# A KL has exploded above so many nats that are also so many times what it was on average; before so many steps there
# is no average to speak of.
_LARGE_NATS, _LARGE_FACTOR, _LEAST_STEPS, _DECAY = 1000.0, 10.0, 100, 0.99

# Skipped steps that are told one by one; a clip that is at fault comes again in every epoch.
_MOST_TOLD = 10


class BatchFault(NamedTuple):
    """What is known of the batch of a step that is not finite."""

    words: str  # on the clips at fault, such as file and record
    is_of_weights: bool  # whatever the clips are


class NotFiniteError(UserError):
    """Training stops at a step that is not finite."""

    def __init__(self, step: int, sentence: str) -> None:
        super().__init__(sentence)
        self.step = step


class StepWatch:
    """Looks at the measures of steps in their order.

    Args:
        loss_terms: names of the model's terms.
        max_skipped: how many steps in a row may be skipped for a term or gradient that is not finite.
    """

    def __init__(self, loss_terms: Sequence[str], max_skipped: int) -> None:
        # The term at fault is named rather than the loss, which is not finite either.
        terms = (name for name in loss_terms if name != "loss" and not name.startswith("weighted_"))
        self._names = tuple(dict.fromkeys((*terms, *loss_terms, _SKIPPED_BY)))
        self._max_skipped = max_skipped
        self._skipped: list[tuple[int, str]] = []
        self._averages = {name: 0.0 for name in loss_terms if name.endswith("_kl") and not name.startswith("weighted_")}
        self._exploded: set[str] = set()
        self._seen = 0
        self._num_told = 0

    def look(self, rows: Mapping[str, np.ndarray], first_step: int) -> list[str]:
        """What is to be told of steps.

        Args:
            rows: measure -> `[num_steps]` values, of the steps after `first_step`.
            first_step: number of steps before them.

        Raises:
            NotFiniteError: too many steps in a row were skipped, or an update was not finite; its `step` is the first
                of them.
        """
        told = []
        for offset in range(len(rows["loss"])):
            step = first_step + offset + 1
            bad = next((name for name in self._names if not math.isfinite(rows[name][offset])), None)
            if bad is not None:
                what = f"{bad} is {float(rows[bad][offset])}"
                self._skipped.append((step, what))
                if len(self._skipped) > self._max_skipped:
                    raise self._too_many()
                self._num_told += 1
                if self._num_told <= _MOST_TOLD:
                    told.append(f"Step {step}: {what}, the step is skipped.")
                if self._num_told == _MOST_TOLD:
                    told.append("Further steps that are skipped are counted in TensorBoard's train/skipped_steps only.")
                continue
            self._skipped = []
            if not math.isfinite(rows[_BROKEN_BY][offset]):
                raise NotFiniteError(step, f"Step {step}: {_BROKEN_BY} is {float(rows[_BROKEN_BY][offset])}")
            told += self._exploding(step, {name: float(rows[name][offset]) for name in self._averages})
        return told

    def last_taken(self, rows: Mapping[str, np.ndarray]) -> int | None:
        """The place of the last step that was not skipped, None where all were."""
        good = np.flatnonzero(np.all([np.isfinite(rows[name]) for name in self._names], axis=0))
        return int(good[-1]) if good.size else None

    def _too_many(self) -> NotFiniteError:
        step, what = self._skipped[0]
        others = len(self._skipped) - 1
        after = f", and so for the {others} steps after it, which were all skipped" if others else ""
        return NotFiniteError(step, f"Step {step}: {what}{after}")

    def _exploding(self, step: int, values: Mapping[str, float]) -> list[str]:
        told = []
        self._seen += 1
        for name, value in values.items():
            average = self._averages[name]
            if self._seen > _LEAST_STEPS and value > max(_LARGE_NATS, _LARGE_FACTOR * average):
                if name not in self._exploded:
                    told.append(
                        f"Step {step}: {name} is {value:.0f} nats, {value / max(average, 1e-3):.0f} times what it was: "
                        "if it does not come back by itself, lower the learning rate, or narrow the range of the "
                        "posteriors' scales (LatentHead.log_scale_range)."
                    )
                self._exploded.add(name)
                continue  # What has exploded is no measure of what is usual.
            self._exploded.discard(name)
            decay = min(_DECAY, 1.0 - 1.0 / self._seen)
            self._averages[name] = decay * average + (1.0 - decay) * value
        return told
