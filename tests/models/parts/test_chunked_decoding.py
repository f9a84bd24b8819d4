"""Decoding in chunks gives what decoding at once gives, whatever the numbers are."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.parts.chunked_decoding import decode_in_chunks
from simone_tf.models.parts.decoder import Decoded
from simone_tf.models.parts.queries import full_query

QUERY = full_query(3, 4, 5)


def decode(query):
    """What it gives for a query depends on that query alone."""
    place = query.coordinates + tf.cast(query.frames, tf.float32)[..., None]  # [1, P, 2]
    rgb = tf.concat([place, place[..., :1] * place[..., 1:]], -1)
    return Decoded(tf.tile(rgb[:, None], [2, 3, 1, 1]), tf.tile(place[:, None, :, 0], [2, 3, 1]))


@pytest.mark.parametrize("chunk_size", [1, 7, 30, 59, 60, 1000])
def test_chunks_of_any_size_give_the_same(chunk_size):
    whole = decode(QUERY)
    for size in (chunk_size, tf.constant(chunk_size)):
        parts = decode_in_chunks(decode, QUERY, size, (2, 3))
        np.testing.assert_array_equal(parts.rgb_means, whole.rgb_means)
        np.testing.assert_array_equal(parts.mask_logits, whole.mask_logits)


def test_no_chunk_is_larger_than_asked():
    sizes = []

    def seen(query):
        sizes.append(query.frames.shape[1])
        return decode(query)

    decode_in_chunks(seen, QUERY, 7, (2, 3))
    assert max(sizes) <= 7
    assert len(sizes) == 9
