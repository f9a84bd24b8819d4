"""Where a cell is, by hand."""

import numpy as np
import tensorflow as tf

from simone_tf.models.slot_attention.position_embedding import PositionEmbedding, border_distances


def test_corners_are_at_the_borders_and_the_middle_halfway():
    distances = border_distances(3, 5)
    assert distances.shape == (3, 5, 4)
    assert distances.dtype == np.float32
    # y, x, 1 - y, 1 - x
    np.testing.assert_array_equal(distances[0, 0], [0, 0, 1, 1])
    np.testing.assert_array_equal(distances[0, 4], [0, 1, 1, 0])
    np.testing.assert_array_equal(distances[2, 0], [1, 0, 0, 1])
    np.testing.assert_array_equal(distances[1, 1], [0.5, 0.25, 0.5, 0.75])


def test_it_adds_an_affine_map_of_the_distances():
    layer = PositionEmbedding()
    layer.build((None, 2, 3, 2))
    # The first channel counts y, the second 10 (1 - x) and 3 besides.
    layer.projection.kernel.assign([[1, 0], [0, 0], [0, 0], [0, 10]])
    layer.projection.bias.assign([0, 3])
    features = np.random.default_rng(0).normal(size=(2, 2, 3, 2)).astype(np.float32)
    added = layer(tf.constant(features)) - features
    expected = [[[0, 13], [0, 8], [0, 3]], [[1, 13], [1, 8], [1, 3]]]
    np.testing.assert_allclose(added, np.broadcast_to(expected, (2, 2, 3, 2)), atol=1e-5)
    assert layer.count_params() == 4 * 2 + 2
