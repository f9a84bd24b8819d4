"""The image encoder against float64 NumPy, and its sizes."""

import numpy as np
import pytest

from simone_tf.errors import UserError
from simone_tf.models.slot_attention.encoder import SlotAttentionEncoder

import slot_attention_oracle as oracle


@pytest.mark.parametrize("strides", [(1,), (1, 1), (2, 1), (1, 2, 2)])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_it_is_what_the_paper_says(strides, kernel_size):
    encoder = SlotAttentionEncoder(4, strides, kernel_size, width=6)
    encoder.build((None, 7, 10, 3))
    rng = np.random.default_rng(0)
    for variable in encoder.variables:
        variable.assign(variable.numpy() + 0.1 * rng.normal(size=variable.shape))
    images = rng.uniform(-1, 1, (2, 7, 10, 3)).astype(np.float32)
    np.testing.assert_allclose(encoder(images), oracle.encoded(encoder, images), atol=5e-5)


@pytest.mark.parametrize(("channels", "total"), [(64, 321_024), (32, 81_664)])
def test_the_papers_sizes(channels, total):
    """By hand: 0.32 M of CLEVR, 0.08 M of the small variant, and a cell for every pixel."""
    encoder = SlotAttentionEncoder(channels)
    encoder.build((None, 64, 64, 3))
    convolutions = 25 * 3 * channels + 3 * 25 * channels**2 + 4 * channels
    rest = (4 * channels + channels) + 2 * channels + 2 * (channels**2 + channels)
    assert encoder.count_params() == convolutions + rest == total
    assert encoder.num_cells == 64 * 64


def test_a_stride_halves_the_map_and_rounds_up():
    encoder = SlotAttentionEncoder(4, (2, 1, 2))
    encoder.build((None, 35, 24, 3))
    assert encoder.num_cells == 9 * 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"strides": ()}, r"strides is \(\): it must be a tuple of whole numbers of at least 1"),
        ({"strides": (1, 0)}, r"strides is \(1, 0\)"),
        ({"channels": 0}, "channels is 0"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments, words):
    with pytest.raises(UserError, match=f"SlotAttentionEncoder.{words}"):
        SlotAttentionEncoder(**arguments)
