import pytest
import tensorflow as tf

from simone_tf.models.parts.flops import forward_flops
from simone_tf.models.parts.queries import RandomQueries, StridedQueries
from simone_tf.models.simone.model import SIMONe

VIDEO = (2, 3, 8, 16, 3)
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D")


def _counted_by_tensorflow(model, shape):
    """TensorFlow's own count of the matrix products and convolutions of the forward graph of the loss."""
    seed = tf.TensorSpec([2], tf.int32)
    graph = tf.function(model.losses).get_concrete_function(tf.TensorSpec(shape), seed, seed).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    profile = tf.compat.v1.profiler.profile(graph, cmd="op", options={**options, "output": "none"})
    total, node = 0, profile
    while node.children:  # one child each: a chain of operation types
        (node,) = node.children
        total += node.float_ops if node.name in PRODUCTS else 0
    return total


@pytest.mark.parametrize("sampling", ["per_pixel", "per_frame", "shared", "mean"])
@pytest.mark.parametrize("queries", [RandomQueries(20), StridedQueries(2, 4)])
def test_equals_tensorflows_count(make_simone, sampling, queries):
    model = make_simone(sampling=sampling, queries=queries)
    assert sum(forward_flops(model, VIDEO).values()) == _counted_by_tensorflow(model, VIDEO)


def test_the_papers_sizes_by_hand():
    model = SIMONe()
    model.build((None, 16, 64, 64, 3))
    flops = forward_flops(model, (1, 16, 64, 64, 3))

    def transformer(tokens):
        return 4 * 2 * (tokens * (320 * 960 + 320 * 320 + 2 * 320 * 1024) + 2 * 5 * tokens**2 * 64)

    queries = 8 * 32 * 32
    assert flops == {
        "CNN": 2 * 16 * (32**2 * 16 * 3 * 128 + (16**2 + 8**2) * 16 * 128 * 128 + 8**2 * 128 * 320),
        "T1": transformer(16 * 64),
        "T2": transformer(16 * 16),
        "heads": 2 * (16 + 16) * (320 * 1024 + 2 * 1024 * 32),
        "decoder": 2 * queries * (16 * (32 * 512 + 4 * 512 * 512 + 512 * 4) + (32 + 3) * 512),
    }
    assert flops["decoder"] > 0.9 * sum(flops.values())
