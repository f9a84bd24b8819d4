"""A small model with weights of every size, and its export; the same of the second model."""

import keras
import pytest
import tensorflow as tf

from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.serving.sizes import sizes_of
from simone_tf.serving.write_export import write_export

from colour_mixture import ColourMixture

TINY_FRAMES, TINY_SIZE = 3, (8, 16)


@pytest.fixture(scope="session")
def tiny_model():
    """A SIMONe of 4 slots for 3 frames of 8x16 pixels; also its biases and norms are other than at their start."""
    keras.utils.set_random_seed(1)  # Keras draws first weights from a state that all tests share.
    encoder = Encoder(
        feature_map=(4, 8),
        slot_grid=(2, 2),
        conv_channels=6,
        width=12,
        first_transformer=Transformer(1, 2, 4, 16),
        second_transformer=Transformer(2, 2, 4, 16),
        object_head=LatentHead(5, 16),
        frame_head=LatentHead(3, 16),
    )
    model = SIMONe(encoder, PixelDecoder(16, 3))
    model.build((None, TINY_FRAMES, *TINY_SIZE, 3))
    for number, variable in enumerate(model.variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, [number, 3]))
    return model


@pytest.fixture(scope="session")
def tiny_sizes(tiny_model):
    return sizes_of(tiny_model, TINY_FRAMES, TINY_SIZE)


@pytest.fixture(scope="session")
def tiny_export(tiny_model, tiny_sizes, tmp_path_factory):
    """An export whose clips are decoded in several chunks that do not come out even; not to be written to."""
    folder = tmp_path_factory.mktemp("exports") / "tiny" / "1"
    write_export(str(folder), tiny_model, tiny_sizes, {"step": 7, "metrics": None}, chunk_size=370)
    return folder


@pytest.fixture(scope="session")
def colour_model():
    """A mixture of 3 colours for 3 frames of 8x16 pixels, given a camera of 5 numbers that moves what is seen."""
    keras.utils.set_random_seed(2)
    model = ColourMixture()
    model.build((None, TINY_FRAMES, *TINY_SIZE, 3))
    model.camera_kernel.assign(0.4 * tf.random.stateless_normal(model.camera_kernel.shape, [1, 3]))
    return model


@pytest.fixture(scope="session")
def colour_sizes(colour_model):
    return sizes_of(colour_model, TINY_FRAMES, TINY_SIZE)


@pytest.fixture(scope="session")
def colour_export(colour_model, colour_sizes, tmp_path_factory):
    """Its export; not to be written to."""
    folder = tmp_path_factory.mktemp("exports") / "colours" / "1"
    write_export(str(folder), colour_model, colour_sizes, {"step": 7, "metrics": None})
    return folder
