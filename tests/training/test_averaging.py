"""The moving average of the weights against a NumPy recursion."""

import keras
import numpy as np
import pytest

from simone_tf.training.averaging import WeightAverage

DECAY = 0.25  # below the warm-up's (1 + n) / (10 + n) from n = 3 on: both branches are taken


def weights(model):
    return [variable.numpy() for variable in model.trainable_variables]


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_average_equals_a_numpy_recursion(replicas, make_step, feed, clips, request):
    strategy = request.getfixturevalue(replicas)
    step = make_step(strategy, lambda: keras.optimizers.SGD(0.02), average_decay=DECAY)
    iterator = feed(strategy, clips, 4)
    expected = [value.astype(np.float64) for value in weights(step.model)]
    for count in range(1, 6):
        step.run(iterator, 1)
        decay = min(DECAY, (1 + count) / (10 + count))
        expected = [decay * old + (1 - decay) * new for old, new in zip(expected, weights(step.model), strict=True)]
    moved = 0.0
    for average, wanted, own in zip(step.average.averages, expected, weights(step.model), strict=True):
        np.testing.assert_allclose(average.numpy(), wanted, atol=1e-6)
        moved = max(moved, float(np.abs(average.numpy() - own).max()))
        for copy in strategy.experimental_local_results(average):
            np.testing.assert_allclose(copy.numpy(), wanted, atol=1e-6)
    assert moved > 1e-3
    assert int(step.average.updates.numpy()) == 5


@pytest.mark.parametrize("replicas", ["one_replica", "two_replicas"])
def test_swapping_in_the_average_and_back(replicas, make_model, request):
    strategy = request.getfixturevalue(replicas)
    with strategy.scope():
        model = make_model()
        average = WeightAverage(model, DECAY)
    initial = weights(model)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + 1.0)
    own = weights(model)

    def check(expected):
        for value, wanted in zip(weights(model), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)

    with average.swapped_into(model):
        check(initial)
    check(own)

    def fail_inside():
        with average.swapped_into(model):
            check(initial)
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    check(own)
    for value, wanted in zip(average.averages, initial, strict=True):
        np.testing.assert_array_equal(value.numpy(), wanted)
