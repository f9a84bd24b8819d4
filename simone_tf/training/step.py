"""The training step: gradients per replica, all-reduce, clip by global norm, update; several steps per host call.

A step whose loss or gradient is not finite updates nothing: weights, optimizer and averages stay as they were, and the
next batch is taken.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from simone_tf.models.scene_model import SceneModel
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.loss_scale import LossScale

# Noise, and what all replicas choose alike (which pixels are decoded), draw from two streams of the run's seed.
_NOISE_STREAM, _SHARED_STREAM = 0, 1

STEP_METRICS = ("gradient_norm", "parameter_norm", "update_norm", "learning_rate", "input_wait_seconds")
"""What a step tells besides the model's `loss_terms`."""


class TrainingStep:
    """Compiled training steps of a model under a distribution strategy.

    Create it, the model and the optimizer inside `strategy.scope()`, the optimizer built.

    Args:
        model: built `SceneModel`.
        optimizer: built Keras optimizer without clipping of its own (that would clip before the all-reduce).
        strategy: `tf.distribute.Strategy`.
        clip_norm: the all-reduced gradient is clipped to this global norm, None for no clipping.
        seed: the run's seed; noise is a function of (seed, step, replica), what all replicas choose alike of
            (seed, step).
        jit_compile: compile loss and gradients of a replica by XLA.
        average: `WeightAverage` to update after every step, or None.
        microbatch_size: clips of a replica whose activations are held at a time; their gradients are added up. Must
            divide a replica's batch; None for the whole batch at once.
        loss_scale: `LossScale` of a model that computes in float16, None for none.
    """

    def __init__(
        self,
        model: SceneModel,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy,
        clip_norm: float | None = None,
        seed: int = 0,
        jit_compile: bool = False,
        average: WeightAverage | None = None,
        microbatch_size: int | None = None,
        loss_scale: LossScale | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.clip_norm = clip_norm
        self.seed = seed
        self.average = average
        self.microbatch_size = microbatch_size
        self.loss_scale = loss_scale
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.metrics = (*model.loss_terms, *STEP_METRICS)
        # Not the whole step: XLA refuses collectives of several replicas inside one compiled function.
        self._losses_and_gradients = tf.function(self._compute_gradients, jit_compile=jit_compile, autograph=False)
        self._compiled = tf.function(self._run, autograph=False)
        # When the batch was asked for that is waited for, or 0; made when it is first needed, see `run`.
        self._asked: Any = None

    def run(self, iterator: Iterator, num_steps: int) -> dict[str, np.ndarray]:
        """Takes `num_steps` steps.

        Args:
            iterator: distributed iterator over dicts with the model's `inputs`, `video [B, T, H, W, 3]` among them, B
                the batch of a replica.
            num_steps: number of steps.

        Returns:
            dict of `[num_steps]` float32 NumPy arrays: the model's loss terms (means over the global batch),
            `gradient_norm` (before clipping), `parameter_norm` and `update_norm` (global L2 norms), `learning_rate`,
            and `input_wait_seconds`, the time the step waited for its batch. Where one of the terms or
            `gradient_norm` is not finite, the step was skipped.
        """
        if self._asked is None:  # Here, outside the strategy's scope: one on the host for all replicas.
            with tf.device("CPU:0"):
                self._asked = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="asked")
        rows = self._compiled(iterator, tf.constant(num_steps)).numpy()
        return {name: rows[:, column] for column, name in enumerate(self.metrics)}

    def take(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step on one batch, of one replica and outside `run`; graph code, all of it fit for XLA.

        Args:
            batch: dict of the model's `inputs`, float32, all clips of the step.

        Returns:
            dict of scalars: `metrics` but the time waited for input.
        """
        found = self._measure(batch, self.step.read_value())
        measured = found[0] | tf.cond(_is_finite(found[0]), lambda: self._update(*found), self._skip)
        self.step.assign_add(1)
        return measured

    @property
    def num_skipped(self) -> int:
        """The steps of the run that updated nothing, which the optimizer did not count."""
        return int(self.step.numpy()) - int(self.optimizer.iterations.numpy())

    def waiting_since(self) -> float:
        """When the batch was asked for that `run` is waiting for, in seconds since 1970; 0 while it waits for none."""
        return 0.0 if self._asked is None else float(self._asked.numpy())

    def is_finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return all(np.isfinite(variable.numpy()).all() for variable in self.model.trainable_variables)

    def _run(self, iterator: Iterator, num_steps: tf.Tensor) -> tf.Tensor:
        def one(index: tf.Tensor, done: tf.Tensor, rows: tf.TensorArray) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
            metrics = self._fetch_and_take(iterator, done)
            rows = rows.write(index, tf.stack([metrics[name] for name in self.metrics]))
            return index + 1, metrics["update_norm"], rows

        rows = tf.TensorArray(tf.float32, num_steps)
        # Said as it is: to have a Python loop translated takes a fifth of the time until the first step.
        *_, rows = tf.while_loop(lambda index, *_: index < num_steps, one, (0, tf.zeros([]), rows))
        return rows.stack()

    def _fetch_and_take(self, iterator: Iterator, done: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step on the next batch, asked for once `done` of the last one is there; scalars of all `metrics`."""
        # The control dependencies keep the clock honest: the batch is asked for once the last step has ended.
        with tf.control_dependencies([done]):
            begin = tf.timestamp()
        with tf.control_dependencies([self._asked.assign(begin)]):
            batch = next(iterator)
        batch = {name: batch[name] for name in self.model.inputs}
        arrived = [self.strategy.experimental_local_results(value) for value in batch.values()]
        with tf.control_dependencies(tf.nest.flatten(arrived)):
            waited = tf.cast(tf.timestamp() - begin, tf.float32)
            self._asked.assign(0.0)
        per_replica = self.strategy.run(self._replica_measure, args=(batch, self.step.read_value()))
        metrics = self._of_first_replica(per_replica[0])
        # Here and not inside a replica, where no branch may hold an update of several replicas.
        metrics |= tf.cond(
            _is_finite(metrics),
            lambda: self._of_first_replica(self.strategy.run(self._update, args=per_replica)),
            self._skip,
        )
        # Only a step that was taken counts: data that cannot be read ends the loop in the middle.
        with tf.control_dependencies([metrics["update_norm"]]):
            self.step.assign_add(1)
        return metrics | {"input_wait_seconds": waited}

    def _of_first_replica(self, per_replica: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Measures of a step, which are alike on every replica."""
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in per_replica.items()}

    def _replica_measure(
        self, batch: Mapping[str, tf.Tensor], step: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        # Nothing may change, the optimizer's own counter included, before the batch is there.
        with tf.control_dependencies(tf.nest.flatten(batch)):
            return self._measure(batch, step)

    def _measure(self, batch: Mapping[str, tf.Tensor], step: tf.Tensor) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """The terms and `gradient_norm` of a step, and its gradients, all of the global batch."""
        replica = tf.distribute.get_replica_context()
        noise_seed = tf.random.fold_in(self._seed(_NOISE_STREAM, step), replica.replica_id_in_sync_group)
        losses, gradients = self._accumulate(batch, noise_seed, self._seed(_SHARED_STREAM, step))
        losses = replica.all_reduce(tf.distribute.ReduceOp.MEAN, losses)
        gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        if self.loss_scale is not None:
            gradients = self.loss_scale.unscaled(gradients)
        return losses | {"gradient_norm": tf.linalg.global_norm(gradients)}, gradients

    def _update(self, measured: dict[str, tf.Tensor], gradients: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Updates everything by a step that was measured; the norms and the rate of that."""
        variables = self.model.trainable_variables
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=measured["gradient_norm"])
        learning_rate = tf.convert_to_tensor(self.optimizer.learning_rate, tf.float32)
        before = [tf.identity(variable.value) for variable in variables]
        # Every replica holds the whole gradient by now and the optimizer sums over replicas once more.
        num_replicas = self.strategy.num_replicas_in_sync
        self.optimizer.apply([gradient / num_replicas for gradient in gradients], variables)
        after = [tf.identity(variable.value) for variable in variables]
        if self.average is not None:
            self.average.update(variables)
        self.model.after_step({name: measured[name] for name in self.model.loss_terms})
        if self.loss_scale is not None:
            self.loss_scale.was_finite()
        return {
            "parameter_norm": tf.linalg.global_norm(after),
            "update_norm": tf.linalg.global_norm([new - old for new, old in zip(after, before, strict=True)]),
            "learning_rate": learning_rate,
        }

    def _skip(self) -> dict[str, tf.Tensor]:
        """What `_update` tells, of a step that updates nothing."""
        if self.loss_scale is not None:
            self.loss_scale.was_not_finite()
        weights = [tf.convert_to_tensor(variable.value) for variable in self.model.trainable_variables]
        return {
            "parameter_norm": tf.linalg.global_norm(weights),
            "update_norm": tf.zeros([]),
            "learning_rate": tf.convert_to_tensor(self.optimizer.learning_rate, tf.float32),
        }

    def _accumulate(
        self, batch: Mapping[str, tf.Tensor], noise_seed: tf.Tensor, shared_seed: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Mean losses and gradients over the microbatches of a replica's batch."""
        batch_size = batch["video"].shape[0]
        size = self.microbatch_size or batch_size
        if size == batch_size:
            return self._losses_and_gradients(batch, noise_seed, shared_seed)
        count = batch_size // size
        parts = {name: tf.reshape(value, [count, size, *value.shape[1:]]) for name, value in batch.items()}
        losses = dict.fromkeys(self.model.loss_terms, tf.zeros([]))
        gradients = [tf.zeros(variable.shape) for variable in self.model.trainable_variables]

        def add(
            index: tf.Tensor, losses: dict[str, tf.Tensor], gradients: list[tf.Tensor]
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]:
            part = {name: value[index] for name, value in parts.items()}
            terms, added = self._losses_and_gradients(part, tf.random.fold_in(noise_seed, index), shared_seed)
            losses = {name: losses[name] + terms[name] / count for name in self.model.loss_terms}
            gradients = [total + gradient / count for total, gradient in zip(gradients, added, strict=True)]
            return index + 1, losses, gradients

        _, losses, gradients = tf.while_loop(lambda index, *_: index < count, add, (0, losses, gradients))
        return losses, gradients

    def _compute_gradients(
        self, batch: Mapping[str, tf.Tensor], noise_seed: tf.Tensor, shared_seed: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            losses = self.model.losses(batch, noise_seed, shared_seed)
            # Gradients are summed over replicas, so that a replica's share of the mean is 1 / num_replicas.
            share = losses["loss"] / self.strategy.num_replicas_in_sync
            if self.loss_scale is not None:
                share = self.loss_scale.scaled(share)
        return losses, tape.gradient(share, variables)

    def _seed(self, stream: int, step: tf.Tensor) -> tf.Tensor:
        return tf.random.fold_in(tf.constant([self.seed, stream], tf.int32), tf.cast(step, tf.int32))


def _is_finite(measured: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Whether the terms of a step and the norm of its gradients are finite numbers."""
    return tf.reduce_all(tf.math.is_finite(tf.stack(list(measured.values()))))
