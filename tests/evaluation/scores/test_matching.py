"""Matching of slots to objects against a search over all assignments and cases worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.evaluation.scores.matching import UNMATCHED, mask_errors, match_by_mask_error, overlap_table

clips = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.booleans())


def random_clip(seed, num_objects, num_slots):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, num_objects + 1, (2, 3, 3))
    logits = rng.normal(size=(num_slots, 2, 3, 3)) + 2 * (
        segments % num_slots == np.arange(num_slots)[:, None, None, None]
    )
    masks = np.exp(logits) / np.exp(logits).sum(0)
    return segments, masks


def hard(predicted, num_slots):
    """Masks `[K, ...]` that are 1 where a slot was predicted, 0 elsewhere."""
    return (predicted == np.arange(num_slots)[:, None, None, None]).astype(np.float32)


def best_total(scores):
    """The largest sum of one-to-one pairs of `scores [N, K]`, as many pairs as there can be, by trying them all."""
    if len(scores) > scores.shape[1]:
        scores = scores.T
    choices = itertools.permutations(range(scores.shape[1]), len(scores))
    return max(sum(scores[row, column] for row, column in enumerate(columns)) for columns in choices)


@given(clips)
@settings(max_examples=80, deadline=None)
def test_mask_error_is_the_best_of_all_assignments(case):
    seed, num_objects, num_slots, background = case
    segments, masks = random_clip(seed, num_objects, num_slots)
    ids = [k for k in range(0 if background else 1, num_objects + 1) if (segments == k).any()]
    errors = np.array([[np.mean(((segments == k) - masks[j]) ** 2) for j in range(num_slots)] for k in ids])
    cost, present = mask_errors(segments, masks, num_objects)
    np.testing.assert_array_equal(np.flatnonzero(present), np.unique(segments))
    if ids:
        np.testing.assert_allclose(cost[ids], errors, atol=1e-12)
    slots = match_by_mask_error(segments, masks, num_objects, background)
    _check(slots, -errors, ids, segments, num_slots, spare_background=background)
    # Every object takes a slot as long as there are slots.
    assert ((slots >= 0).sum() == min(len(ids), num_slots)) or background


def _check(slots, scores, ids, segments, num_slots, spare_background):
    matched = slots[slots != UNMATCHED]
    assert len(set(matched.tolist())) == len(matched)
    assert all(0 <= slot < num_slots for slot in matched)
    assert all(slots[k - 1] == UNMATCHED for k in range(1, len(slots) + 1) if k not in ids)
    if not ids:
        return
    pairs = [(row, slots[k - 1]) for row, k in enumerate(ids) if k > 0 and slots[k - 1] != UNMATCHED]
    total = sum(scores[pair] for pair in pairs)
    if spare_background and ids[0] == 0:
        free = [j for j in range(num_slots) if j not in matched]
        # An error adds to the total only where the number of pairs must be reached.
        options = [scores[0, j] for j in free]
        if len(pairs) < min(len(ids), num_slots) and options:
            total += max(options)
    assert total == pytest.approx(best_total(scores), abs=1e-9)


def test_order_of_slots_and_spare_ones():
    segments = np.array([[[0, 0, 1, 2, 3, 3]]])
    order = np.array([6, 2, 5, 0])
    masks = hard(order[segments], 8)
    np.testing.assert_array_equal(match_by_mask_error(segments, masks, 5), [2, 5, 0, UNMATCHED, UNMATCHED])


def test_background_keeps_its_slot_from_the_objects():
    # The slot of the background covers a little of object 1, which has no other.
    segments = np.array([[[0, 0, 0, 0, 1, 1, 2, 2]]])
    masks = hard(np.array([[[0, 0, 0, 0, 0, 0, 1, 1]]]), 2)
    np.testing.assert_array_equal(match_by_mask_error(segments, masks, 2), [UNMATCHED, 1])
    np.testing.assert_array_equal(match_by_mask_error(segments, masks, 2, background=False), [0, 1])


def test_fewer_slots_than_objects():
    segments = np.array([[[1, 1, 1, 2, 3, 3]]])
    masks = hard(np.array([[[0, 0, 0, 0, 1, 1]]]), 2)
    np.testing.assert_array_equal(match_by_mask_error(segments, masks, 3), [0, UNMATCHED, 1])


def test_a_clip_of_background_matches_nothing():
    segments = np.zeros((2, 2, 2), np.int32)
    np.testing.assert_array_equal(match_by_mask_error(segments, hard(segments, 3), 2), [UNMATCHED] * 2)
    masks = np.full((3, 2, 2, 2), 1 / 3)
    np.testing.assert_array_equal(match_by_mask_error(segments, masks, 2, background=False), [UNMATCHED] * 2)


def test_overlap_table_by_hand():
    table = overlap_table(np.array([0, 0, 1, 2]), np.array([1, 1, 0, 1]), 3, 2)
    np.testing.assert_array_equal(table, [[0, 2], [1, 0], [0, 1]])


@pytest.mark.parametrize("bad", [np.array([[[3]]]), np.array([[[-1]]]), np.array([[[0.0]]]), np.array([[[0, 0]]])])
def test_faults(bad):
    fine = np.array([[[0]]])
    with pytest.raises(ValueError, match=r"must be|differ"):
        overlap_table(bad, fine, 3, 2)
    with pytest.raises(ValueError, match="must be"):
        match_by_mask_error(bad, np.ones((2, 1, 1, 1)), 2)
    with pytest.raises(ValueError, match=r"must be|differ"):
        overlap_table(fine, bad, 3, 2)


def test_ids_of_uint64():
    rng = np.random.default_rng(0)
    segments, masks = rng.integers(0, 3, (2, 4, 4)), rng.random((4, 2, 4, 4))
    np.testing.assert_array_equal(
        match_by_mask_error(segments.astype(np.uint64), masks, 2), match_by_mask_error(segments, masks, 2)
    )
