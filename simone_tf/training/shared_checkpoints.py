"""The checkpoints of a run that several workers train."""

import os
import shutil
from collections.abc import Mapping
from typing import Any

from simone_tf.errors import UserError
from simone_tf.interrupts import held
from simone_tf.training.checkpoint_folder import look_into
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.workers import Workers


class SharedCheckpoints(Checkpoints):
    """`Checkpoints` that all workers save and restore at the same steps, and that the chief alone keeps.

    TensorFlow asks that all take part: to save a variable of which every replica has its own part takes all of them.
    Worker 0 puts the folder in order before the others look, so they find the same one newest.

    Args:
        run_dir, parts, keep, best_metric: as for `Checkpoints`.
        workers: all of them; every one of them makes this, and calls all but `latest` at the same places.
        own_folder: where this worker may write what it removes again, see `shared_folder`.

    Raises:
        UserError: as `Checkpoints`, or the workers do not find the same newest checkpoint.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike,
        parts: Mapping[str, Any],
        keep: int,
        best_metric: str,
        workers: Workers,
        own_folder: str,
    ) -> None:
        self._workers = workers
        self._own_folder = own_folder
        super().__init__(run_dir, parts, keep, best_metric)
        noted = super().evaluated_step() if workers.is_chief else None
        (evaluated,) = workers.agreed(-1.0 if noted is None else float(noted))
        self._evaluated = None if evaluated < 0 else int(evaluated)
        if not workers.is_alike(float(self._newest.removeprefix("ckpt-")) if self._newest else -1.0):
            raise UserError(
                f"The workers do not find the same newest checkpoint in {self._folder} (this one: "
                f"{self._newest or 'none'}): start again when the network folder shows the same to all of them."
            )

    def save(self, step: int) -> None:
        """As `Checkpoints.save`."""
        if self._workers.is_chief:
            with self._workers.undisturbed():
                super().save(step)
        elif self._newest != f"ckpt-{step}":
            self._take_part(step)
            self._newest = f"ckpt-{step}"

    def save_if_best(self, step: int, metrics: Mapping[str, float]) -> bool:
        """As `Checkpoints.save_if_best`; the measures are the chief's."""
        (is_best,) = self._workers.agreed(float(self._workers.is_chief and self._is_best(metrics)))
        if not is_best:
            return False
        if self._workers.is_chief:
            with self._workers.undisturbed():
                return super().save_if_best(step, metrics)
        self._take_part(step)
        return True

    def note_evaluated(self, step: int) -> None:
        """As `Checkpoints.note_evaluated`."""
        self._evaluated = step
        if self._workers.is_chief:
            super().note_evaluated(step)

    def evaluated_step(self) -> int | None:
        """As `Checkpoints.evaluated_step`; all workers go by what the chief read at the start."""
        return self._evaluated

    def _opened(self) -> str | None:
        newest = super()._opened() if self._workers.is_chief else None
        self._workers.agreed()  # The chief has put the folder in order.
        return newest if self._workers.is_chief else look_into(self._folder).newest

    def _take_part(self, step: int) -> None:
        with held():
            try:
                self._write(self._own_folder, step, 1, self._own_folder)
            finally:
                shutil.rmtree(self._own_folder, ignore_errors=True)
