"""What every layer and model must do alike: shapes, dtypes, graphs, checkpoints, SavedModels, replicas and XLA."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder
from simone_tf.models.parts.decoder import MaskNormalization, PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.transformer import SelfAttention, Transformer, TransformerBlock
from simone_tf.training.distribution import make_strategy

from small_models import SMALL_MODELS, make_encoder, make_view_encoder

B, T, H, W, K, P, C = 2, 2, 8, 16, 4, 6, 12
OBJECT, FRAME = 5, 3
VIDEO = (B, T, H, W, 3)


class Case(NamedTuple):
    """A layer, what it is built with and called with, and what its documentation promises.

    An input is the shape of a tensor, or of a model the shapes of clip fields by name. A batch axis of 1 in an input
    stands for what all clips of a batch share.
    """

    make: Callable[[], Any]
    inputs: tuple
    outputs: tuple
    build_inputs: int = 1  # the first so many inputs' shapes go to `build`
    mixed_output: str = "float32"  # dtype of the outputs under a mixed policy; "half" for that of the computations
    integers: tuple = ()  # numbers of the outputs that are int32
    also_built_for: tuple = ()  # further shapes that go to `build` alone
    silent: tuple = ()  # parts of the paths of weights that the outputs do not follow, see `SILENT`


def model_case(make, silent=()):
    """What a model promises follows from what it states."""
    model = make()
    model.build((None, *VIDEO[1:]))
    slots, numbers = model.num_slots, {"slot": model.num_slots, "frame": T}
    decomposition = ((B, T, H, W, 3), (B, T, H, W), (B, slots, T, H, W, 3), (B, slots, T, H, W))
    posteriors = []
    for _, latent in sorted(model.latents.items()):
        shape = (B, *(numbers[axis] for axis in latent.axes), latent.size)
        posteriors += [shape] * (1 if latent.is_point else 2)
    inputs = {"video": VIDEO, **{name: (B, T, size) for name, size in model.given.items()}}
    outputs = (*decomposition, *posteriors)
    return Case(make, (inputs,), outputs, integers=(1,), silent=silent)


# GQN infers what a view shows while it learns to draw it, and never again; `test_models` looks at the losses. And the
# first of its steps meets a state of zeros.
_INFERENCE = ("/look/", "/inference/", "/posterior/")
SILENT = {"GQN": (*_INFERENCE, "/core_0/prior/kernel"), "GQN with one core": _INFERENCE}
POSTERIORS = ((B, K, OBJECT), (B, K, OBJECT), (B, T, FRAME), (B, T, FRAME))
CASES = {
    "SelfAttention": Case(lambda: SelfAttention(2, 4), ((B, P, C),), ((B, P, C),), mixed_output="half"),
    "TransformerBlock": Case(lambda: TransformerBlock(2, 4, 8), ((B, P, C),), ((B, P, C),), mixed_output="half"),
    "Transformer": Case(lambda: Transformer(2, 2, 4, 8), ((B, P, C),), ((B, P, C),), mixed_output="half"),
    "LatentHead": Case(lambda: LatentHead(OBJECT, 8), ((B, K, C),), ((B, K, OBJECT), (B, K, OBJECT))),
    "Encoder": Case(make_encoder, (VIDEO,), POSTERIORS),
    "ViewEncoder": Case(make_view_encoder, (VIDEO, (B, T, C)), POSTERIORS[:2], build_inputs=2),
    "ViewEncoder in time": Case(make_view_encoder, (VIDEO, (B, T, C), (B, T)), POSTERIORS[:2], build_inputs=2),
    "PixelDecoder": Case(
        lambda: PixelDecoder(8, 3, coordinate_octaves=1, scaled_by_objects=True),
        ((B, K, 1, OBJECT), (B, P, FRAME), (1, P, 2), (1, P)),
        ((B, K, P, 3), (B, K, P)),
        build_inputs=2,
    ),
    "PixelDecoder, a latent for each query": Case(
        lambda: PixelDecoder(8, 3),
        ((B, K, P, OBJECT), (B, P, FRAME), (B, P, 2), (B, P)),
        ((B, K, P, 3), (B, K, P)),
        build_inputs=2,
    ),
    **{
        f"BroadcastDecoder, {padding}": Case(
            lambda options=options: BroadcastDecoder((4, 6), 3, *options),
            ((B, OBJECT),),
            ((B, H, W, 3), (B, H, W)),
            also_built_for=((B, H, W, 3),),
        )
        for padding, options in (
            ("valid", ("valid", "relu", 1, "sigmoid")),
            ("same", ("same", "elu", 3, None)),
        )
    },
    "MaskNormalization": Case(MaskNormalization, ((B, K, P),), ((B, K, P),)),
    **{name: model_case(make, SILENT.get(name, ())) for name, make in SMALL_MODELS.items()},
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def build(case, seed=0, strategy=None):
    """A built layer whose weights, those that start at zero too, are random."""
    keras.utils.set_random_seed(seed)
    with (strategy or tf.distribute.get_strategy()).scope():
        layer = case.make()
        shapes = (shape["video"] if isinstance(shape, dict) else shape for shape in case.inputs[: case.build_inputs])
        layer.build(*((None, *shape[1:]) for shape in (*shapes, *case.also_built_for)))
    for number, variable in enumerate(layer.variables):
        noise = tf.random.stateless_normal(variable.shape, [seed, number])
        variable.assign(variable.numpy() + 0.3 * noise)
    return layer


def inputs_of(case, seed=0):
    def draw(shape, number):
        if isinstance(shape, dict):
            return {name: draw(part, number + index) for index, (name, part) in enumerate(shape.items())}
        return tf.random.stateless_uniform(shape, [seed, 100 + number])

    return [draw(shape, number) for number, shape in enumerate(case.inputs)]


def specs_of(case):
    """Signatures of any batch size."""

    def spec(shape):
        if isinstance(shape, dict):
            return {name: spec(part) for name, part in shape.items()}
        return tf.TensorSpec([None if shape[0] == B else 1, *shape[1:]])

    return [spec(shape) for shape in case.inputs]


def flat(outputs):
    """The tensors of an output; a latent that is a point has no scale."""
    return [value for value in tf.nest.flatten(outputs) if value is not None]


def arrays(outputs):
    return [np.asarray(value) for value in flat(outputs)]


def assert_close(outputs, expected, atol=1e-5):
    for value, wanted in zip(arrays(outputs), arrays(expected), strict=True):
        assert value.dtype == wanted.dtype
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, wanted, atol=atol, rtol=1e-4)
        else:  # Rounding may decide which of two equally likely slots a pixel belongs to.
            assert np.mean(value != wanted) < 0.01


def test_documented_shapes_and_dtypes(case):
    layer = build(case)
    outputs = flat(layer(*inputs_of(case)))
    assert [tuple(value.shape) for value in outputs] == list(case.outputs)
    for number, value in enumerate(outputs):
        assert value.dtype == (tf.int32 if number in case.integers else tf.float32)
        assert np.isfinite(np.asarray(value)).all()


def test_every_weight_exists_once_built_and_has_a_say(case):
    """A layer that makes weights only when called could not be restored; one without a say is a mistake."""
    layer = build(case)
    before = [variable.path for variable in layer.variables]
    with tf.GradientTape() as tape:
        outputs = [value for value in flat(layer(*inputs_of(case))) if value.dtype.is_floating]
        # Squares of differently weighted outputs: sums of softmaxes and normalised values would have no gradient.
        loss = tf.add_n(
            [
                tf.reduce_sum(tf.square(value) * tf.random.stateless_uniform(value.shape, [9, number]))
                for number, value in enumerate(outputs)
            ]
        )
    variables = [v for v in layer.trainable_variables if not any(part in v.path for part in case.silent)]
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert [variable.path for variable in layer.variables] == before
    assert all(gradient is not None for gradient in gradients)
    silent = [v.path for v, g in zip(variables, gradients, strict=True) if not np.any(np.asarray(g))]
    assert silent == []


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_mixed_precision(case, half):
    expected = build(case)(*inputs_of(case))
    keras.config.set_dtype_policy(f"mixed_{half}")
    layer = build(case)
    outputs = flat(layer(*inputs_of(case)))
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    for number, (value, wanted) in enumerate(zip(outputs, flat(expected), strict=True)):
        if number in case.integers:
            assert value.dtype == tf.int32
            continue
        assert value.dtype == (half if case.mixed_output == "half" else case.mixed_output)
        np.testing.assert_allclose(tf.cast(value, tf.float32), wanted, atol=0.1 * float(tf.reduce_max(tf.abs(wanted))))


def test_a_graph_of_any_batch_size_equals_eager(case):
    layer = build(case)
    graph = tf.function(lambda *inputs: layer(*inputs), input_signature=specs_of(case))
    assert_close(graph(*inputs_of(case)), layer(*inputs_of(case)))
    single = tf.nest.map_structure(lambda value: value[:1], inputs_of(case))
    assert_close(graph(*single), layer(*single))
    for value, shape in zip(flat(graph.get_concrete_function().structured_outputs), case.outputs, strict=True):
        assert value.shape[1:] == shape[1:]  # known without running


def test_every_weight_is_in_a_checkpoint(case, tmp_path):
    layer, other = build(case, seed=1), build(case, seed=2)
    path = tf.train.Checkpoint(layer=layer).save(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(layer=other).restore(path).assert_consumed()
    for variable, restored in zip(layer.variables, other.variables, strict=True):
        np.testing.assert_array_equal(restored.numpy(), variable.numpy())
    assert_close(other(*inputs_of(case)), layer(*inputs_of(case)), atol=0)


def test_saved_model_round_trip(case, tmp_path):
    layer = build(case)

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        @tf.function(input_signature=specs_of(case))
        def outputs(self, *inputs):
            return {f"output_{number}": value for number, value in enumerate(flat(self.layer(*inputs)))}

    tf.saved_model.save(Served(), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    served = loaded.outputs(*inputs_of(case))
    assert_close([served[f"output_{number}"] for number in range(len(case.outputs))], layer(*inputs_of(case)))


def test_two_replicas_do_what_one_does(case):
    strategy = make_strategy(devices=["CPU:0", "CPU:1"])
    layer = build(case, strategy=strategy)

    def inputs(context):
        return tf.nest.map_structure(lambda value: value + 0.1 * context.replica_id_in_sync_group, inputs_of(case))

    replicas = strategy.experimental_distribute_values_from_function(lambda context: tuple(inputs(context)))
    outputs = strategy.run(tf.function(lambda values: flat(layer(*values))), args=(replicas,))
    single = build(case)
    for replica in range(2):
        expected = single(*tf.nest.map_structure(lambda value, shift=0.1 * replica: value + shift, inputs_of(case)))
        assert_close([strategy.experimental_local_results(value)[replica] for value in outputs], expected)


def test_xla_gives_the_same(case):
    layer = build(case)
    compiled = tf.function(lambda *inputs: layer(*inputs), jit_compile=True)
    assert_close(compiled(*inputs_of(case)), layer(*inputs_of(case)), atol=1e-4)
