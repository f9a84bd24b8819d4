"""A model that divides clips by more than its latents: the signatures of segments say what `decompose` says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from simone_tf.serving.served_model import ServedModel
from simone_tf.serving.sizes import sizes_of

from small_models import SMALL_MODELS

FRAMES, SIZE = 2, (8, 16)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(4)
    model = SMALL_MODELS["MONet"]()
    model.build((None, FRAMES, *SIZE, 3))
    for number, variable in enumerate(model.variables):
        variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, [number, 3]))
    return model


def test_segments_are_those_of_the_clip_and_drawings_those_of_the_latents(model):
    # Of a frame's 128 pixels and a half, so that frames are decoded one at a time.
    signatures = ServedModel(model, sizes_of(model, FRAMES, SIZE), chunk_size=3 * 190).signatures()
    video = tf.random.stateless_uniform([3, FRAMES, *SIZE, 3], [1, 2])
    parts, drawn = model.decompose(video), model.render({"object": model.encode(video)["object"].mean}, {}, SIZE)
    assert np.abs(parts.slot_masks - drawn.slot_masks).max() > 0.05

    soft = signatures["segment_soft"](video=video)
    np.testing.assert_allclose(soft["slot_masks"], parts.slot_masks, atol=1e-5)
    np.testing.assert_array_equal(soft["segments"], parts.segments)
    np.testing.assert_array_equal(signatures["segment"](video=video)["segments"], parts.segments)
    np.testing.assert_allclose(
        signatures["reconstruct"](video=video)["reconstruction"], parts.reconstruction, atol=1e-5
    )
    means = signatures["encode"](video=video)["object_means"]
    decoded = signatures["decode"](object_latents=means)
    np.testing.assert_allclose(decoded["slot_masks"], drawn.slot_masks, atol=1e-5)
    np.testing.assert_allclose(decoded["reconstruction"], drawn.reconstruction, atol=1e-5)
