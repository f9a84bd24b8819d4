"""Held-out clips of several data sets: scored each by itself, and on average over the sets."""

from collections.abc import Mapping

import numpy as np

from simone_tf.evaluation.held_out import HeldOut, TakenApart


class HeldOutSets:
    """Evaluates a model on the held-out clips of one set or of several.

    Args:
        sets: name -> `HeldOut`; the names of several stand before their scores.
    """

    def __init__(self, sets: Mapping[str, HeldOut]):
        self._sets = dict(sets)

    def evaluate(self) -> dict[str, float]:
        """Runs over all clips.

        Returns:
            What `HeldOut.evaluate` gives. Of several sets: every score as `<set>/<score>`, and under its own name the
            mean over the sets that have it, in which each counts alike whatever its number of clips; `num_clips` is
            the number of all.
        """
        results = {name: held_out.evaluate() for name, held_out in self._sets.items()}
        if len(results) == 1:
            return next(iter(results.values()))
        scores = dict.fromkeys(score for result in results.values() for score in result)
        merged = {
            score: float(np.mean([result[score] for result in results.values() if score in result])) for score in scores
        }
        merged["num_clips"] = sum(int(result["num_clips"]) for result in results.values())
        for name, result in results.items():
            merged |= {f"{name}/{score}": value for score, value in result.items()}
        return merged

    def first_clips(self, count: int) -> list[TakenApart]:
        """The first clips of every set, `count` in all, shared out as evenly as can be."""
        share, more = divmod(count, len(self._sets))
        taken: list[TakenApart] = []
        for number, held_out in enumerate(self._sets.values()):
            wanted = share + (number < more)
            taken += held_out.first_clips(wanted) if wanted else []
        return taken
