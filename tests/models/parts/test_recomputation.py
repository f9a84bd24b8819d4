"""What is made again gives the results and gradients of what is kept, and nothing is kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.recomputation import Recomputable, Recomputation, recompute
from simone_tf.models.parts.transformer import Transformer, TransformerBlock
from simone_tf.training.distribution import make_strategy

from small_models import SMALL_MODELS


class Product(Recomputable):
    """tanh(values * common * weight): everything of its gradients is known."""

    calls = 0

    def build(self, shape):
        self.weight = self.add_weight(shape=shape, initializer="ones", name="weight")
        self.built = True

    def call(self, values, common):
        inputs = [values, common]
        places = values.shape.as_list()
        return self.recomputation.in_chunks(self.product, inputs, (1, None), places, axis=1, results=((),), width=1)

    def product(self, values, common):
        self.calls += 1
        return (tf.tanh(values * common * tf.convert_to_tensor(self.weight)),)


@pytest.fixture
def product():
    keras.utils.set_random_seed(0)
    layer = Product()
    layer.build((3,))
    layer.weight.assign([0.5, -1.0, 2.0])
    recompute(layer, "decoder", 4 * 2 * 3 * 3)  # three places at a time
    return layer


@pytest.mark.parametrize("count", [2, 3, 7, 12])
@pytest.mark.parametrize("compiled", [False, True])
def test_results_and_gradients_are_those_of_calculus(product, count, compiled):
    """Places that chunks do not divide among themselves too; what all places share gets the sum."""
    rng = np.random.default_rng(count)
    values, upstream = rng.normal(size=(2, 2, count, 3)).astype(np.float32)
    common = rng.normal(size=(2, 1, 1)).astype(np.float32)
    weight = np.asarray(product.weight)

    def both(values, common):
        with tf.GradientTape() as tape:
            tape.watch((values, common))
            (result,) = product(values, common)
        return result, tape.gradient(result, (values, common, product.weight.value), output_gradients=upstream)

    both = tf.function(both) if compiled else both
    result, (of_values, of_common, of_weight) = both(tf.constant(values), tf.constant(common))
    expected = np.tanh(values * common * weight)
    slope = upstream * (1.0 - expected**2)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    np.testing.assert_allclose(of_values, slope * common * weight, atol=1e-5)
    np.testing.assert_allclose(of_common, (slope * values * weight).sum((1, 2), keepdims=True), atol=1e-5)
    np.testing.assert_allclose(of_weight, (slope * values * common).sum((0, 1)), atol=1e-5)


def test_as_many_places_are_computed_at_a_time_as_fit(product):
    product.calls = 0
    product(tf.ones([2, 7, 3]), tf.ones([2, 1, 1]))
    assert product.calls == 3
    recompute(product, "decoder", 4 * 2 * 7 * 3)
    product.calls = 0
    product(tf.ones([2, 7, 3]), tf.ones([2, 1, 1]))
    assert product.calls == 1


def test_sizes_that_are_not_known_are_computed_at_once(product):
    function = tf.function(product.call, input_signature=[tf.TensorSpec([None, 7, 3]), tf.TensorSpec([None, 1, 1])])
    product.calls = 0
    np.testing.assert_allclose(
        function(tf.ones([2, 7, 3]), tf.ones([2, 1, 1]))[0][0, 0], np.tanh([0.5, -1, 2]), atol=1e-6
    )
    assert product.calls == 1


def test_what_is_made_again_survives_the_compiler():
    """XLA merges equal computations, which would keep what the first one made."""
    block = TransformerBlock(2, 4, 8)
    block.build((None, 6, 12))
    tokens = tf.random.stateless_normal([2, 6, 12], [0, 0])

    def gradient(tokens):
        with tf.GradientTape() as tape:
            tape.watch(tokens)
            loss = tf.reduce_sum(block(tokens) ** 2)
        return tape.gradient(loss, tokens)

    counts = []
    for which in (None, "all"):
        recompute(block, which)
        text = tf.function(gradient, jit_compile=True).experimental_get_compiler_ir(tokens)(stage="optimized_hlo")
        counts.append(text.count(" exponential("))
    assert counts[0] >= 1
    assert counts[1] == 2 * counts[0]


def test_under_mixed_precision_weights_enter_as_they_are():
    """Gradients of chunks are added up in float32, as if each chunk were decoded by itself: bfloat16 rounds no sum."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    decoder = PixelDecoder(8, 3)
    decoder.build((None, 4, None, 5), (None, None, 3))
    objects, *others = [
        tf.random.stateless_normal(shape, [0, number])
        for number, shape in enumerate(([2, 4, 6, 5], [2, 6, 3], [1, 6, 2], [1, 6]))
    ]

    def gradients(*inputs):
        with tf.GradientTape() as tape:
            decoded = decoder(*inputs)
            loss = tf.reduce_sum(decoded.rgb_means**2) + tf.reduce_sum(decoded.mask_logits**2)
        return tape.gradient(loss, [variable.value for variable in decoder.trainable_variables])

    # Two of the six queries at a time, each third one.
    chunks = [slice(first, None, 3) for first in range(3)]
    apart = [gradients(objects[:, :, chunk], *(other[:, chunk] for other in others)) for chunk in chunks]
    recompute(decoder, "decoder", 2 * 2 * 4 * 8 * 2)
    for one, *parts in zip(gradients(objects, *others), *apart, strict=True):
        assert one.dtype == tf.float32
        expected = sum(part.numpy().astype(np.float64) for part in parts)
        np.testing.assert_allclose(one, expected, atol=1e-6 * np.abs(expected).max())


def test_replicas_get_the_gradients_of_their_own_weights():
    strategy = make_strategy(devices=["CPU:0", "CPU:1"])
    with strategy.scope():
        decoder = BroadcastDecoder((4, 6))
        decoder.build((None, 5), (None, 4, 4, 3))
        recompute(decoder, "decoder", 500)
    variables = [variable.value for variable in decoder.trainable_variables]

    @tf.function
    def gradients(latents):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(decoder(latents).rgb ** 2)
        return tape.gradient(loss, variables)

    latents = tf.random.stateless_normal([2, 6, 5], [0, 0])
    shares = strategy.experimental_distribute_values_from_function(
        lambda context: latents[context.replica_id_in_sync_group]
    )
    found = strategy.run(gradients, args=(shares,))
    recompute(decoder, None)
    for replica in range(2):
        own = [strategy.experimental_local_results(value)[replica] for value in found]
        for value, wanted in zip(own, gradients(latents[replica]), strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)


def test_which_parts_are_meant():
    def recomputing(which):
        recompute(model, which)
        found = {"decoder": model.decoder, **{block.name: block for block in model.encoder.first_transformer.blocks}}
        return {name for name, part in found.items() if isinstance(part.recomputation, Recomputation)}

    model = SMALL_MODELS["SIMONe"]()
    model.build((None, 2, 8, 16, 3))
    assert recomputing("decoder") == {"decoder"}
    assert recomputing("all") == {"decoder", "block_0"}
    assert recomputing(None) == set()


def test_checkpoints_are_those_of_a_layer_that_keeps(tmp_path):
    names = []
    for which in (None, "all"):
        transformer = Transformer(2, 2, 4, 8)
        transformer.build((None, 6, 12))
        recompute(transformer, which)
        path = tf.train.Checkpoint(layer=transformer).write(str(tmp_path / str(which)))
        names.append(tf.train.list_variables(path))
    assert names[0] == names[1]


def test_a_model_without_such_parts_is_told():
    model = SMALL_MODELS["ColourMixture"]()
    model.build((None, 2, 8, 16, 3))
    recompute(model, None)
    with pytest.raises(UserError, match=r"train\.recompute is 'all', but ColourMixture has no part"):
        recompute(model, "all")
