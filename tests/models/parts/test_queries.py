import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.queries import (
    RandomQueries,
    StratifiedQueries,
    StridedQueries,
    full_query,
    pixels_at,
    query_at,
)


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
    full, picked = full_query(2, 3, 4), query_at(indices[None], 3, 4)
    np.testing.assert_array_equal(picked.frames[0], tf.gather(full.frames[0], indices))
    np.testing.assert_array_equal(picked.coordinates[0], tf.gather(full.coordinates[0], indices))


def test_strided_queries_are_a_grid_in_distinct_frames():
    queries = StridedQueries(num_frames=3, stride=2)
    offsets, frame_sets = set(), set()
    for number in range(60):
        indices = queries.sample(5, 4, 6, _seed(number), 7)[0].numpy()
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
        indices = queries.sample(2, 3, 4, _seed(number), 7)[0].numpy()
        assert len(np.unique(indices)) == 10
        counts[indices] += 1
    # Each pixel comes 250 times on average, with a standard deviation of 12.
    assert counts.min() > 190
    assert counts.max() < 310


@pytest.mark.parametrize("num_pixels", [1, 5, 8, 24])
def test_stratified_queries_take_one_pixel_of_each_part_and_others_of_each_clip(num_pixels):
    """Parts as even as can be, by hand: pixel i of 24 is in the last part that does not begin behind it."""
    begins = [part * 24 // num_pixels for part in range(num_pixels)]
    part_of = np.array([max(part for part, begin in enumerate(begins) if begin <= pixel) for pixel in range(24)])
    counts = np.zeros(24)
    for number in range(100):
        indices = StratifiedQueries(num_pixels).sample(2, 3, 4, _seed(number), 5).numpy()
        assert indices.shape == (5, num_pixels)
        np.testing.assert_array_equal(part_of[indices], np.tile(np.arange(num_pixels), (5, 1)))
        np.add.at(counts, indices, 1)
    sizes = np.bincount(part_of)[part_of]
    # Each pixel of a part as often as the others, 500 draws shared out; within five standard deviations.
    assert np.all(np.abs(counts - 500 / sizes) <= 5 * np.sqrt(500 / sizes * (1 - 1 / sizes)) + 1e-9)
    first, second = StratifiedQueries(8).sample(2, 3, 4, _seed(0), 2).numpy()
    assert (first != second).any()


def test_pixels_of_a_query_are_the_videos():
    video = tf.random.stateless_uniform([2, 3, 4, 5, 3], [1, 2])
    flat = video.numpy().reshape(2, 60, 3)
    alike, apart = np.array([[7, 0, 59]]), np.array([[7, 0, 59], [1, 2, 3]])
    np.testing.assert_array_equal(pixels_at(video, tf.constant(alike)), flat[:, alike[0]])
    np.testing.assert_array_equal(pixels_at(video, tf.constant(apart)), [flat[0, apart[0]], flat[1, apart[1]]])


@pytest.mark.parametrize(
    ("queries", "name"),
    [
        (StridedQueries(9, 2), "num_frames"),
        (StridedQueries(2, 3), "stride"),
        (RandomQueries(10**6), "RandomQueries.num_pixels"),
        (StratifiedQueries(10**6), "StratifiedQueries.num_pixels"),
    ],
)
def test_what_does_not_fit_is_refused(queries, name):
    with pytest.raises(UserError, match=name):
        queries.sample(4, 8, 8, _seed(0), 1)
