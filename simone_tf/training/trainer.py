"""The training loop: steps, logging, periodic evaluation, checkpoints, resume, and a stop where steps go wrong."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from simone_tf import interrupts
from simone_tf.cli.progress import Progress, progress
from simone_tf.errors import UserError
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.input_watch import input_watched
from simone_tf.training.step import TrainingStep
from simone_tf.training.step_watch import BatchFault, NotFiniteError, StepWatch
from simone_tf.training.summaries import Summaries
from simone_tf.training.time_limit import TimeLimit
from simone_tf.training.workers import Workers


class Trainer:
    """Runs `TrainingStep`s from the step that was restored, or the first, to `num_steps`.

    Args:
        training_step: `TrainingStep`, its model and optimizer built and, in a run that goes on, restored.
        checkpoints: `Checkpoints` of the run.
        summaries: `Summaries` of the run.
        make_iterator: start step -> iterator over distributed batches from that step on.
        evaluate: () -> dict of held-out measures.
        draw: step -> None, writes pictures of held-out clips to the summaries.
        num_steps: length of the run in steps.
        clips_per_step: global batch size.
        steps_per_loop: steps taken per call into the graph.
        log_every, evaluate_every, checkpoint_every: periods in steps; 0 for only at the end.
        limit: `TimeLimit` of the session, which ends the run where it is when the time is over; its clock runs. Where
            it has checks, the run is scored by them, and at the session's start as well.
        max_skipped_steps: how many steps in a row may be skipped because their loss or gradient is not finite; besides
            those that a scale of the loss takes to come down to 1.
        explain_batch: step -> what is known of its batch, such as the file and record of the clip at fault.
        open_files: () -> the data files that are being read.
        workers: all that train together, None for this process alone. The chief evaluates, draws and logs; all go on,
            save and stop at the same steps. The limit's clock is theirs.

    Attributes:
        scores: step -> measures of every evaluation of the session.
    """

    def __init__(
        self,
        training_step: TrainingStep,
        checkpoints: Checkpoints,
        summaries: Summaries,
        make_iterator: Callable[[int], Iterator],
        evaluate: Callable[[], dict[str, float]],
        draw: Callable[[int], None],
        num_steps: int,
        clips_per_step: int,
        steps_per_loop: int = 10,
        log_every: int = 100,
        evaluate_every: int = 1000,
        checkpoint_every: int = 1000,
        limit: TimeLimit | None = None,
        max_skipped_steps: int = 0,
        explain_batch: Callable[[int], BatchFault | None] = lambda step: None,
        open_files: Callable[[], list[str]] = list,
        workers: Workers | None = None,
    ) -> None:
        self.training_step = training_step
        self.checkpoints = checkpoints
        self.summaries = summaries
        self.make_iterator = make_iterator
        self.evaluate = evaluate
        self.draw = draw
        self.num_steps = num_steps
        self.clips_per_step = clips_per_step
        self.steps_per_loop = steps_per_loop or num_steps
        self.log_every = log_every or num_steps
        self.evaluate_every = evaluate_every or num_steps
        self.checkpoint_every = checkpoint_every or num_steps
        self.limit = limit
        self.explain_batch = explain_batch
        self.open_files = open_files
        scale = training_step.loss_scale
        # Finding the scale of a loss takes steps that are skipped.
        may_be_skipped = max_skipped_steps + (0 if scale is None else scale.num_halvings)
        self._watch = StepWatch(training_step.model.loss_terms, may_be_skipped)
        self.workers = workers or Workers(tf.distribute.get_strategy())
        self.scores: dict[int, dict[str, float]] = {}

    def train(self) -> dict[str, float]:
        """Trains to the end and returns the last evaluation's measures.

        Whatever ends it early (an interrupt, data that cannot be read), the steps taken so far are saved first.

        Raises:
            UserError: when more steps in a row than may be skipped have a loss or gradient that is not finite (names
                the first with its term and clips; the last checkpoint stays), held-out clips are reconstructed by
                numbers that are not finite, or a checkpoint cannot be written.
        """
        # Data is read from the restored step on: its order is a function of the step, and not in the checkpoint.
        first = step = int(self.training_step.step.numpy())
        iterator = self.make_iterator(step)
        metrics = None
        # Lines come from the log; a bar has nothing to add to them.
        waiting_since = self.training_step.waiting_since
        with self._bar(step) as shown, input_watched(waiting_since, shown.say, self.open_files):
            try:
                if self._missed_evaluation(step) or self._has_checks:
                    metrics = self._evaluate(step, shown)
                while step < self.num_steps:
                    self.workers.stop_if_asked()
                    count = self._steps_until_event(step)
                    # An interrupt waits for the log: the steps are saved, and nobody would log them any more.
                    with interrupts.held():
                        begin = self.workers.clock()
                        with self.workers.losses_told():
                            rows = self.training_step.run(iterator, count)
                        self.workers.agreed()
                        seconds = self.workers.clock() - begin
                        self._look_at(rows, step, shown)
                        step += count
                        is_check = self._noted_time(step, count, seconds)
                        self._log(step, rows, seconds / count, shown, is_check)
                    # Saved first: whatever fails in evaluation costs no step.
                    is_scored = is_check or self._due(step, self.evaluate_every)
                    if is_scored or self._due(step, self.checkpoint_every):
                        self.checkpoints.save(step)
                    if is_scored:
                        metrics = self._evaluate(step, shown)
                    self._advance(shown, count)
            except UserError:
                # Bad weights or a full disk: there is nothing to save, or no room.
                raise
            except BaseException:
                with interrupts.held():
                    self._save_what_was_taken(first, shown)
                raise
            if metrics is None:
                # Of a run that was at its end, what is known of this step was shown then.
                metrics = self._evaluate(step, shown, is_new=self.checkpoints.evaluated_step() != step)
        self.summaries.flush()
        return metrics

    @property
    def _has_checks(self) -> bool:
        return self.limit is not None and self.limit.num_checks > 0

    def _bar(self, step: int) -> contextlib.AbstractContextManager[Progress]:
        """Of steps, or of seconds where these end the session; lines come from the log, a bar has nothing to add."""
        if not self.workers.is_chief:
            return contextlib.nullcontext(Progress(None, "", None, "step", step, None))
        if self.limit is None:
            return progress(total=self.num_steps, unit="step", done=step, every=None)
        return progress(total=round(self.limit.seconds), unit="s", every=None)

    def _advance(self, shown: Progress, count: int) -> None:
        if self.limit is not None:
            count = int(min(self.limit.elapsed, self.limit.seconds)) - shown.done
        shown.add(count)

    def _noted_time(self, step: int, count: int, seconds: float) -> bool:
        """Whether the time of the session says that the run is scored at this step, which may be its last."""
        if self.limit is None:
            return False
        self.limit.took(count, seconds)
        if self.limit.is_over():
            self.num_steps = step
        return self.limit.check_is_due()

    def _missed_evaluation(self, step: int) -> bool:
        """Whether the run ended between the checkpoint of this step and its evaluation."""
        due = 0 < step < self.num_steps and self._due(step, self.evaluate_every)
        return due and self.checkpoints.evaluated_step() != step

    def _save_what_was_taken(self, first: int, shown: Progress) -> None:
        # A step counts once all variables belong to it. They may come before the check of its loss.
        step = int(self.training_step.step.numpy())
        if step > first and self.training_step.is_finite():
            self.checkpoints.save(step)
            if self.workers.is_chief and not self._has_checks:
                shown.say(f"Saved at step {step}: {self.checkpoints.latest}")

    def _look_at(self, rows: Mapping[str, np.ndarray], first_step: int, shown: Progress) -> None:
        """Tells of steps that were skipped or went astray; stops at the last that may."""
        try:
            for sentence in self._watch.look(rows, first_step):
                if self.workers.is_chief:  # All workers see the same numbers.
                    shown.say(sentence)
        except NotFiniteError as fault:
            self.workers.leave()
            found = self.explain_batch(fault.step - 1)
            what = f"{fault}{f' ({found.words})' if found else ''} and training stopped"
            if found and found.is_of_weights:
                raise UserError(f"{what}: {self._of_lost_weights()}") from None
            latest = self.checkpoints.latest
            kept = f"to go on from {latest}" if latest else "to start afresh, for no checkpoint was saved yet"
            raise UserError(f"{what}; run again with a lower learning rate or a longer warm-up {kept}.") from None

    def _of_lost_weights(self) -> str:
        latest = self.checkpoints.latest
        also = f", and those of {latest} may be as they are" if latest else ""
        return (
            f"the weights are no longer good{also}. Start anew in another --run_dir with a lower learning rate or a "
            "longer warm-up."
        )

    def _steps_until_event(self, step: int) -> int:
        periods = (self.steps_per_loop, self.log_every, self.evaluate_every, self.checkpoint_every)
        count = min(*(period - step % period for period in periods), self.num_steps - step)
        return count if self.limit is None else self.limit.steps_that_fit(count)

    def _due(self, step: int, period: int) -> bool:
        return step % period == 0 or step == self.num_steps

    def _log(
        self, step: int, rows: Mapping[str, np.ndarray], seconds_per_step: float, shown: Progress, is_check: bool
    ) -> None:
        if not self.workers.is_chief or not (is_check or self._due(step, self.log_every)):
            return
        measures = {"skipped_steps": float(self.training_step.num_skipped)}
        taken = self._watch.last_taken(rows)
        if taken is None:
            self.summaries.scalars(step, {f"train/{name}": value for name, value in measures.items()})
            return
        measures |= {name: float(values[taken]) for name, values in rows.items() if name != "input_wait_seconds"}
        measures["clips_per_second"] = self.clips_per_step / seconds_per_step
        measures["input_wait_share"] = float(rows["input_wait_seconds"].mean()) / seconds_per_step
        self.summaries.scalars(step, {f"train/{name}": value for name, value in measures.items()})
        clips = measures["clips_per_second"]
        terms = _terms_in_words({name: measures[name] for name in self.training_step.model.loss_terms})
        rate = f"{round(clips) if clips >= 10 else f'{clips:.2g}'} clips/s"
        shown.say(f"step {self._place(step)}  {terms}  {rate}")

    def _evaluate(self, step: int, shown: Progress, is_new: bool = True) -> dict[str, float]:
        begin = self.workers.clock()
        metrics: dict[str, float] = {}
        with self.workers.apart():
            metrics = self._measured(step, is_new)
        self._check_drawn(step, metrics)
        self.checkpoints.save_if_best(step, metrics)
        if metrics:
            self.checkpoints.note_evaluated(step)
        if self.workers.count > 1:
            self.workers.stop_if_asked()
        if self.limit is not None:
            self.limit.was_scored(self.workers.clock() - begin)
        # Of each of several sets the one score that decides; all others stand in TensorBoard.
        shown_here = ("/" not in name or name.endswith(f"/{self.checkpoints.best_metric}") for name in metrics)
        scores = "  ".join(
            f"{name} {value:.4f}"
            for (name, value), is_shown in zip(metrics.items(), shown_here, strict=True)
            if is_shown and isinstance(value, float)
        )
        if metrics:
            shown.say(f"step {self._place(step)}  held-out: {scores}")
        return metrics

    def _check_drawn(self, step: int, metrics: Mapping[str, float]) -> None:
        # A run that skips its last steps would be at its end otherwise, and its scores would be taken for a result.
        for name, value in metrics.items():
            if name.endswith("reconstruction_mse") and not math.isfinite(value):
                what = f"Step {step}: {name} of the held-out clips is {value} and training stopped"
                raise UserError(f"{what}: {self._of_lost_weights()}")

    def _measured(self, step: int, is_new: bool) -> dict[str, float]:
        """The measures of the run at this step, logged and drawn where they are new; of the chief alone."""
        if not self.workers.is_chief:
            return {}
        metrics = self.scores[step] = self.evaluate()
        if is_new:
            self.summaries.scalars(
                step, {f"evaluation/{name}": value for name, value in metrics.items() if isinstance(value, float)}
            )
            self.draw(step)
        return metrics

    def _place(self, step: int) -> str:
        return f"{step}/{self.num_steps}" if self.limit is None else f"{step} ({self.limit.elapsed:.0f} s)"


def _terms_in_words(terms: Mapping[str, float]) -> str:
    """A model's loss and terms for one line; the KLs together, the weighted terms, which add nothing new, left out."""
    rest = {name: value for name, value in terms.items() if not name.startswith("weighted_")}
    words = [f"loss {rest.pop('loss'):.4f}"]
    divergences = {name: rest.pop(name) for name in tuple(rest) if name.endswith("_kl")}
    words += [f"{name.replace('_per_', '/').replace('_', ' ')} {value:.3f}" for name, value in rest.items()]
    if divergences:
        words.append("KL " + " ".join(f"{name.removesuffix('_kl')} {value:.2f}" for name, value in divergences.items()))
    return "  ".join(words)
