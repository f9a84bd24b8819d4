import numpy as np
import tensorflow as tf

from simone_tf.models.parts.decoder import MaskNormalization, PixelDecoder


def _decoder(octaves=0):
    decoder = PixelDecoder(hidden_size=7, num_hidden_layers=3, coordinate_octaves=octaves)
    decoder.build((None, 4, None, 5), (None, None, 3))
    return decoder


def _inputs(queries=6, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ([2, 4, queries, 5], [2, queries, 3], [2, queries, 2], [2, queries])
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


def test_equals_an_mlp_on_the_concatenated_input():
    decoder = _decoder(octaves=1)
    objects, frames, coordinates, times = _inputs()
    decoded = decoder(objects, frames, coordinates, times)

    kernel = np.concatenate(
        [layer.kernel.numpy() for layer in (decoder.object_input, decoder.frame_input, decoder.place_input)]
    )
    clip, slot, query = 1, 2, 3
    place = coordinates[clip, query].numpy()
    features = [place, [times[clip, query]], np.sin(np.pi * place), np.cos(np.pi * place)]
    hidden = np.concatenate([objects[clip, slot, query], frames[clip, query], *features]) @ kernel
    hidden = np.maximum(hidden + decoder.object_input.bias.numpy(), 0)
    for layer in decoder.hidden_layers:
        hidden = np.maximum(hidden @ layer.kernel.numpy() + layer.bias.numpy(), 0)
    output = hidden @ decoder.output_layer.kernel.numpy() + decoder.output_layer.bias.numpy()
    np.testing.assert_allclose(decoded.rgb_means[clip, slot, query], output[:3], atol=1e-5)
    np.testing.assert_allclose(decoded.mask_logits[clip, slot, query], output[3], atol=1e-5)


def test_objects_scale_what_is_common_to_all_slots():
    decoder = PixelDecoder(hidden_size=7, num_hidden_layers=1, scaled_by_objects=True)
    decoder.build((None, 4, None, 5), (None, None, 3))
    decoder.object_scale.bias.assign(np.linspace(-0.5, 0.5, 7))
    objects, frames, coordinates, times = _inputs()
    decoded = decoder(objects, frames, coordinates, times)

    clip, slot, query = 1, 2, 3
    latent = objects[clip, slot, query].numpy()
    place = np.concatenate([coordinates[clip, query], [times[clip, query]]])
    common = (
        frames[clip, query].numpy() @ decoder.frame_input.kernel.numpy() + place @ decoder.place_input.kernel.numpy()
    )
    scale = 1.0 + latent @ decoder.object_scale.kernel.numpy() + np.linspace(-0.5, 0.5, 7)
    shift = latent @ decoder.object_input.kernel.numpy() + decoder.object_input.bias.numpy()
    output = np.maximum(shift + scale * common, 0) @ decoder.output_layer.kernel.numpy()
    np.testing.assert_allclose(decoded.rgb_means[clip, slot, query], output[:3], atol=1e-5)
    np.testing.assert_allclose(decoded.mask_logits[clip, slot, query], output[3], atol=1e-5)


def test_the_first_layer_starts_as_one_glorot_layer():
    decoder = PixelDecoder(hidden_size=512, num_hidden_layers=5)
    decoder.build((None, 16, None, 32), (None, None, 32))
    limit = np.sqrt(6 / (32 + 32 + 3 + 512))
    for layer in (decoder.object_input, decoder.frame_input, decoder.place_input):
        largest = np.abs(layer.kernel.numpy()).max()
        assert 0.95 * limit < largest <= limit
    assert len(decoder.hidden_layers) == 4


def test_a_query_is_decoded_by_itself():
    decoder = _decoder()
    objects, frames, coordinates, times = _inputs()
    whole = decoder(objects, frames, coordinates, times)
    part = decoder(objects[:, :, 2:3], frames[:, 2:3], coordinates[:, 2:3], times[:, 2:3])
    np.testing.assert_allclose(whole.rgb_means[:, :, 2:3], part.rgb_means, atol=1e-6)
    np.testing.assert_allclose(whole.mask_logits[:, :, 2:3], part.mask_logits, atol=1e-6)


def test_latents_shared_by_all_queries_are_broadcast():
    decoder = _decoder()
    objects, frames, coordinates, times = _inputs()
    shared = objects[:, :, :1]
    repeated = tf.repeat(shared, 6, axis=2)
    np.testing.assert_allclose(
        decoder(shared, frames, coordinates, times).rgb_means,
        decoder(repeated, frames, coordinates, times).rgb_means,
        atol=1e-6,
    )


def test_mask_normalization_is_joint_over_slots_and_queries_with_scalar_weights():
    layer = MaskNormalization(epsilon=0.0)
    layer.build((None, 4, None))
    assert [tuple(weight.shape) for weight in layer.weights] == [(), ()]
    layer.scale.assign(2.0)
    layer.bias.assign(0.5)
    logits = np.random.default_rng(0).normal(3, 7, size=(2, 4, 9)).astype(np.float32)
    normalised = layer(logits).numpy()
    for clip in range(2):
        expected = 2 * (logits[clip] - logits[clip].mean()) / logits[clip].std() + 0.5
        np.testing.assert_allclose(normalised[clip], expected, atol=1e-5)
