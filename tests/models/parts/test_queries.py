import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.queries import RandomQueries, StridedQueries, full_query, query_at


def _seed(number):
    return tf.constant([number, 0])


def test_full_query_follows_the_order_of_a_flattened_video():
    query = full_query(2, 3, 4)
    assert query.frames.shape == (1, 24)
    np.testing.assert_array_equal(query.frames[0], np.repeat([0, 1], 12))
    rows, columns = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 4), indexing="ij")
    expected = np.tile(np.stack([rows, columns], -1).reshape(12, 2), (2, 1))
    np.testing.assert_allclose(query.coordinates[0], expected, atol=1e-6)


def test_query_at_picks_from_the_full_query():
    indices = tf.constant([5, 23, 0])
    full, picked = full_query(2, 3, 4), query_at(indices, 3, 4)
    np.testing.assert_array_equal(picked.frames[0], tf.gather(full.frames[0], indices))
    np.testing.assert_array_equal(picked.coordinates[0], tf.gather(full.coordinates[0], indices))


def test_strided_queries_are_a_grid_in_distinct_frames():
    queries = StridedQueries(num_frames=3, stride=2)
    offsets, frame_sets = set(), set()
    for number in range(60):
        indices = queries.sample(5, 4, 6, _seed(number)).numpy()
        assert indices.shape == (3 * 2 * 3,)
        frames, rows, columns = np.unravel_index(indices, (5, 4, 6))
        chosen = np.unique(frames)
        assert len(chosen) == 3
        for frame in chosen:
            inside = frames == frame
            assert sorted(np.unique(rows[inside])) == [rows[inside].min(), rows[inside].min() + 2]
            assert len(set(zip(rows[inside], columns[inside], strict=True))) == 6
        offsets.add((rows.min(), columns.min()))
        frame_sets.add(tuple(chosen))
    assert offsets == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert len(frame_sets) == 10  # every choice of 3 out of 5


def test_random_queries_are_distinct_and_uniform():
    queries = RandomQueries(10)
    counts = np.zeros(24)
    for number in range(600):
        indices = queries.sample(2, 3, 4, _seed(number)).numpy()
        assert len(np.unique(indices)) == 10
        counts[indices] += 1
    # Each pixel comes 250 times on average, with a standard deviation of 12.
    assert counts.min() > 190
    assert counts.max() < 310


@pytest.mark.parametrize(
    ("queries", "name"),
    [(StridedQueries(9, 2), "num_frames"), (StridedQueries(2, 3), "stride"), (RandomQueries(10**6), "num_pixels")],
)
def test_what_does_not_fit_is_refused(queries, name):
    with pytest.raises(UserError, match=name):
        queries.sample(4, 8, 8, _seed(0))
