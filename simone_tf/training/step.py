"""The training step: gradients per replica, all-reduce, clip by global norm, update; several steps per host call."""

import numpy as np
import tensorflow as tf

from simone_tf.models.simone.model import LOSSES

# Noise and choice of pixels draw from two streams of the run's seed.
_NOISE_STREAM, _QUERY_STREAM = 0, 1

METRICS = (*LOSSES, "gradient_norm", "parameter_norm", "update_norm", "learning_rate", "input_wait_seconds")


class TrainingStep:
    """Compiled training steps of a model under a distribution strategy.

    Create it, the model and the optimizer inside `strategy.scope()`, the optimizer built.

    Args:
        model: built model with `losses(video, noise_seed, query_seed)`.
        optimizer: built Keras optimizer without clipping of its own (that would clip before the all-reduce).
        strategy: `tf.distribute.Strategy`.
        clip_norm: the all-reduced gradient is clipped to this global norm, None for no clipping.
        seed: the run's seed; noise is a function of (seed, step, replica), the choice of pixels of (seed, step).
        jit_compile: compile loss and gradients of a replica by XLA.
        average: `WeightAverage` to update after every step, or None.
        microbatch_size: clips of a replica whose activations are held at a time; their gradients are added up. Must
            divide a replica's batch; None for the whole batch at once.
    """

    def __init__(
        self,
        model,
        optimizer,
        strategy,
        clip_norm=None,
        seed=0,
        jit_compile=False,
        average=None,
        microbatch_size=None,
    ):
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.clip_norm = clip_norm
        self.seed = seed
        self.average = average
        self.microbatch_size = microbatch_size
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        # Not the whole step: XLA refuses collectives of several replicas inside one compiled function.
        self._losses_and_gradients = tf.function(self._compute_gradients, jit_compile=jit_compile)
        self._compiled = tf.function(self._run)

    def run(self, iterator, num_steps):
        """Takes `num_steps` steps.

        Args:
            iterator: distributed iterator over dicts with `video [B, T, H, W, 3]`, B the batch of a replica.
            num_steps: number of steps.

        Returns:
            dict of `[num_steps]` float32 NumPy arrays: the model's loss terms (means over the global batch),
            `gradient_norm` (before clipping), `parameter_norm` and `update_norm` (global L2 norms), `learning_rate`,
            and `input_wait_seconds`, the time the step waited for its batch.
        """
        rows = self._compiled(iterator, tf.constant(num_steps)).numpy()
        return {name: rows[:, column] for column, name in enumerate(METRICS)}

    def is_finite(self):
        """Whether all weights are finite numbers."""
        return all(np.isfinite(variable.numpy()).all() for variable in self.model.trainable_variables)

    def _run(self, iterator, num_steps):
        rows = tf.TensorArray(tf.float32, num_steps)
        done = tf.zeros([])
        for index in tf.range(num_steps):
            # The control dependencies keep the clock honest: the batch is asked for once the last step has ended.
            with tf.control_dependencies([done]):
                begin = tf.timestamp()
            with tf.control_dependencies([begin]):
                batch = next(iterator)
            with tf.control_dependencies(tf.nest.flatten(self.strategy.experimental_local_results(batch["video"]))):
                waited = tf.cast(tf.timestamp() - begin, tf.float32)
            per_replica = self.strategy.run(self._replica_step, args=(batch["video"], self.step.read_value()))
            metrics = self.strategy.experimental_local_results(per_replica)[0]  # alike on every replica
            metrics["input_wait_seconds"] = waited
            done = metrics["update_norm"]
            # Only a step that was taken counts: data that cannot be read ends the loop in the middle.
            with tf.control_dependencies([done]):
                self.step.assign_add(1)
            rows = rows.write(index, tf.stack([metrics[name] for name in METRICS]))
        return rows.stack()

    def _replica_step(self, video, step):
        # Nothing may change, the optimizer's own counter included, before the batch is there.
        with tf.control_dependencies([video]):
            return self._update(video, step)

    def _update(self, video, step):
        replica = tf.distribute.get_replica_context()
        variables = self.model.trainable_variables
        noise_seed = tf.random.fold_in(self._seed(_NOISE_STREAM, step), replica.replica_id_in_sync_group)
        losses, gradients = self._accumulate(video, noise_seed, self._seed(_QUERY_STREAM, step))

        num_replicas = self.strategy.num_replicas_in_sync
        losses = replica.all_reduce(tf.distribute.ReduceOp.MEAN, losses)
        gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradient_norm = tf.linalg.global_norm(gradients)
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=gradient_norm)
        learning_rate = tf.convert_to_tensor(self.optimizer.learning_rate, tf.float32)
        before = [tf.identity(variable.value) for variable in variables]
        # Every replica holds the whole gradient by now and the optimizer sums over replicas once more.
        self.optimizer.apply([gradient / num_replicas for gradient in gradients], variables)
        after = [tf.identity(variable.value) for variable in variables]
        if self.average is not None:
            self.average.update(variables)
        return {
            **losses,
            "gradient_norm": gradient_norm,
            "parameter_norm": tf.linalg.global_norm(after),
            "update_norm": tf.linalg.global_norm([new - old for new, old in zip(after, before, strict=True)]),
            "learning_rate": learning_rate,
        }

    def _accumulate(self, video, noise_seed, query_seed):
        """Mean losses and gradients over the microbatches of a replica's batch."""
        batch_size = video.shape[0]
        size = self.microbatch_size or batch_size
        if size == batch_size:
            return self._losses_and_gradients(video, noise_seed, query_seed)
        count = batch_size // size
        parts = tf.reshape(video, [count, size, *video.shape[1:]])
        losses = dict.fromkeys(LOSSES, tf.zeros([]))
        gradients = [tf.zeros(variable.shape) for variable in self.model.trainable_variables]
        for index in tf.range(count):
            part = self._losses_and_gradients(parts[index], tf.random.fold_in(noise_seed, index), query_seed)
            losses = {name: losses[name] + part[0][name] / count for name in LOSSES}
            gradients = [total + gradient / count for total, gradient in zip(gradients, part[1], strict=True)]
        return losses, gradients

    def _compute_gradients(self, video, noise_seed, query_seed):
        variables = [variable.value for variable in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            losses = self.model.losses(video, noise_seed, query_seed)
            # Gradients are summed over replicas, so that a replica's share of the mean is 1 / num_replicas.
            share = losses["loss"] / self.strategy.num_replicas_in_sync
        return losses, tape.gradient(share, variables)

    def _seed(self, stream, step):
        return tf.random.fold_in(tf.constant([self.seed, stream], tf.int32), tf.cast(step, tf.int32))
