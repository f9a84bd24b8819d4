"""A training run: built, checked against its folder, trained, scored and drawn, every file of it in `run_dir`."""

import contextlib
import functools
import os
import time

import numpy as np
import tensorflow as tf

import simone_tf
from simone_tf import locks
from simone_tf.cli.console import say
from simone_tf.config import gin_files
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.data.pipeline.mixture import sets_of
from simone_tf.data.tfrecords.open_files import open_among
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.held_out import RECONSTRUCTION_SCORES, HeldOut
from simone_tf.evaluation.held_out_pictures import Pictures
from simone_tf.evaluation.held_out_sets import HeldOutSets
from simone_tf.evaluation.model_inputs import check_inputs
from simone_tf.files import write_json
from simone_tf.runs.batch_faults import clips_at_fault
from simone_tf.runs.build import build_step
from simone_tf.runs.continuation import check_alike, check_continuation
from simone_tf.runs.initial_weights import start_from
from simone_tf.runs.model_check import check_model
from simone_tf.runs.settings import RunSettings
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.shared_checkpoints import SharedCheckpoints
from simone_tf.training.shared_folder import shared_folder
from simone_tf.training.summaries import NoSummaries, Summaries, as_markdown
from simone_tf.training.time_limit import TimeLimit
from simone_tf.training.trainer import Trainer
from simone_tf.training.workers import Workers


class TrainingRun:
    """Trains from the newest checkpoint of `run_dir` on, or from scratch, to `settings.num_steps`.

    A run goes on only with the configuration it was trained with, but for `continuation.MAY_CHANGE`. When it is created
    the model is built and the data looked at, and nothing is written yet.

    Args:
        run_dir: folder of the run; everything that is written goes there.
        settings: `RunSettings`, of the configuration that is in use.
        strategy: `tf.distribute.Strategy`; of several workers each makes a run of the same folder and settings.
        data_service: address of a tf.data service that makes the training batches, see `training_batches`.
        num_checks: how often a session of `settings.max_minutes` is scored, evenly spread over its time, its start
            besides; the run then ends with the best checkpoint of all, be it the one it started from; not with several
            workers. 0 for the usual: the periods say when it is scored, and it ends with the last.

    Attributes:
        scores: step -> measures of every evaluation of the session.

    Raises:
        UserError: the model cannot be built, the data is missing, damaged or does not fit, or the other workers are not
            there or differ.
    """

    def __init__(
        self,
        run_dir: str,
        settings: RunSettings,
        strategy: tf.distribute.Strategy,
        data_service: str | None = None,
        num_checks: int = 0,
    ):
        self.scores: dict[int, dict[str, float]] = {}
        self._num_checks = num_checks
        self.run_dir = run_dir
        self.settings = settings
        self.strategy = strategy
        self._workers = Workers(strategy)
        self._workers.meet()
        check_alike(self._workers)
        self._replica_batch_size = settings.batch_size // strategy.num_replicas_in_sync
        with self._memory_of_training_told():
            self.step = build_step(strategy, settings)
        self._read = functools.partial(
            settings.batches,
            settings.clips,
            num_frames=settings.num_frames,
            frame_size=settings.frame_size,
            seed=settings.seed,
            fields=self.step.model.inputs,
        )
        if data_service is not None:
            self._read = functools.partial(self._read, data_service=data_service)
        # Before any file is written: what is missing or does not fit is said here, and no run is left half written.
        training, held_out = sets_of(settings.clips), sets_of(settings.held_out_clips)
        for clips in (*training.values(), *held_out.values()):
            check_inputs(self.step.model, clips)
        pipelines, pipeline = self._workers.count, self._workers.index
        self._read(batch_size=self._replica_batch_size, num_input_pipelines=pipelines, input_pipeline_id=pipeline)
        self._held_out = HeldOutSets({name: self._held_out_of(clips) for name, clips in held_out.items()})
        self._pictures = Pictures(self._held_out, settings.num_pictures)

    def _held_out_of(self, clips):
        batches = evaluation_batches(
            clips,
            batch_size=self.settings.evaluation_batch_size,
            num_frames=self.settings.num_frames,
            num_clips=self.settings.num_held_out_clips,
            fields=self._held_out_fields(clips),
            frame_size=self.settings.frame_size,
        )
        settings = self.settings
        further = settings.best_metric if settings.best_metric in RECONSTRUCTION_SCORES else None
        return HeldOut(
            self.step.model, batches, settings.evaluation_chunk_size, settings.ignore_label, further_score=further
        )

    def _held_out_fields(self, clips):
        return (*self.step.model.inputs, *(("segments",) if "segments" in clips.fields else ()))

    def train(self) -> dict:
        """Trains, scores and draws; nobody else trains in `run_dir` meanwhile.

        Returns:
            dict of the final measures, as written to `<run_dir>/metrics.json`; of workers but the chief an empty one.

        Raises:
            UserError: for anything the user can mend.
        """
        subject, instead = f"--run_dir={self.run_dir} is being trained", "choose another --run_dir"
        with contextlib.ExitStack() as stack:
            own_folder = None
            with self._writing_told():
                if self._workers.is_chief:
                    stack.enter_context(locks.held(locks.inside(self.run_dir, "train"), subject, instead))
                if self._workers.count > 1:
                    own_folder = stack.enter_context(shared_folder(self.run_dir, self._workers))
            return self._trained(own_folder)

    def _trained(self, own_folder):
        """`train` of a folder that is held."""
        checkpoints = self._opened(own_folder)
        if not self._workers.is_chief:
            with self._data_faults_told(), self._memory_of_training_told(), self._workers.in_step():
                self._trainer(checkpoints, NoSummaries()).train()
                self._workers.part()
            return {}
        step = int(self.step.step.numpy())
        # An evaluation of this step that was ended is made again.
        first_step = step + (step > 0 and checkpoints.evaluated_step() == step)
        summaries = Summaries(self.run_dir, first_step, kept="train/")
        # After the summaries, by which `check_continuation` knows that the config is that of a run.
        with self._writing_told():
            gin_files.write_operative_config(self.run_dir)
        summaries.text(first_step, "config", as_markdown(gin_files.operative_config()))
        trainer = self._trainer(checkpoints, summaries)
        begin = time.time()
        with self._data_faults_told(), self._memory_of_training_told():
            with self._workers.in_step():
                measured = trainer.train()
            if self._num_checks:
                measured = self._back_at_best(checkpoints)
        metrics = measured | self._description(time.time() - begin)
        with self._writing_told():
            write_json(os.path.join(self.run_dir, "metrics.json"), metrics)
        self._workers.part()  # By that file schedulers know that the run is at its end.
        with self._data_faults_told(), self._averaged(), self._memory_of_evaluation_told():
            self._pictures.save(os.path.join(self.run_dir, "pictures"))
        summaries.close()
        return metrics

    def _opened(self, own_folder):
        """The run's `Checkpoints`, its newest one restored; the folder is where another worker than the chief saves."""
        check_continuation(self.run_dir)
        check_model(self.step.model, self.settings.num_frames, self.settings.frame_size)
        if not os.access(self.run_dir, os.W_OK):
            raise UserError(f"--run_dir={self.run_dir} cannot be written (permission denied); choose another folder.")
        parts = {"model": self.step.model, "optimizer": self.step.optimizer, "step": self.step.step}
        if self.step.average is not None:
            parts["average"] = self.step.average
        if self.step.loss_scale is not None:
            parts["loss_scale"] = self.step.loss_scale
        kept = (self.run_dir, parts, self.settings.keep_checkpoints, self.settings.best_metric)
        several = self._workers.count > 1
        checkpoints = SharedCheckpoints(*kept, self._workers, own_folder) if several else Checkpoints(*kept)
        # Only when everything is built, and before the config is written: a checkpoint that does not fit this config
        # must not cost the run its own.
        restored, told = checkpoints.restore_latest(), None
        if restored:
            told = f"Going on from {restored}."
        elif self.settings.initialize_from is not None:
            told = f"Starting from the weights of {start_from(self.step, self.settings.initialize_from)}."
        if told and self._workers.is_chief:
            say(told)
        return checkpoints

    def _back_at_best(self, checkpoints):
        """The measures of the best checkpoint, which the run holds from then on."""
        step = checkpoints.return_to_best()
        return self.scores.get(step) or self._evaluate()

    def _evaluate(self):
        with self._memory_of_evaluation_told(), self._averaged():
            return self._held_out.evaluate()

    def _trainer(self, checkpoints, summaries):

        def draw(step):
            with self._memory_of_evaluation_told(), self._averaged():
                self._pictures.draw(summaries, step)

        minutes, readers = self.settings.max_minutes, list(sets_of(self.settings.clips).values())
        trainer = Trainer(
            self.step,
            checkpoints,
            summaries,
            self._make_iterator,
            self._evaluate,
            draw,
            self.settings.num_steps,
            self.settings.batch_size,
            steps_per_loop=self.settings.steps_per_loop,
            log_every=self.settings.log_every,
            evaluate_every=self.settings.evaluate_every,
            checkpoint_every=self.settings.checkpoint_every,
            limit=None if minutes is None else TimeLimit(60 * minutes, self._num_checks, self._workers.clock),
            max_skipped_steps=self.settings.max_skipped_steps,
            explain_batch=self._clips_at_fault,
            open_files=lambda: open_among(path for clips in readers for path in clips.files.shards()),
            workers=self._workers,
        )
        self.scores = trainer.scores
        return trainer

    def _clips_at_fault(self, step):
        """Words on the clips of the batch of a step, None where that is not known."""
        if "data_service" in self._read.keywords:
            return None  # The order of a service's batches is not a function of the step.
        # Of several workers each looks at its own.
        pipelines, pipeline = self._workers.count, self._workers.index
        replicas = self.strategy.num_replicas_in_sync // pipelines
        read = functools.partial(
            self._read,
            batch_size=self._replica_batch_size,
            num_input_pipelines=pipelines,
            input_pipeline_id=pipeline,
        )
        readers = list(sets_of(self.settings.clips).values())
        return clips_at_fault(self.step.model, read, step * replicas, replicas, readers, self.settings.num_frames)

    def _make_iterator(self, step):
        """Distributed batches from a step on."""

        def dataset(context):
            replicas = self.strategy.num_replicas_in_sync // context.num_input_pipelines
            batches = self._read(
                batch_size=self._replica_batch_size,
                start_step=step * replicas,
                num_input_pipelines=context.num_input_pipelines,
                input_pipeline_id=context.input_pipeline_id,
            )
            if self._workers.count == 1:
                return batches
            # Else TensorFlow would ask all workers before each step whether anyone has a batch left.
            return batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

        return iter(self.strategy.distribute_datasets_from_function(dataset))

    def _averaged(self):
        """The model holds the averaged weights inside, where there is an average."""
        average = self.step.average
        return contextlib.nullcontext() if average is None else average.swapped_into(self.step.model)

    def _description(self, seconds):
        """What `metrics.json` holds besides the measures."""
        held_out = list(sets_of(self.settings.held_out_clips).values())
        data, splits = ([getattr(clips, name) for clips in held_out] for name in ("data_dir", "split"))
        return {
            "step": int(self.step.step.numpy()),
            "parameters": int(sum(np.prod(variable.shape) for variable in self.step.model.trainable_variables)),
            "frames": self.settings.num_frames,
            "resolution": list(self.settings.frame_size),
            "data": data if len(data) > 1 else data[0],
            "split": splits if len(splits) > 1 else splits[0],
            "seed": self.settings.seed,
            "session_seconds": round(seconds, 1),
            "version": simone_tf.__version__,
        } | ({} if self.settings.ignore_label is None else {"ignore_label": self.settings.ignore_label})

    def _memory_of_training_told(self):
        clips = self.settings.microbatch_size or self._replica_batch_size
        again = "" if self.settings.recompute else " or set train.recompute = 'all'"
        return _memory_told(f"lower train.microbatch_size ({clips} clips now){again}")

    def _memory_of_evaluation_told(self):
        return _memory_told(
            f"lower train.evaluation_batch_size ({self.settings.evaluation_batch_size} clips now) or "
            f"train.evaluation_chunk_size ({self.settings.evaluation_chunk_size or 'all'} queries now)"
        )

    @contextlib.contextmanager
    def _data_faults_told(self):
        settings, inputs = self.settings, self.step.model.inputs
        with contextlib.ExitStack() as stack:
            for clips in sets_of(settings.held_out_clips).values():
                stack.enter_context(data_faults_told(clips, self._held_out_fields(clips), settings.num_frames))
            for clips in sets_of(settings.clips).values():
                stack.enter_context(data_faults_told(clips, inputs, settings.num_frames))
            yield

    @contextlib.contextmanager
    def _writing_told(self):
        """A refusal of the operating system is told as a `UserError`."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"--run_dir={self.run_dir} cannot be written ({first_line(error)}); choose another folder."
            ) from error


@contextlib.contextmanager
def _memory_told(advice):
    """A device that runs out of memory is told in one sentence that ends with the advice."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"The device has too little memory ({first_line(error)}): {advice}.") from error
