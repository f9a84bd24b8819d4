"""The decoder of slots against float64 NumPy, and its sizes."""

import keras
import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.slot_attention.decoder import SlotAttentionDecoder

import slot_attention_oracle as oracle


def make(frame_size, *arguments):
    keras.utils.set_random_seed(0)
    decoder = SlotAttentionDecoder(*arguments)
    decoder.build((None, 6), (None, *frame_size, 3))
    rng = np.random.default_rng(0)
    for variable in decoder.variables:
        variable.assign(variable.numpy() + 0.1 * rng.normal(size=variable.shape))
    return decoder


SLOTS = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("frame_size", "arguments"),
    [
        ((6, 9), (0, 3, 4, 5)),
        ((8, 12), (1, 1, 4, 5)),
        ((8, 12), (2, 0, 4, 3)),
        ((7, 9), (2, 1, 4, 5)),
        ((8, 12), (1, 1, 4, 5, (7, 5))),
    ],
)
def test_it_is_what_the_paper_says(frame_size, arguments):
    decoder = make(frame_size, *arguments)
    rgb, mask_logits = decoder(SLOTS)
    assert rgb.shape == (3, *frame_size, 3)
    assert mask_logits.shape == (3, *frame_size)
    colours, logits = oracle.decoded(decoder, SLOTS)
    np.testing.assert_allclose(rgb, colours, atol=5e-5)
    np.testing.assert_allclose(mask_logits, logits, atol=5e-5)


def test_a_frame_that_cannot_be_halved_is_cut_from_one_that_can():
    decoder, larger = make((35, 22), 2, 1, 4, 5), make((36, 24), 2, 1, 4, 5)
    assert decoder.grid_size == (9, 6)
    np.testing.assert_allclose(decoder(SLOTS).rgb, larger(SLOTS).rgb[:, :35, :22], atol=1e-6)


def test_each_slot_is_decoded_by_itself():
    decoder = make((8, 8), 1, 1, 4, 5)
    np.testing.assert_allclose(decoder(SLOTS).rgb[1:2], decoder(SLOTS[1:2]).rgb, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "arguments", "grid", "total"),
    [
        (64, (3, 1, 64), 8, 412_484),  # CLEVR at 64x64: 0.41 M
        (128, (4, 1, 64), 8, 514_948),  # CLEVR at 128x128, the official code
        (35, (0, 3, 32), 35, 103_972),  # Tetrominoes and Multi-dSprites: 0.10 M
    ],
)
def test_the_papers_sizes(size, arguments, grid, total):
    decoder = SlotAttentionDecoder(*arguments)
    decoder.build((None, 64), (None, size, size, 3))
    layers, channels = arguments[0] + arguments[1], arguments[2]
    hidden = 25 * 64 * channels + (layers - 1) * 25 * channels**2 + layers * channels
    assert decoder.count_params() == (4 * 64 + 64) + hidden + 9 * channels * 4 + 4 == total
    assert decoder.grid_size == (grid, grid)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_upsamplings": -1}, "num_upsamplings is -1: it must be a whole number of at least 0"),
        ({"num_convolutions": 1.5}, "num_convolutions is 1.5"),
        ({"channels": 0}, "channels is 0"),
        ({"cell_layers": 8}, "cell_layers is 8: it must be a tuple of whole numbers"),
        ({"cell_layers": (8, 0)}, r"cell_layers is \(8, 0\)"),
    ],
)
def test_values_out_of_range_are_refused(arguments, words):
    with pytest.raises(UserError, match=f"SlotAttentionDecoder.{words}"):
        SlotAttentionDecoder(**arguments)
