"""The encoder that is given viewpoints: what the order of the frames does, and where a viewpoint enters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.view_encoder import ViewEncoder

T, H, W, C, WIDTH = 4, 8, 8, 7, 18


def parts():
    return {
        "feature_map": (4, 4),
        "slot_grid": (2, 2),
        "conv_channels": 4,
        "width": WIDTH,
        "first_transformer": Transformer(1, 2, 4, 8, name="first"),
        "second_transformer": Transformer(1, 2, 4, 8, name="second"),
    }


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    encoder = ViewEncoder(**parts())
    encoder.build((None, T, H, W, 3), (None, T, C))
    return encoder


def frames(count=T, seed=0):
    return tf.random.stateless_uniform([2, count, H, W, 3], [seed, 0]), tf.random.stateless_normal(
        [2, count, C], [seed, 1]
    )


def test_the_context_is_a_set_of_frames_with_their_viewpoints(encoder):
    video, viewpoints = frames()
    order = [2, 0, 3, 1]
    posterior = encoder(video, viewpoints)
    shuffled = encoder(tf.gather(video, order, axis=1), tf.gather(viewpoints, order, axis=1))
    np.testing.assert_allclose(posterior.mean, shuffled.mean, atol=1e-5)
    np.testing.assert_allclose(posterior.log_scale, shuffled.log_scale, atol=1e-5)
    # Which viewpoint belongs to which frame means something.
    mixed = encoder(tf.gather(video, order, axis=1), viewpoints)
    assert np.abs(mixed.mean - posterior.mean).max() > 1e-3


def test_moments_are_all_that_tells_the_order(encoder):
    video, viewpoints = frames()
    moments = tf.constant([[0.0, 1.0, 2.0, 3.0]])
    order = [2, 0, 3, 1]
    shuffled = tf.gather(video, order, axis=1), tf.gather(viewpoints, order, axis=1)
    posterior = encoder(video, viewpoints, moments)
    along = encoder(*shuffled, tf.gather(moments, order, axis=1))
    np.testing.assert_allclose(posterior.mean, along.mean, atol=1e-5)
    assert np.abs(encoder(*shuffled, moments).mean - posterior.mean).max() > 1e-3


def test_any_number_of_frames_is_a_context(encoder):
    for count in (1, 2, 3, 4):
        posterior = encoder(*frames(count))
        assert posterior.mean.shape == (2, 4, 32)
        assert np.isfinite(posterior.mean).all()


def test_without_a_viewpoint_it_is_the_encoder_of_simone():
    """The same weights, an embedding of zeros, and moments 0, 1, ... give SIMONe's object posteriors."""
    keras.utils.set_random_seed(1)
    simone, given = Encoder(**parts()), ViewEncoder(**parts())
    simone.build((None, T, H, W, 3))
    given.build((None, T, H, W, 3), (None, T, C))
    of_simone = {variable.path.split("/", 1)[1]: variable for variable in simone.variables}
    shared = 0
    for variable in given.variables:
        name = variable.path.split("/", 1)[1]
        if name.startswith("viewpoint_embedding"):
            variable.assign(tf.zeros_like(variable.value))
        else:
            variable.assign(of_simone[name].value)
            shared += 1
    assert shared == len(given.variables) - 2
    video, viewpoints = frames()
    moments = tf.range(T, dtype=tf.float32)[None]
    np.testing.assert_allclose(given(video, viewpoints, moments).mean, simone(video).objects.mean, atol=1e-5)


def test_a_viewpoint_is_added_to_all_features_of_its_frame(encoder):
    """By hand: T1 is given the features with the embedding added, the same at every place of the frame."""
    video, viewpoints = frames()
    seen = []
    real = encoder.first_transformer.call
    encoder.first_transformer.call = lambda tokens: (seen.append(tokens), real(tokens))[1]
    try:
        encoder(video, viewpoints)
        encoder(video, tf.zeros_like(viewpoints))
    finally:
        encoder.first_transformer.call = real
    difference = np.reshape(seen[0] - seen[1], (2, T, 16, WIDTH))
    kernel = encoder.viewpoint_embedding.kernel.numpy()
    np.testing.assert_allclose(
        difference, np.broadcast_to((viewpoints @ kernel)[:, :, None], difference.shape), atol=1e-5
    )
