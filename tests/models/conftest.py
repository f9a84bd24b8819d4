"""Small models for the tests."""

import pytest

from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import RandomQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe


@pytest.fixture
def make_simone():
    """A function that builds a SIMONe of 4 slots for 3 frames of 8x16 pixels; keyword arguments replace parts."""

    def make(frames=3, height=8, width=16, **parts):
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
        defaults = {
            "encoder": encoder,
            "decoder": PixelDecoder(16, 3),
            "likelihood": PixelMixture(0.1),
            "queries": RandomQueries(20),
            "alpha": 1.0,
            "beta_objects": 0.01,
            "beta_frames": 0.02,
        }
        model = SIMONe(**(defaults | parts))
        model.build((None, frames, height, width, 3))
        return model

    return make
