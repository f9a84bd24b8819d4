"""Model, optimizer and training step, built from the settings of a run."""

import keras
import tensorflow as tf

from simone_tf.errors import UserError, first_line
from simone_tf.models.scene_model import SceneModel
from simone_tf.runs.settings import RunSettings
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.loss_scale import LossScale
from simone_tf.training.step import TrainingStep


def build_step(strategy: tf.distribute.Strategy, settings: RunSettings) -> TrainingStep:
    """Builds model, optimizer and average of the weights, and the step that trains them.

    Returns:
        `TrainingStep`, its `model`, `optimizer` and `average` built.

    Raises:
        UserError: a batch that the replicas or microbatches do not divide, or a model or optimizer that cannot be
            built with what is configured.
    """
    replicas = strategy.num_replicas_in_sync
    if settings.batch_size % replicas:
        raise UserError(
            f"train.batch_size {settings.batch_size} cannot be shared by {replicas} replicas: choose a multiple of "
            "their number."
        )
    replica_batch_size = settings.batch_size // replicas
    if settings.microbatch_size and replica_batch_size % settings.microbatch_size:
        raise UserError(
            f"train.microbatch_size {settings.microbatch_size} does not divide a replica's batch of "
            f"{replica_batch_size} clips."
        )
    with strategy.scope():
        model = build_model(settings)
        optimizer = _built("train.optimizer", settings.optimizer, keras.optimizers.Optimizer)
        optimizer.build(model.trainable_variables)
        average = None if settings.average_decay is None else WeightAverage(model, settings.average_decay)
        return TrainingStep(
            model,
            optimizer,
            strategy,
            settings.clip_norm,
            settings.seed,
            settings.jit_compile,
            average,
            settings.microbatch_size,
            LossScale() if settings.precision == "mixed_float16" else None,
        )


def build_model(settings: RunSettings) -> SceneModel:
    """Makes and builds the model, its weights drawn from the run's seed.

    Raises:
        UserError: the model cannot be built with what is configured.
    """
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    model = _built("train.model", settings.model, SceneModel)
    try:
        model.build((None, settings.num_frames, *settings.frame_size, 3))
    except (TypeError, ValueError) as error:
        raise UserError(f"train.model cannot be built with its settings: {first_line(error)}.") from error
    return model


def _built(binding, make, kind):
    made = make()
    if not isinstance(made, kind):
        raise UserError(f"{binding} makes a {type(made).__name__}, it must make a {kind.__name__}.")
    return made
