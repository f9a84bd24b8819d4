"""Attention masks beside products of shares by NumPy; they sum to 1 whatever the logits are."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.models.monet.attention import log_attention_masks


@pytest.mark.parametrize("num_slots", [2, 3, 5])
@pytest.mark.parametrize("size", [1.0, 10.0])
def test_each_slot_takes_a_share_of_what_is_left(num_slots, size):
    logits = size * np.random.default_rng(0).normal(size=(num_slots - 1, 2, 3, 4))
    seen, turns = [], iter(tf.constant(logits, tf.float32))

    def attend(frames, log_scope):
        assert frames.shape == (2, 3, 4, 3)
        seen.append(log_scope.numpy())
        return next(turns)

    log_masks = log_attention_masks(attend, tf.zeros([2, 3, 4, 3]), num_slots).numpy()
    shares, scope, wanted = 1 / (1 + np.exp(-logits)), np.ones((2, 3, 4)), []
    for share, log_scope in zip(shares, seen, strict=True):
        np.testing.assert_allclose(log_scope, np.log(scope), atol=1e-5, rtol=1e-5)
        wanted.append(scope * share)
        scope = scope * (1 - share)
    wanted.append(scope)
    np.testing.assert_allclose(log_masks, np.log(np.stack(wanted, 1)), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(np.exp(log_masks).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("logit", [-200.0, -20.0, 0.0, 20.0, 200.0])
def test_masks_sum_to_one_and_their_logarithms_are_finite_however_sure_it_is(logit):
    log_masks = log_attention_masks(lambda frames, _: tf.fill(frames.shape[:3], logit), tf.zeros([1, 2, 2, 3]), 4)
    assert np.isfinite(log_masks).all()
    np.testing.assert_allclose(tf.reduce_sum(tf.exp(log_masks), 1), np.ones((1, 2, 2)), atol=1e-6)
