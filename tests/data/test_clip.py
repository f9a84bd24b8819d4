import numpy as np
import tensorflow as tf

from simone_tf.data.clip import DTYPES, FIELDS, FRAME_FIELDS, RANKS, as_float


def test_as_float_maps_bytes_to_the_unit_interval_and_leaves_the_rest():
    video = tf.constant(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1))
    segments = tf.ones([1, 16, 16], tf.int32)
    clip = as_float({"video": video, "segments": segments})
    assert clip["video"].dtype == tf.float32
    np.testing.assert_allclose(clip["video"].numpy().ravel(), np.arange(256) / 255, atol=1e-7)
    assert clip["video"].numpy().max() <= 1.0
    assert clip["segments"] is segments


def test_as_float_leaves_a_float_video_as_it_is():
    video = tf.constant([[[[0.25, 0.5, 0.75]]]])
    assert as_float({"video": video})["video"] is video


def test_as_float_does_not_change_its_argument():
    clip = {"video": tf.zeros([1, 1, 1, 3], tf.uint8)}
    as_float(clip)
    assert clip["video"].dtype == tf.uint8


def test_every_field_has_a_rank_and_time_comes_first_where_it_is_named():
    assert set(RANKS) == set(DTYPES) == set(FIELDS)
    assert set(FIELDS) - set(FRAME_FIELDS) == {"object_moving", "object_attributes"}
