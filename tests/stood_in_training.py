"""Stand-ins for all that is around the training loop: steps, and what is written, scored and drawn."""

import types

import numpy as np
import tensorflow as tf

from simone_tf.models.simone.model import SIMONe
from simone_tf.training.step import STEP_METRICS
from simone_tf.training.trainer import Trainer

METRICS = (*SIMONe.loss_terms, *STEP_METRICS)


class Steps:
    """Stands in for `TrainingStep`; `bad` maps a step's number (from 1) to a measure and its value."""

    model = types.SimpleNamespace(loss_terms=SIMONe.loss_terms)

    def __init__(self, first=0, bad=None, interrupt_at=None, finite=True, fails_at=None):
        self.fails_at = fails_at
        self.step = tf.Variable(first, dtype=tf.int64)
        self.bad = bad or {}
        self.interrupt_at = interrupt_at
        self.finite = finite
        self.counts = []
        self.num_skipped = 0
        self.loss_scale = None
        self.waiting_since = lambda: 0.0

    def run(self, iterator, count):
        assert iterator == "batches"
        first = int(self.step.numpy())
        if self.fails_at is not None and first < self.fails_at <= first + count:
            self.step.assign(self.fails_at - 1)
            raise tf.errors.DataLossError(None, None, "a damaged record")
        self.step.assign_add(count)
        self.num_skipped += sum(first < number <= first + count for number in self.bad)
        self.counts.append(count)
        if self.interrupt_at is not None and first < self.interrupt_at <= first + count:
            raise KeyboardInterrupt
        rows = {name: np.full(count, 0.5, np.float32) for name in METRICS}
        for number, (name, value) in self.bad.items():
            if first < number <= first + count:
                rows[name][number - first - 1] = value
        return rows

    def is_finite(self):
        return self.finite


class Log:
    """Stands in for checkpoints, summaries, evaluation and pictures, and writes down what is asked of them."""

    def __init__(self, evaluated=None):
        self.entries = []
        self.latest = None
        self.evaluated = evaluated
        self.fault = None

    def save(self, step):
        self.entries.append(("save", step))
        self.latest = f"ckpt-{step}"

    def note_evaluated(self, step):
        self.entries.append(("note", step))
        self.evaluated = step

    def evaluated_step(self):
        return self.evaluated

    def save_if_best(self, step, metrics):
        self.entries.append(("best", step, metrics["video_ari_foreground"]))

    def scalars(self, step, values):
        kind = "log" if "train/loss" in values else "evaluation"
        self.entries.append((kind, step, dict(values)))

    def flush(self):
        self.entries.append(("flush",))

    def evaluate(self):
        self.entries.append(("evaluate",))
        if self.fault:
            raise self.fault
        return {"video_ari_foreground": 0.25, "num_clips": 3}

    def draw(self, step):
        self.entries.append(("draw", step))

    def steps_of(self, kind):
        return [entry[1] for entry in self.entries if entry[0] == kind]


def train(steps, num_steps, evaluated=None, **periods):
    log = Log(evaluated)
    starts = []

    def make_iterator(step):
        starts.append(step)
        return "batches"

    trainer = Trainer(steps, log, log, make_iterator, log.evaluate, log.draw, num_steps, 8, **periods)
    log.trainer, log.starts = trainer, starts
    return log
