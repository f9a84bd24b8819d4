"""What every layer and model must do: documented shapes and dtypes, graph equals eager, save and restore, SavedModel,
two replicas, XLA. Each case is a maker of a fresh built layer, its inputs, and the shapes of its outputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.decoder import MaskNormalization, PixelDecoder
from simone_tf.models.encoder import Encoder
from simone_tf.models.latents import LatentHead
from simone_tf.models.likelihood import PixelMixture
from simone_tf.models.queries import RandomQueries
from simone_tf.models.simone import SIMONe
from simone_tf.models.transformer import SelfAttention, Transformer, TransformerBlock


def _encoder():
    return Encoder(
        (2, 4), (1, 2), 4, 4, 8, Transformer(1, 2, 4, 8), Transformer(2, 2, 4, 8), LatentHead(5, 6), LatentHead(3, 6)
    )


def _simone():
    return SIMONe(_encoder(), PixelDecoder(8, 3), PixelMixture(), RandomQueries(9))


def _normal(*shape):
    return tf.random.stateless_normal(shape, [len(shape), shape[-1]])


TOKENS = (2, 6, 8)
POSTERIORS = [(2, 2, 5), (2, 2, 5), (2, 3, 3), (2, 3, 3)]

# name -> (maker, arguments of build, inputs, shapes of the flat outputs, outputs are float32 in any precision)
CASES = {
    "SelfAttention": (lambda: SelfAttention(2, 4), [TOKENS], [TOKENS], [TOKENS], False),
    "TransformerBlock": (lambda: TransformerBlock(2, 4, 16), [TOKENS], [TOKENS], [TOKENS], False),
    "Transformer": (lambda: Transformer(2, 2, 4, 16), [TOKENS], [TOKENS], [TOKENS], False),
    "LatentHead": (lambda: LatentHead(5, 16), [TOKENS], [TOKENS], [(2, 6, 5)] * 2, True),
    "Encoder": (_encoder, [(None, 3, 4, 8, 3)], [(2, 3, 4, 8, 3)], POSTERIORS, True),
    "PixelDecoder": (
        lambda: PixelDecoder(8, 3, 1),
        [(None, 4, None, 5), (None, None, 3)],
        [(2, 4, 7, 5), (2, 7, 3), (2, 7, 2), (2, 7)],
        [(2, 4, 7, 3), (2, 4, 7)],
        True,
    ),
    "MaskNormalization": (MaskNormalization, [(None, 4, None)], [(2, 4, 7)], [(2, 4, 7)], True),
    "SIMONe": (
        _simone,
        [(None, 3, 4, 8, 3)],
        [(2, 3, 4, 8, 3)],
        [(2, 3, 4, 8, 3), (2, 3, 4, 8), (2, 2, 3, 4, 8, 3), (2, 2, 3, 4, 8), *POSTERIORS],
        True,
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    maker, build_arguments, input_shapes, output_shapes, float32 = CASES[request.param]

    def make():
        layer = maker()
        layer.build(*build_arguments)
        return layer

    return make, [_normal(*shape) for shape in input_shapes], output_shapes, float32


def _flat(outputs):
    return tf.nest.flatten(outputs)


def _assert_close(outputs, expected, tolerance=1e-5):
    for output, wanted in zip(_flat(outputs), _flat(expected), strict=True):
        np.testing.assert_allclose(output, wanted, atol=tolerance, rtol=tolerance)


def _differ(layer, other):
    return any(
        not np.array_equal(mine.numpy(), theirs.numpy())
        for mine, theirs in zip(layer.weights, other.weights, strict=True)
    )


def test_shapes_and_dtypes(case):
    make, inputs, shapes, _ = case
    outputs = _flat(make()(*inputs))
    assert [tuple(output.shape) for output in outputs] == shapes
    assert all(output.dtype in (tf.float32, tf.int32) for output in outputs)


def test_mixed_precision_keeps_what_feeds_distributions_in_float32(case):
    make, inputs, shapes, float32 = case
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = make()
    assert all(weight.dtype == "float32" for weight in layer.weights)
    outputs = _flat(layer(*inputs))
    assert [tuple(output.shape) for output in outputs] == shapes
    if float32:
        assert all(output.dtype in (tf.float32, tf.int32) for output in outputs)


def test_graph_equals_eager(case):
    make, inputs, _, _ = case
    layer = make()
    _assert_close(tf.function(layer)(*inputs), layer(*inputs))


def test_xla_equals_eager(case):
    make, inputs, _, _ = case
    layer = make()
    _assert_close(tf.function(lambda *arguments: layer(*arguments), jit_compile=True)(*inputs), layer(*inputs), 1e-4)


def test_every_weight_is_trained(case):
    make, inputs, _, _ = case
    layer = make()
    with tf.GradientTape() as tape:
        outputs = [value for value in _flat(layer(*inputs)) if value.dtype.is_floating]
        # Cubes: the sum of a normalised output has no gradient.
        total = tf.add_n([tf.reduce_sum(value**3) for value in outputs])
    gradients = tape.gradient(total, [weight.value for weight in layer.trainable_weights])
    assert len(gradients) == len(layer.weights) > 0
    assert all(gradient is not None for gradient in gradients)


def test_checkpoint_holds_every_weight(case, tmp_path):
    make, inputs, _, _ = case
    layer = make()
    path = tf.train.Checkpoint(layer=layer).save(str(tmp_path / "checkpoint"))
    stored = [shape for name, shape in tf.train.list_variables(path) if name.startswith("layer/")]
    assert sorted(map(tuple, stored)) == sorted(tuple(weight.shape) for weight in layer.weights)

    keras.utils.set_random_seed(1)
    other = make()
    for weight in other.weights:
        weight.assign(weight + 0.5)
    assert _differ(layer, other)
    tf.train.Checkpoint(layer=other).restore(path).assert_existing_objects_matched()
    assert not _differ(layer, other)
    _assert_close(other(*inputs), layer(*inputs))


def test_saved_model_round_trip(case, tmp_path):
    make, inputs, _, _ = case
    layer = make()

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        @tf.function(input_signature=[tf.TensorSpec([None, *value.shape[1:]], tf.float32) for value in inputs])
        def call(self, *arguments):
            return {f"output_{index}": value for index, value in enumerate(_flat(self.layer(*arguments)))}

    served = Served()
    tf.saved_model.save(served, str(tmp_path / "model"), signatures={"call": served.call})
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    tripled = [tf.concat([value] * 3, axis=0) for value in inputs]  # another batch size than the layer has seen
    outputs = loaded.call(*tripled)
    _assert_close([outputs[f"output_{index}"] for index in range(len(outputs))], layer(*tripled))


def test_two_replicas_hold_the_same_weights_and_agree(case):
    make, inputs, _, _ = case
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = make()
    outputs = [strategy.experimental_local_results(value) for value in _flat(strategy.run(lambda: layer(*inputs)))]
    for first, second in outputs:
        np.testing.assert_allclose(first, second, atol=1e-6)
    _assert_close([first for first, _ in outputs], layer(*inputs))
