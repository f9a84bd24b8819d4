"""The module against Algorithm 1 in float64, and what follows from it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.slot_attention.attention import SlotAttentionModule

import slot_attention_oracle as oracle

N, P, C, K, D = 2, 10, 5, 3, 6


def make(num_iterations=3, **arguments):
    keras.utils.set_random_seed(0)
    sizes = {"num_slots": K, "slot_size": D, "mlp_size": 7, "num_iterations": num_iterations}
    module = SlotAttentionModule(**sizes | arguments)
    module.build((None, P, C))
    rng = np.random.default_rng(1)
    for variable in module.variables:
        variable.assign(variable.numpy() + 0.5 * rng.normal(size=variable.shape))
    return module


@pytest.fixture
def features():
    return np.random.default_rng(2).normal(size=(N, P, C)).astype(np.float32)


@pytest.fixture
def slots():
    return np.random.default_rng(3).normal(size=(N, K, D)).astype(np.float32)


@pytest.mark.parametrize("num_iterations", [1, 2, 3, 5])
def test_it_is_algorithm_1(features, slots, num_iterations):
    module = make(num_iterations)
    expected = oracle.attended(module, features, slots)
    np.testing.assert_allclose(module(features, slots), expected, atol=2e-5)
    # Another number of iterations is no rounding error.
    assert np.abs(oracle.attended(module, features, slots, num_iterations + 1) - expected).max() > 1e-2


def test_a_slot_that_gets_no_attention_has_the_plain_mean(slots):
    """Epsilon: where one slot takes all features, the others still have a mean, and it is that of all values."""
    module = make(epsilon=1e-8)
    keys = np.zeros((N, P, D), np.float32)
    keys[..., 0] = 1e4
    values = np.random.default_rng(4).normal(size=(N, P, D)).astype(np.float32)
    # The first slot asks for what all keys have, the others for its opposite.
    module.query.kernel.assign(np.eye(D))
    module.slot_norm.gamma.assign(np.ones(D))
    module.slot_norm.beta.assign(np.zeros(D))
    asking = slots.copy()
    asking[:, 0, 0], asking[:, 1:, 0] = 9.0, -9.0
    updates = module._attended(tf.constant(asking), tf.constant(keys), tf.constant(values))
    for slot in range(K):
        np.testing.assert_allclose(updates[:, slot], values.mean(1), atol=1e-5)


def test_permuted_slots_give_permuted_results(features, slots):
    module, order = make(), [2, 0, 1]
    result = module(features, slots).numpy()
    np.testing.assert_allclose(module(features, slots[:, order]), result[:, order], atol=1e-5)
    assert np.abs(result[:, order] - result).max() > 1e-2


def test_the_order_of_features_means_nothing(features, slots):
    module = make()
    np.testing.assert_allclose(module(features[:, ::-1], slots), module(features, slots), atol=1e-5)


def test_gradients_flow_through_all_iterations(features, slots):
    """The result's derivative by the slots at the start is that of differences of the float64 oracle."""
    module = make(3)
    start, direction = tf.constant(slots), np.random.default_rng(5).normal(size=slots.shape)
    with tf.GradientTape() as tape:
        tape.watch(start)
        total = tf.reduce_sum(module(features, start) * tf.constant(direction, tf.float32))
    gradient = tape.gradient(total, start).numpy()
    step = 1e-5 * np.random.default_rng(6).normal(size=slots.shape)
    ahead, behind = (oracle.attended(module, features, slots + sign * step) for sign in (1, -1))
    assert np.abs(gradient).max() > 1e-3
    np.testing.assert_allclose((gradient * step).sum(), ((ahead - behind) * direction).sum() / 2, rtol=1e-3)


def test_slots_start_as_samples_of_one_gaussian():
    keras.utils.set_random_seed(0)
    module = SlotAttentionModule(num_slots=2, slot_size=64)
    module.build((None, 9, 32))
    mean, log_scale = module.initial_mean.numpy().ravel(), module.initial_log_scale.numpy().ravel()
    for values in (mean, log_scale):
        assert 0.28 < np.abs(values).max() <= np.sqrt(6 / 65)
    noise = np.random.default_rng(0).normal(size=(5, 2, 64)).astype(np.float32)
    np.testing.assert_allclose(module.initial(noise), mean + np.exp(log_scale) * noise, atol=1e-6)


@pytest.mark.parametrize(("channels", "total"), [(64, 54_336), (32, 50_176)])
def test_the_papers_size(channels, total):
    """By hand: norms, both parameters of the start, q, k and v, the GRU, the MLP. 0.05 M with either encoder."""
    module = SlotAttentionModule()
    module.build((None, 64 * 64, channels))
    norms, start = 2 * channels + 2 * 2 * 64, 2 * 64
    products = 64 * 64 + 2 * channels * 64
    gru, mlp = 3 * (64 * 64 + 64 * 64 + 2 * 64), 64 * 128 + 128 + 128 * 64 + 64
    assert module.count_params() == norms + start + products + gru + mlp == total


def test_slots_and_attention_are_float32_under_mixed_precision(features, slots):
    once = make(num_iterations=1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    module, module_once = make(), make(num_iterations=1)
    traced = tf.function(module.refine)
    keys, values = module.keys_and_values(features)
    assert keys.dtype == values.dtype == tf.bfloat16
    graph = traced.get_concrete_function(tf.constant(slots), keys, values).graph
    kinds = [operation.outputs[0].dtype for operation in graph.get_operations() if operation.type == "Softmax"]
    assert kinds == [tf.float32] * 3
    result = module.refine(tf.constant(slots), keys, values)
    assert result.dtype == tf.float32
    # Each iteration by itself: the next ones grow what bfloat16 rounds off, and processors round differently.
    moved = tf.constant(slots)
    for _ in range(3):
        expected = once(features, moved)
        moved = module_once.refine(moved, keys, values)
        np.testing.assert_allclose(moved, expected, atol=0.1)
    np.testing.assert_array_equal(result, moved)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_slots": 0}, "num_slots is 0: it must be a whole number of at least 1"),
        ({"num_iterations": 0}, "num_iterations is 0: it must be"),
        ({"epsilon": 0.0}, "epsilon is 0.0: it must be a number above 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments, words):
    with pytest.raises(UserError, match=f"SlotAttentionModule.{words}"):
        SlotAttentionModule(**arguments)
