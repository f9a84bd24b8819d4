"""The broadcast decoder beside a NumPy convolution of the whole canvas, and whole frames decoded in chunks."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.broadcast_decoder import BroadcastDecoder, DecodedFrames, decode_frames

SIZE = 5


def made(frame=(6, 9), seed=0, **options):
    """A built decoder all of whose weights, the biases too, are random."""
    keras.utils.set_random_seed(seed)
    decoder = BroadcastDecoder(**({"channels": (4, 3)} | options))
    decoder.build((None, SIZE), (None, *frame, 3))
    for number, variable in enumerate(decoder.variables):
        variable.assign(0.5 * tf.random.stateless_normal(variable.shape, [seed, number]))
    return decoder


def latents_of(*leading, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=(*leading, SIZE)), tf.float32)


def convolved(image, kernel, bias, padding):
    """Stride 1, tap by tap; `[rows, columns, C]`."""
    size = len(kernel)
    if padding == "same":
        before = (size - 1) // 2
        image = np.pad(image, [(before, size - 1 - before)] * 2 + [(0, 0)])
    rows, columns = image.shape[0] - size + 1, image.shape[1] - size + 1
    result = np.zeros((rows, columns, kernel.shape[-1]))
    for row, column in itertools.product(range(size), repeat=2):
        result += image[row : row + rows, column : column + columns] @ kernel[row, column]
    return result + bias


def by_hand(latent, weights, frame, padding, activation):
    """RGB and mask logit of one latent, float64."""
    margin = 0 if padding == "same" else sum(len(kernel) - 1 for kernel in weights[::2])
    rows, columns = frame[0] + margin, frame[1] + margin
    canvas = np.zeros((rows, columns, SIZE + 2))
    canvas[..., :SIZE] = latent
    # A single row lies in the middle.
    canvas[..., SIZE] = np.linspace(-1, 1, rows)[:, None] if rows > 1 else 0
    canvas[..., SIZE + 1] = np.linspace(-1, 1, columns)
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        canvas = convolved(canvas, kernel, bias, padding)
        canvas = np.maximum(canvas, 0) if activation == "relu" else np.where(canvas > 0, canvas, np.expm1(canvas))
    return convolved(canvas, *weights[-2:], padding)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("kernel_size", "output_kernel_size"), [(3, 1), (5, 3), (1, 3), (4, 1)])
@pytest.mark.parametrize("frame", [(6, 9), (2, 3), (1, 8)])
def test_it_is_the_convolution_of_the_latent_beside_the_coordinates(padding, kernel_size, output_kernel_size, frame):
    activation = "relu" if padding == "valid" else "elu"
    decoder = made(
        frame,
        kernel_size=kernel_size,
        padding=padding,
        activation=activation,
        output_kernel_size=output_kernel_size,
    )
    latents = latents_of(3)
    rgb, mask_logits = decoder(latents)
    assert rgb.shape == (3, *frame, 3)
    assert mask_logits.shape == (3, *frame)
    weights = [weight.astype(np.float64) for weight in decoder.get_weights()]
    for number in range(3):
        wanted = by_hand(latents[number].numpy().astype(np.float64), weights, frame, padding, activation)
        np.testing.assert_allclose(rgb[number], wanted[..., :3], atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(mask_logits[number], wanted[..., 3], atol=1e-4, rtol=1e-4)


def test_a_sigmoid_bounds_the_colours_and_leaves_the_logits():
    plain, bounded = made(), made(rgb_activation="sigmoid")
    (rgb, mask_logits), (bounded_rgb, bounded_logits) = plain(latents_of(2)), bounded(latents_of(2))
    np.testing.assert_allclose(bounded_rgb, 1 / (1 + np.exp(-rgb.numpy().astype(np.float64))), atol=1e-6)
    np.testing.assert_array_equal(bounded_logits, mask_logits)


def test_its_weights_are_those_of_the_convolutions_it_stands_for():
    """MONet's decoder for latents of 16: 18 x 9 x 32 + 32, and so on; 0.07 M."""
    decoder = BroadcastDecoder()
    decoder.build((None, 16), (None, 64, 64, 3))
    wanted = (18 * 9 * 32 + 32) + (32 * 9 * 32 + 32) + (32 * 9 * 64 + 64) + (64 * 9 * 64 + 64) + (64 * 4 + 4)
    assert decoder.count_params() == wanted == 70148
    # IODINE's: latents of 64, kernels 3x3 of 64 channels, the last one 3x3 too.
    decoder = BroadcastDecoder((64,) * 4, 3, "same", "elu", 3)
    decoder.build((None, 64), (None, 64, 64, 3))
    assert decoder.count_params() == (66 * 9 * 64 + 64) + 3 * (64 * 9 * 64 + 64) + (64 * 9 * 4 + 4)


def test_the_first_layer_starts_as_one_glorot_layer():
    decoder = BroadcastDecoder((64, 8))
    decoder.build((None, 14), (None, 4, 4, 3))
    limit = np.sqrt(6 / (9 * 16 + 9 * 64))
    assert 0.99 * limit < np.abs(decoder.hidden_layers[0].kernel.numpy()).max() <= limit


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_gradients_are_those_of_the_whole_canvas(padding):
    """Beside automatic differentiation of Keras's own layers on a canvas that is made."""
    decoder, latents = made(padding=padding), tf.Variable(latents_of(2))
    weigh = tf.random.stateless_normal([2, 6, 9, 4], [5, 5])

    def whole():
        canvas = tf.tile(latents[:, None, None], [1, *decoder.coordinates.shape[1:3], 1])
        hidden = tf.concat([canvas, tf.tile(decoder.coordinates, [2, 1, 1, 1])], -1)
        for layer in decoder.hidden_layers:
            hidden = tf.nn.relu(layer(hidden))
        return decoder.output_layer(hidden)

    def split():
        rgb, mask_logits = decoder(latents)
        return tf.concat([rgb, mask_logits[..., None]], -1)

    gradients = []
    for function in (whole, split):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weigh * function() ** 2)
        gradients.append(tape.gradient(loss, [latents, *(weight.value for weight in decoder.trainable_weights)]))
    for wanted, found in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("chunk_size", [1, 54, 107, 108, 130, 161, 162, 270, 10**6])
def test_chunks_of_any_size_give_the_same(chunk_size):
    decoder, latents = made(), latents_of(2, 3, 5)
    flat = decoder(tf.reshape(latents, [-1, SIZE]))
    sizes = []

    def decode(part):
        sizes.append(part.shape[0])
        return decoder(part)

    at_once = decode_frames(decoder, latents, (6, 9))
    np.testing.assert_allclose(at_once.rgb, tf.reshape(flat.rgb, [2, 3, 5, 6, 9, 3]), atol=1e-6)
    np.testing.assert_allclose(at_once.mask_logits, tf.reshape(flat.mask_logits, [2, 3, 5, 6, 9]), atol=1e-6)
    for size in (chunk_size, tf.constant(chunk_size)):
        parts = decode_frames(decode, latents, (6, 9), size)
        np.testing.assert_allclose(parts.rgb, at_once.rgb, atol=1e-5)
        np.testing.assert_allclose(parts.mask_logits, at_once.mask_logits, atol=1e-5)
    # As many frames of 54 pixels as fit, of 2 clips and 3 slots.
    assert max(sizes[: len(sizes) // 2]) == 6 * min(5, max(1, chunk_size // 54))


def test_chunks_in_a_graph_of_any_batch_and_number_of_frames():
    decoder, latents = made(), latents_of(2, 3, 5)
    wanted = decode_frames(decoder, latents, (6, 9))
    for shape in ([None, 3, 5, SIZE], [None, 3, None, SIZE]):
        specs = [tf.TensorSpec(shape), tf.TensorSpec([], tf.int32)]
        graph = tf.function(lambda part, size: decode_frames(decoder, part, (6, 9), size), input_signature=specs)
        for size in (1, 120, 1000):
            parts = graph(latents, tf.constant(size))
            np.testing.assert_allclose(parts.rgb, wanted.rgb, atol=1e-5)
            np.testing.assert_allclose(parts.mask_logits, wanted.mask_logits, atol=1e-5)
        structure = graph.get_concrete_function().structured_outputs
        assert structure["rgb" if isinstance(structure, dict) else 0].shape.as_list() == [*shape[:3], 6, 9, 3]


def test_under_mixed_precision_convolutions_are_of_the_compute_dtype_and_results_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        decoder = made()
        seen = []
        layer = decoder.output_layer
        decoder.output_layer = lambda hidden: seen.append(hidden.dtype) or layer(hidden)
        rgb, mask_logits = decoder(latents_of(2))
    finally:
        keras.config.set_dtype_policy("float32")
    assert seen == [tf.bfloat16]
    assert rgb.dtype == mask_logits.dtype == tf.float32
    assert isinstance(decoder(latents_of(2)), DecodedFrames)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("channels", ()),
        ("channels", (4, 0)),
        ("channels", 32),
        ("kernel_size", 0),
        ("padding", "full"),
        ("activation", "tanh"),
        ("output_kernel_size", 1.5),
        ("rgb_activation", "relu"),
    ],
)
def test_a_wrong_value_is_told(option, value):
    with pytest.raises(UserError, match=f"^BroadcastDecoder.{option} is "):
        BroadcastDecoder(**{option: value})
