"""Splits and row tables of the probes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.errors import UserError
from simone_tf.evaluation.probes import probe_data
from simone_tf.evaluation.probes.probe_data import ClipSplit, ProbeSettings, ProbeTable, RowSplit


@given(st.integers(8, 200), st.floats(0.2, 0.4), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_clip_is_on_one_side(num_clips, share, seed):
    split = probe_data.split_clips(num_clips, share, seed)
    assert sorted([*split.train, *split.test]) == list(range(num_clips))
    assert len(split.test) == round(num_clips * share)
    again = probe_data.split_clips(num_clips, share, seed)
    np.testing.assert_array_equal(split.test, again.test)


@pytest.mark.parametrize("num_clips", [0, 1, 4])
def test_too_few_clips_are_the_users_to_mend(num_clips):
    with pytest.raises(UserError, match="at least 4 and 2: evaluate more clips"):
        probe_data.split_clips(num_clips)


@pytest.mark.parametrize("test", [[3, 4], [5, 5], [5, 6], [-1, 5]])
def test_a_split_that_mixes_is_refused(test):
    with pytest.raises(ValueError, match="each once"):
        probe_data.check_split(ClipSplit(np.arange(4), np.array(test)), 6)


def table(num_clips=20, frames=3, width=2):
    clips = np.repeat(np.arange(num_clips), frames)
    times = np.tile(np.arange(frames), num_clips)
    targets = np.random.default_rng(0).normal(size=(len(clips), width)) + times[:, None]
    return ProbeTable(clips, targets, {}, times)


def test_rows_are_those_of_the_clips_and_as_many_as_wanted():
    made, split = table(), probe_data.split_clips(20, seed=1)
    rows = probe_data.choose_rows(made, split, ProbeSettings())
    np.testing.assert_array_equal(rows.train, np.flatnonzero(np.isin(made.clips, split.train)))
    np.testing.assert_array_equal(rows.test, np.flatnonzero(np.isin(made.clips, split.test)))
    few = probe_data.choose_rows(made, split, ProbeSettings(max_train_rows=10, max_test_rows=4))
    assert (len(few.train), len(few.test)) == (10, 4)
    assert set(few.train) < set(rows.train)
    assert set(few.test) < set(rows.test)
    last = made.times == 2
    only = probe_data.choose_rows(made, split, ProbeSettings(), trainable=last, testable=~last)
    assert set(made.times[only.train]) == {2}
    assert set(made.times[only.test]) == {0, 1}


def test_validation_clips_are_clips_of_their_own():
    made = table()
    train, validation = probe_data.split_training(made.clips, made.clips[:, None], made.targets, seed=5)
    fitted, held = set(train.features[:, 0]), set(validation.features[:, 0])
    assert not fitted & held
    assert len(held) == 3
    assert len(fitted | held) == 20
    assert len(train.targets) + len(validation.targets) == 60


def test_enough_rows_counts_clips():
    made = table()
    assert probe_data.enough_rows(made, RowSplit(np.arange(12), np.arange(12, 18)))
    assert not probe_data.enough_rows(made, RowSplit(np.arange(9), np.arange(12, 18)))
    assert not probe_data.enough_rows(made, RowSplit(np.arange(12), np.arange(12, 15)))
    assert not probe_data.enough_rows(made, RowSplit(np.arange(0), np.arange(0)))


def test_varying_components_leave_out_what_only_rounding_moves():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(50, 3))
    np.testing.assert_array_equal(probe_data.varying_components(noise * [1.0, 1e-7, 0.0]), [True, False, False])
    np.testing.assert_array_equal(probe_data.varying_components(noise * [1.0, 0.05, 30.0]), [True, True, True])
    np.testing.assert_array_equal(probe_data.varying_components(noise * 0.0 + 4.0), [False, False, False])


def test_clock_prediction_is_the_mean_of_the_frame():
    made = table()
    rows = RowSplit(np.arange(30), np.arange(30, 60))
    expected = np.stack([made.targets[:30][made.times[:30] == t].mean(0) for t in made.times[30:]])
    np.testing.assert_allclose(probe_data.clock_prediction(made, rows), expected)
    # A frame that was never trained on, and rows without frames, get the mean of all.
    unseen = RowSplit(np.flatnonzero(made.times[:30] < 2), np.arange(30, 60))
    predicted = probe_data.clock_prediction(made, unseen)[made.times[30:] == 2]
    np.testing.assert_allclose(predicted, np.tile(made.targets[unseen.train].mean(0), (10, 1)))
    timeless = made._replace(times=None)
    np.testing.assert_allclose(probe_data.clock_prediction(timeless, rows)[7], made.targets[:30].mean(0))


def test_matched_objects_have_a_slot_and_are_seen():
    slots = np.array([[2, -1, 0], [1, 2, -1]])
    visible = np.ones((2, 4, 3), bool)
    visible[1, :, 0] = False
    visible[0, 1:, 2] = False  # seen once
    clips, objects = probe_data.matched_objects(slots, 3, visible)
    assert list(zip(clips, objects, strict=True)) == [(0, 0), (0, 2), (1, 1)]
    clips, objects = probe_data.matched_objects(slots, 3, None)
    assert list(zip(clips, objects, strict=True)) == [(0, 0), (0, 2), (1, 0), (1, 1)]
    for bad in (slots + 1, slots - 1, slots.astype(np.float32)):
        with pytest.raises(ValueError, match="slots must be"):
            probe_data.matched_objects(bad, 3, None)
    with pytest.raises(ValueError, match="object_visible"):
        probe_data.matched_objects(slots, 3, visible[:, :, :2])


def test_decoder_seeds_differ_between_decoders_and_runs():
    seeds = [seed for run in range(4) for seed in probe_data.decoder_seeds(run, 6)]
    assert len(set(seeds)) == 24
    assert probe_data.decoder_seeds(1, 6)[:3] == probe_data.decoder_seeds(1, 3)
