"""The training step: replicas, clipping, noise, several steps per call, and what is reported."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.recomputation import recompute
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.optimizers import make_adam
from simone_tf.training.schedules import WarmupCosine
from simone_tf.training.step import STEP_METRICS

LOSSES = SIMONe.loss_terms
METRICS = (*LOSSES, *STEP_METRICS)
CLIP = 0.05  # far below the norms seen here, so that clipping is active


def weights(training_step):
    return [variable.numpy() for variable in training_step.model.trainable_variables]


def differences(step_a, step_b):
    return [float(np.abs(a - b).max()) for a, b in zip(weights(step_a), weights(step_b), strict=True)]


def adam():
    """A mask logit's bias has a gradient of rounding errors alone, which Adam's default epsilon would blow up."""
    return make_adam(1e-3, epsilon=1e-4)


def sgd():
    return keras.optimizers.SGD(0.1)


@pytest.mark.parametrize(("clip_norm", "optimizer"), [(None, adam), (CLIP, sgd)])
def test_two_replicas_equal_one(one_replica, two_replicas, make_step, feed, clips, clip_norm, optimizer):
    steps, rows = [], []
    for strategy in (one_replica, two_replicas):
        steps.append(make_step(strategy, optimizer, clip_norm=clip_norm))
        rows.append(steps[-1].run(feed(strategy, clips, 4), 3))
    before = weights(make_step(one_replica))
    assert max(float(np.abs(a - b).max()) for a, b in zip(weights(steps[0]), before, strict=True)) > 1e-3
    for name in (*LOSSES, "gradient_norm", "parameter_norm", "update_norm", "learning_rate"):
        np.testing.assert_allclose(rows[1][name], rows[0][name], rtol=1e-5, atol=1e-5, err_msg=name)
    assert max(differences(*steps)) < 1e-5
    for variable in steps[1].model.trainable_variables:
        first, second = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second)
    if clip_norm is not None:
        assert rows[0]["gradient_norm"].min() > 2 * clip_norm


def test_noise_differs_between_replicas(one_replica, two_replicas, make_step, feed, clips):
    """Both replicas see one and the same clip: with equal noise the mean of their losses would be one's loss."""

    def loss(strategy, sampling):
        same = tf.repeat(clips[:1], 2, axis=0)
        step = make_step(strategy, model={"sampling": sampling})
        return step.run(feed(strategy, same, strategy.num_replicas_in_sync), 1)["nats_per_pixel"][0]

    np.testing.assert_allclose(loss(two_replicas, "mean"), loss(one_replica, "mean"), rtol=1e-5)
    assert abs(loss(two_replicas, "per_pixel") - loss(one_replica, "per_pixel")) > 1e-4


def test_noise_is_a_function_of_seed_and_step(one_replica, make_step, feed, clips):
    steps = [
        make_step(one_replica, lambda: keras.optimizers.SGD(0.0), model={"sampling": "shared"}, seed=seed)
        for seed in (0, 1)
    ]

    def losses(seed, first_step=0):
        steps[seed].step.assign(first_step)
        return steps[seed].run(feed(one_replica, clips, 4), 3)["loss"]

    first = losses(0)
    assert len(set(first.tolist())) == 3  # weights, clips and set of pixels are the same in all steps
    np.testing.assert_allclose(losses(0), first, rtol=1e-6)
    np.testing.assert_allclose(losses(0, first_step=1)[:2], first[1:], rtol=1e-6)
    assert np.abs(losses(1) - first).min() > 1e-5


def test_all_replicas_decode_the_same_pixels_and_every_step_others(two_replicas, make_step, feed, clips):
    """Pixels of step and replica are seen through a likelihood that reports them."""
    seen = []

    class Spy:
        def __init__(self, num_pixels):
            self.num_pixels = num_pixels

        def sample(self, num_frames, height, width, seed):
            total = num_frames * height * width
            indices = tf.argsort(tf.random.stateless_uniform([total], seed))[: self.num_pixels]
            return tf.ensure_shape(tf.numpy_function(self.keep, [indices], tf.int32), [self.num_pixels])

        @staticmethod
        def keep(indices):
            seen.append(tuple(indices.tolist()))
            return indices

    step = make_step(two_replicas, model={"queries": Spy(10)})
    step.run(feed(two_replicas, clips, 4), 3)
    assert len(seen) == 6
    assert len(set(seen)) == 3
    assert all(seen.count(pixels) == 2 for pixels in seen)


def test_steps_in_one_call_equal_steps_one_by_one(one_replica, make_step, feed, clips):
    def run(counts):
        step = make_step(one_replica, make_adam, clip_norm=CLIP, model={"sampling": "per_pixel"})
        iterator = feed(one_replica, clips, 2)
        rows = [step.run(iterator, count) for count in counts]
        return step, {name: np.concatenate([row[name] for row in rows]) for name in METRICS}

    (together, rows), (single, single_rows) = run([4]), run([1, 1, 1, 1])
    for name in METRICS:
        assert rows[name].shape == (4,)
        assert rows[name].dtype == np.float32
        if name != "input_wait_seconds":
            np.testing.assert_allclose(single_rows[name], rows[name], rtol=1e-6, atol=1e-7, err_msg=name)
    assert max(differences(together, single)) < 1e-6
    assert int(together.step.numpy()) == int(single.step.numpy()) == int(together.optimizer.iterations) == 4


@pytest.mark.parametrize("clip_norm", [CLIP, 1e6])
def test_clipping_and_norms_by_hand(one_replica, make_step, feed, clips, clip_norm):
    step = make_step(one_replica, clip_norm=clip_norm)
    before = [value.astype(np.float64) for value in weights(step)]
    nothing = tf.constant([0, 0])
    variables = [variable.value for variable in step.model.trainable_variables]
    # Clip by clip: a loss is the mean over the batch.
    with tf.GradientTape() as tape:
        losses = [step.model.losses(clips[i : i + 1], nothing, nothing) for i in range(4)]
        mean_loss = tf.add_n([each["loss"] for each in losses]) / 4
    norm_by_clips = tf.linalg.global_norm(tape.gradient(mean_loss, variables))
    # All at once: gradients of float32 agree to 2e-6 only where sums are rounded alike, which depends on the processor.
    with tf.GradientTape() as tape:
        loss = step.model.losses(clips, nothing, nothing)["loss"]
    gradients = tape.gradient(loss, variables)
    gradients = [tf.convert_to_tensor(gradient).numpy().astype(np.float64) for gradient in gradients]
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    factor = min(1.0, clip_norm / norm)

    rows = step.run(feed(one_replica, clips, 4), 1)
    expected = [value - 0.1 * factor * gradient for value, gradient in zip(before, gradients, strict=True)]
    for value, wanted in zip(weights(step), expected, strict=True):
        np.testing.assert_allclose(value, wanted, atol=2e-6)
    for name in LOSSES:
        np.testing.assert_allclose(rows[name][0], np.mean([each[name] for each in losses]), rtol=1e-5)
    np.testing.assert_allclose(rows["gradient_norm"], [norm], rtol=1e-5)  # as it was before clipping
    np.testing.assert_allclose(rows["gradient_norm"], [norm_by_clips], rtol=1e-5)
    np.testing.assert_allclose(rows["update_norm"], [0.1 * factor * norm], rtol=1e-4)
    np.testing.assert_allclose(
        rows["parameter_norm"], [np.sqrt(sum(np.sum(value**2) for value in expected))], rtol=1e-5
    )


def test_the_reported_learning_rate_is_the_one_that_was_used(one_replica, make_step, feed, clips):
    schedule = WarmupCosine(0.1, warmup_steps=2, decay_steps=6)
    step = make_step(one_replica, lambda: keras.optimizers.SGD(schedule))
    rows = step.run(feed(one_replica, clips, 4), 5)
    np.testing.assert_allclose(rows["learning_rate"], [float(schedule(index)) for index in range(5)], rtol=1e-6)
    np.testing.assert_allclose(rows["update_norm"], rows["learning_rate"] * rows["gradient_norm"], rtol=1e-3)


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_microbatches_equal_the_whole_batch(request, replicas, one_replica, make_step, feed, clips):
    """Four of one clip each, or two on each of two replicas."""
    whole = make_step(one_replica, clip_norm=CLIP)
    split = make_step(request.getfixturevalue(replicas), clip_norm=CLIP, microbatch_size=1)
    rows = [step.run(feed(step.strategy, clips, 4), 2) for step in (whole, split)]
    for name in (*LOSSES, "gradient_norm", "update_norm"):
        np.testing.assert_allclose(rows[1][name], rows[0][name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert max(differences(whole, split)) < 1e-5


@pytest.mark.parametrize("microbatch_size", [None, 1])
def test_steps_that_recompute_are_the_same_steps(two_replicas, make_step, feed, clips, microbatch_size):
    """With the noise that enters the decoder."""
    options = {"model": {"sampling": "per_pixel"}, "microbatch_size": microbatch_size}
    steps = [make_step(two_replicas, clip_norm=CLIP, **options) for _ in range(2)]
    recompute(steps[1].model, "all", 10**4)  # four to seven chunks
    rows = [step.run(feed(two_replicas, clips, 4), 2) for step in steps]
    for name in (*LOSSES, "gradient_norm"):
        np.testing.assert_allclose(rows[1][name], rows[0][name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert max(differences(*steps)) < 1e-5


def test_noise_differs_between_microbatches(one_replica, make_step, feed, clips):
    """One clip four times, one by one: the mean of their losses is the loss of one exactly if their noise is one."""
    losses = {}
    for copies in (1, 2, 4):
        step = make_step(one_replica, model={"sampling": "per_pixel"}, microbatch_size=None if copies == 1 else 1)
        same = tf.repeat(clips[:1], copies, axis=0)
        losses[copies] = float(step.run(feed(one_replica, same, copies), 1)["nats_per_pixel"][0])
    # If the noise of all microbatches were one, whichever, two and four of them would have one mean.
    assert abs(losses[2] - losses[4]) > 1e-5
    assert abs(losses[1] - losses[2]) > 1e-5


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_a_step_whose_data_fails_changes_nothing(request, replicas, make_step, clips):
    """So that what was trained before it can be saved."""
    strategy = request.getfixturevalue(replicas)
    count = strategy.num_replicas_in_sync

    def run(num_steps, num_batches):
        step = make_step(strategy, adam, average_decay=0.9, model={"sampling": "per_pixel"})

        def dataset(context):
            del context
            batches = tf.data.Dataset.from_tensor_slices({"video": clips}).repeat().batch(1, True)
            # Steps are counted by their clips; after the last there is one that cannot be read.
            good = batches.take(num_batches * count)
            bad = batches.take(count).map(
                lambda batch: {
                    "video": tf.ensure_shape(tf.io.decode_raw("1", tf.float32), [None])[None] + batch["video"]
                }
            )
            return good.concatenate(bad)

        iterator = iter(strategy.distribute_datasets_from_function(dataset))
        if num_steps > num_batches:
            with pytest.raises(tf.errors.OpError):
                step.run(iterator, num_steps)
        else:
            step.run(iterator, num_steps)
        return step

    whole, cut = run(3, 3), run(8, 3)
    assert int(cut.step.numpy()) == int(cut.optimizer.iterations.numpy()) == int(cut.average.updates.numpy()) == 3
    assert max(differences(whole, cut)) == 0
    for a, b in zip(whole.average.averages, cut.average.averages, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_a_step_that_is_not_finite_changes_nothing_and_the_next_one_is_taken(request, replicas, make_step, feed, clips):
    """Only the last clip is at fault, so that of two replicas one is."""
    strategy = request.getfixturevalue(replicas)
    bad = tf.concat([clips[:3], clips[3:] * np.nan], axis=0)
    step = make_step(strategy, adam, average_decay=0.9, clip_norm=CLIP)
    good_feed, bad_feed = feed(strategy, clips, 4), feed(strategy, bad, 4)
    step.run(good_feed, 2)

    def everything():
        variables = (*step.model.variables, *step.optimizer.variables, *step.average.variables)
        return [variable.numpy() for variable in variables]

    before = everything()
    rows = step.run(bad_feed, 2)
    assert np.isnan(rows["loss"]).all()
    np.testing.assert_array_equal(rows["update_norm"], 0)
    assert np.isfinite(rows["parameter_norm"]).all()
    for old, new in zip(before, everything(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert step.num_skipped == 2
    assert int(step.step.numpy()) == 4
    rows = step.run(good_feed, 1)
    assert np.isfinite(rows["loss"]).all()
    assert rows["update_norm"][0] > 0
    assert step.num_skipped == 2


def test_a_step_on_one_batch_is_skipped_as_well(one_replica, make_step, clips):
    """As a lowered step is."""
    step = make_step(one_replica, adam)
    take = tf.function(step.take, jit_compile=True)
    take({"video": clips})
    before = weights(step)
    assert np.isnan(float(take({"video": clips * np.nan})["loss"]))
    for old, new in zip(before, weights(step), strict=True):
        np.testing.assert_array_equal(old, new)
    assert step.num_skipped == 1
    assert float(take({"video": clips})["update_norm"]) > 0


def test_what_is_waited_for_is_known_outside(one_replica, make_step, clips):
    """While `run` waits for a batch, another thread is told since when."""
    step, seen = make_step(one_replica), []

    def batches():
        for _ in range(2):
            yield {"video": clips.numpy()}
        time.sleep(0.5)
        seen.append(step.waiting_since())
        yield {"video": clips.numpy()}

    assert step.waiting_since() == 0
    spec = {"video": tf.TensorSpec(clips.shape, tf.float32)}
    dataset = tf.data.Dataset.from_generator(batches, output_signature=spec)
    begin = time.time()
    step.run(iter(one_replica.experimental_distribute_dataset(dataset)), 3)
    assert begin < seen[0] < time.time() - 0.4
    assert step.waiting_since() == 0


def test_measures_have_distinct_names():
    assert len(set(METRICS)) == len(METRICS)


def test_xla_in_replicas_gives_the_same(one_replica, two_replicas, make_step, feed, clips):
    """Without noise: TensorFlow's stateless normal draws other numbers under XLA."""
    plain = make_step(one_replica, clip_norm=CLIP)
    compiled = make_step(two_replicas, clip_norm=CLIP, jit_compile=True)
    rows = [step.run(feed(step.strategy, clips, 4), 2) for step in (plain, compiled)]
    for name in (*LOSSES, "gradient_norm", "parameter_norm"):
        np.testing.assert_allclose(rows[1][name], rows[0][name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert max(differences(plain, compiled)) < 1e-4


def test_mixed_bfloat16_keeps_weights_and_losses_in_float32(one_replica, make_step, feed, clips):
    full = make_step(one_replica).run(feed(one_replica, clips, 4), 2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    step = make_step(one_replica)
    rows = step.run(feed(one_replica, clips, 4), 2)
    losses = step.model.losses(clips, tf.constant([0, 0]), tf.constant([0, 0]))
    assert {value.dtype for value in losses.values()} == {tf.float32}
    assert {variable.dtype for variable in step.model.trainable_variables} == {"float32"}
    assert step.model.decoder.compute_dtype == step.model.encoder.first_transformer.compute_dtype == "bfloat16"
    # A bfloat16 has 8 bits: close, but not the same as in float32.
    assert 1e-6 < abs(rows["loss"][0] / full["loss"][0] - 1) < 0.02
    assert rows["loss"][1] < rows["loss"][0]
