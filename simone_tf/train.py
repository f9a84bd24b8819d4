"""`python -m simone_tf.train`: trains a model, scores it on held-out clips and draws what it learned."""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on
import contextlib
import functools
import json
import os
import time

import gin
import keras
import numpy as np
import tensorflow as tf

import simone_tf
from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.config import gin_files
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.evaluation.held_out_pictures import Pictures
from simone_tf.files import write_text
from simone_tf.runs.continuation import check_continuation
from simone_tf.runs.settings import check_settings
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.distribution import make_strategy
from simone_tf.training.step import TrainingStep
from simone_tf.training.summaries import Summaries, config_text
from simone_tf.training.trainer import Trainer


@gin.configurable
def train(
    run_dir,
    strategy,
    model=gin.REQUIRED,
    clips=gin.REQUIRED,
    held_out_clips=gin.REQUIRED,
    batches=gin.REQUIRED,
    num_steps=gin.REQUIRED,
    batch_size=gin.REQUIRED,
    num_frames=gin.REQUIRED,
    frame_size=gin.REQUIRED,
    optimizer=gin.REQUIRED,
    seed=0,
    clip_norm=None,
    average_decay=None,
    precision="float32",
    jit_compile=False,
    microbatch_size=None,
    steps_per_loop=10,
    log_every=100,
    evaluate_every=1000,
    checkpoint_every=1000,
    keep_checkpoints=3,
    evaluation_batch_size=8,
    evaluation_chunk_size=4096,
    num_held_out_clips=None,
    num_pictures=4,
    data_service=None,
):
    """Trains from the newest checkpoint of `run_dir` on, or from scratch, to `num_steps`.

    A run goes on only with the configuration it was trained with, but for `continuation.MAY_CHANGE`.

    Args:
        run_dir: folder of the run; everything that is written goes there.
        strategy: `tf.distribute.Strategy`.
        model: () -> unbuilt `SIMONe`.
        clips, held_out_clips: `ClipReader`s of what is trained and scored on.
        batches: `training_batches`, its options (cache, augmentations, ...) bound.
        num_steps: length of the run.
        batch_size: clips per step over all replicas.
        num_frames: T, frames of a clip that the model sees.
        frame_size: (H, W) in pixels, or one number for both.
        optimizer: () -> Keras optimizer.
        seed: of weights, data order and noise.
        clip_norm: global norm that the gradient is clipped to, None for no clipping.
        average_decay: decay of the moving average of the weights that is evaluated instead of them, None for none.
        precision: "float32" or "mixed_bfloat16" (distributions and losses stay float32).
        jit_compile: compile loss and gradients by XLA.
        microbatch_size: clips of a replica held in memory at a time, their gradients added up; None for all.
        steps_per_loop, log_every, evaluate_every, checkpoint_every: periods in steps; 0 for only at the end.
        keep_checkpoints: number of checkpoints kept besides the best.
        evaluation_batch_size, evaluation_chunk_size: held-out clips, and queries of each, decoded at a time; None for
            all queries.
        num_held_out_clips: number of held-out clips scored, None for all.
        num_pictures: held-out clips drawn.
        data_service: address of a tf.data service that makes the training batches, see `training_batches`.

    Returns:
        dict of the final measures, as written to `<run_dir>/metrics.json`.

    Raises:
        UserError: for anything the user can mend.
    """
    frame_size = check_settings(locals())["frame_size"]
    in_training = _memory_told(
        f"lower train.microbatch_size ({microbatch_size or batch_size // strategy.num_replicas_in_sync} clips now)"
    )
    in_evaluation = _memory_told(
        f"lower train.evaluation_batch_size ({evaluation_batch_size} clips now) or train.evaluation_chunk_size "
        f"({evaluation_chunk_size or 'all'} queries now)"
    )
    training_step = in_training(build_step)(
        strategy,
        model,
        optimizer,
        batch_size=batch_size,
        num_frames=num_frames,
        frame_size=frame_size,
        seed=seed,
        clip_norm=clip_norm,
        average_decay=average_decay,
        precision=precision,
        jit_compile=jit_compile,
        microbatch_size=microbatch_size,
    )
    network, average = training_step.model, training_step.average
    replica_batch_size = batch_size // strategy.num_replicas_in_sync
    read = functools.partial(batches, clips, num_frames=num_frames, frame_size=frame_size, seed=seed)
    if data_service is not None:
        read = functools.partial(read, data_service=data_service)
    # Before any file is written: data that is missing or does not fit is said here, and no run is left half written.
    read(batch_size=replica_batch_size)
    held_out_fields = tuple(name for name in ("video", "segments") if name in held_out_clips.fields)
    held_out_batches = evaluation_batches(
        held_out_clips,
        batch_size=evaluation_batch_size,
        num_frames=num_frames,
        num_clips=num_held_out_clips,
        fields=held_out_fields,
        frame_size=frame_size,
    )

    parts = {"model": network, "optimizer": training_step.optimizer, "step": training_step.step}
    if average is not None:
        parts["average"] = average

    check_continuation(run_dir)
    _make_folder(run_dir)
    checkpoints = Checkpoints(run_dir, parts, keep_checkpoints)
    # Only when everything is built, and before the config is written: a checkpoint that does not fit this config must
    # not cost the run its own.
    restored = checkpoints.restore_latest()
    if restored:
        say(f"Going on from {restored}.")
    _write(run_dir, gin_files.write_operative_config, run_dir)
    summaries = Summaries(run_dir)
    summaries.text(0, "config", config_text(gin_files.operative_config()))
    averaged = functools.partial(average.swapped_into, network) if average else contextlib.nullcontext
    held_out = HeldOut(network, held_out_batches, evaluation_chunk_size)
    pictures = Pictures(held_out, num_pictures)

    def make_iterator(step):
        def dataset(context):
            replicas = strategy.num_replicas_in_sync // context.num_input_pipelines
            return read(
                batch_size=replica_batch_size,
                start_step=step * replicas,
                num_input_pipelines=context.num_input_pipelines,
                input_pipeline_id=context.input_pipeline_id,
            )

        return iter(strategy.distribute_datasets_from_function(dataset))

    @in_evaluation
    def evaluate():
        with averaged():
            return held_out.evaluate()

    @in_evaluation
    def draw(step):
        with averaged():
            pictures.draw(summaries, step)

    trainer = Trainer(
        training_step,
        checkpoints,
        summaries,
        make_iterator,
        evaluate,
        draw,
        num_steps,
        batch_size,
        steps_per_loop=steps_per_loop,
        log_every=log_every,
        evaluate_every=evaluate_every,
        checkpoint_every=checkpoint_every,
    )

    held_out_faults_told = functools.partial(data_faults_told, held_out_clips, held_out_fields, num_frames)
    begin = time.time()
    with held_out_faults_told(), data_faults_told(clips, num_frames=num_frames):
        metrics = in_training(trainer.train)()
    metrics |= {
        "step": int(training_step.step.numpy()),
        "parameters": int(sum(np.prod(variable.shape) for variable in network.trainable_variables)),
        "frames": num_frames,
        "resolution": list(frame_size),
        "data": held_out_clips.data_dir,
        "split": held_out_clips.split,
        "seed": seed,
        "session_seconds": round(time.time() - begin, 1),
        "version": simone_tf.__version__,
    }
    _write(run_dir, _write_json, os.path.join(run_dir, "metrics.json"), metrics)
    with held_out_faults_told(), averaged():
        in_evaluation(pictures.save)(os.path.join(run_dir, "pictures"))
    summaries.close()
    return metrics


def build_step(
    strategy,
    model,
    optimizer,
    *,
    batch_size,
    num_frames,
    frame_size,
    seed=0,
    clip_norm=None,
    average_decay=None,
    precision="float32",
    jit_compile=False,
    microbatch_size=None,
):
    """Builds model, optimizer and average of the weights, and the step that trains them; arguments as for `train`.

    Returns:
        `TrainingStep`, its `model`, `optimizer` and `average` built.

    Raises:
        UserError: a value of a wrong type or range, a batch that the replicas or microbatches do not divide, or a
            model or optimizer that cannot be built with what is configured.
    """
    check_settings(locals())
    if batch_size % strategy.num_replicas_in_sync:
        raise UserError(
            f"train.batch_size {batch_size} cannot be shared by {strategy.num_replicas_in_sync} replicas: choose a "
            "multiple of their number."
        )
    replica_batch_size = batch_size // strategy.num_replicas_in_sync
    if microbatch_size and replica_batch_size % microbatch_size:
        raise UserError(
            f"train.microbatch_size {microbatch_size} does not divide a replica's batch of {replica_batch_size} clips."
        )
    with strategy.scope():
        network = build_model(model, num_frames=num_frames, frame_size=frame_size, seed=seed, precision=precision)
        adam = _built("train.optimizer", optimizer, keras.optimizers.Optimizer)
        adam.build(network.trainable_variables)
        average = None if average_decay is None else WeightAverage(network, average_decay)
        return TrainingStep(network, adam, strategy, clip_norm, seed, jit_compile, average, microbatch_size)


def build_model(model, *, num_frames, frame_size, seed=0, precision="float32"):
    """Makes and builds the model; arguments as for `train`.

    Raises:
        UserError: a value of a wrong type or range, or a model that cannot be built with what is configured.
    """
    frame_size = check_settings(locals())["frame_size"]
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    network = _built("train.model", model, keras.Model)
    try:
        network.build((None, num_frames, *frame_size, 3))
    except (TypeError, ValueError) as error:
        raise UserError(f"train.model cannot be built with its settings: {first_line(error)}.") from error
    return network


def _built(binding, make, kind):
    made = make()
    if not isinstance(made, kind):
        raise UserError(f"{binding} makes a {type(made).__name__}, it must make a {kind.__name__}.")
    return made


def main(arguments=None):
    """Parses flags and config, trains, prints the table of results."""
    parser = command.argument_parser(__doc__)
    parser.add_argument("--tpu", help="name or address of a TPU to train on, 'local' for an attached one")
    parser.add_argument("--data_service", help="grpc://host:port of a tf.data service that makes the training batches")
    flags = parser.parse_args(arguments)
    if not flags.run_dir:
        raise UserError("--run_dir is missing; name the folder for this run, for example --run_dir=runs/quickstart.")
    gin_files.parse_config(flags.gin_file, flags.gin_param, flags.run_dir)
    with gin_files.errors_in_one_sentence():
        metrics = train(flags.run_dir, make_strategy(flags.tpu), data_service=flags.data_service)
    say(f"\n{'measure':32} value")
    for name, value in metrics.items():
        say(f"{name:32} {value:.4f}" if isinstance(value, float) else f"{name:32} {value}")
    say(f"\nmetrics.json, TensorBoard events and pictures are in {flags.run_dir}.")


def _memory_told(advice):
    """Decorator: a device that runs out of memory is told in one sentence that ends with the advice."""

    def decorate(function):
        @functools.wraps(function)
        def call(*arguments, **keywords):
            try:
                return function(*arguments, **keywords)
            except tf.errors.ResourceExhaustedError as error:
                raise UserError(f"The device has too little memory ({first_line(error)}): {advice}.") from error

        return call

    return decorate


def _make_folder(run_dir):
    _write(run_dir, os.makedirs, run_dir, exist_ok=True)
    if not os.access(run_dir, os.W_OK):
        raise UserError(f"--run_dir={run_dir} cannot be written (permission denied); choose another folder.")


def _write(run_dir, write, *arguments, **keywords):
    """Calls `write`, a refusal of the operating system told as a `UserError`."""
    try:
        write(*arguments, **keywords)
    except OSError as error:
        raise UserError(
            f"--run_dir={run_dir} cannot be written ({first_line(error)}); choose another folder."
        ) from error


def _write_json(path, content):
    # A score that no clip has is NaN, which JSON has no word for.
    finite = {name: None if value != value else value for name, value in content.items()}
    write_text(path, json.dumps(finite, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    command.run(main)
