import pytest
import tensorflow as tf

from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.flops import forward_flops
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.queries import RandomQueries, StridedQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe

from colour_mixture import ColourMixture

VIDEO = (2, 3, 8, 16, 3)
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Conv2D")


def _counted_by_tensorflow(model, shape):
    """TensorFlow's own count of the matrix products and convolutions of the forward graph of the loss."""
    seed = tf.TensorSpec([2], tf.int32)
    graph = tf.function(model.losses).get_concrete_function({"video": tf.TensorSpec(shape)}, seed, seed).graph
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
    assert sum(forward_flops(model, {"video": VIDEO}).values()) == _counted_by_tensorflow(model, VIDEO)


def test_the_papers_sizes_by_hand():
    model = SIMONe()
    model.build((None, 16, 64, 64, 3))
    flops = forward_flops(model, {"video": (1, 16, 64, 64, 3)})

    def transformer(tokens):
        return 4 * 2 * (tokens * (320 * 960 + 320 * 320 + 2 * 320 * 1024) + 2 * 5 * tokens**2 * 64)

    queries = 8 * 32 * 32
    assert flops == {
        "encoder/convolutions": 2 * 16 * (32**2 * 16 * 3 * 128 + (16**2 + 8**2) * 16 * 128 * 128),
        "encoder/projection": 2 * 16 * 8**2 * 128 * 320,
        "encoder/first_transformer": transformer(16 * 64),
        "encoder/second_transformer": transformer(16 * 16),
        "encoder/object_head": 2 * 16 * (320 * 1024 + 2 * 1024 * 32),
        "encoder/frame_head": 2 * 16 * (320 * 1024 + 2 * 1024 * 32),
        "decoder/object_input": 2 * queries * 16 * 32 * 512,
        "decoder/frame_input": 2 * queries * 32 * 512,
        "decoder/place_input": 2 * queries * 3 * 512,
        "decoder/hidden_layers": 2 * queries * 16 * 4 * 512 * 512,
        "decoder/output_layer": 2 * queries * 16 * 512 * 4,
    }
    in_decoder = sum(count for layer, count in flops.items() if layer.startswith("decoder/"))
    assert in_decoder > 0.9 * sum(flops.values())


def test_parts_that_bear_the_same_kind_of_name_are_told_apart():
    """Of parts that nobody named, as a configuration makes them, the second one's name ends in a number."""
    encoder = Encoder(
        (4, 8),
        (2, 2),
        conv_channels=4,
        width=8,
        first_transformer=Transformer(1, 2, 4, 8),
        second_transformer=Transformer(1, 2, 4, 8),
        object_head=LatentHead(3, 8),
        frame_head=LatentHead(2, 8),
    )
    model = SIMONe(encoder, PixelDecoder(8, 2), queries=RandomQueries(20))
    model.build((None, *VIDEO[1:]))
    flops = forward_flops(model, {"video": VIDEO})
    assert flops["encoder/object_head"] == 2 * 2 * 4 * (8 * 8 + 2 * 8 * 3)
    assert flops["encoder/frame_head"] == 2 * 2 * 3 * (8 * 8 + 2 * 8 * 2)
    assert flops["encoder/first_transformer"] > 5 * flops["encoder/second_transformer"]
    assert "other" not in flops


def test_products_outside_of_layers_and_a_given_camera():
    model = ColourMixture(num_colours=3, camera_size=5)
    model.build((None, 3, 8, 8, 3))
    flops = forward_flops(model, {"video": (2, 3, 8, 8, 3), "camera": (2, 3, 5)})
    # By hand, for 2 clips of 3 frames: colours and places of 3 blobs in 64 pixels, the camera twice, the mean picture.
    assert flops == {"other": 2 * 2 * 3 * (3 * 64 * 3 + 3 * 64 * 2 + 2 * 5 * 2 + 3 * 64 * 3)}
