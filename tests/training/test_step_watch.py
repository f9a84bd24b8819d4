"""Steps that are not finite and KLs that explode, by hand."""

import numpy as np
import pytest

from simone_tf.training.step_watch import NotFiniteError, StepWatch

TERMS = ("loss", "object_kl", "weighted_object_kl")


def rows(**values):
    count = len(next(iter(values.values())))
    measures = (*TERMS, "gradient_norm", "update_norm")
    return {name: np.asarray(values.get(name, [1.0] * count), np.float32) for name in measures}


def test_a_limit_of_0_stops_at_the_first():
    with pytest.raises(NotFiniteError, match=r"^Step 12: object_kl is inf$") as caught:
        StepWatch(TERMS, 0).look(rows(object_kl=[1.0, np.inf, np.nan]), 10)
    assert caught.value.step == 12


def test_the_term_is_named_rather_than_the_loss_that_it_adds_to():
    values = {"loss": [np.nan], "object_kl": [np.nan], "weighted_object_kl": [np.nan]}
    assert StepWatch(TERMS, 1).look(rows(**values), 0) == ["Step 1: object_kl is nan, the step is skipped."]


def test_they_are_counted_in_a_row_across_calls():
    watch, bad = StepWatch(TERMS, 2), [np.nan]
    for step in range(3):
        assert len(watch.look(rows(loss=bad), 3 * step)) == 1
        assert len(watch.look(rows(loss=bad), 3 * step + 1)) == 1
        assert watch.look(rows(loss=[1.0]), 3 * step + 2) == []
    assert len(watch.look(rows(loss=bad * 2), 12)) == 2
    with pytest.raises(NotFiniteError, match=r"^Step 13: loss is nan, and so for the 2 steps after it"):
        watch.look(rows(loss=bad), 14)


def test_many_are_not_told_one_by_one():
    watch = StepWatch(TERMS, 1)
    told = watch.look(rows(loss=[1.0, np.nan] * 30), 0)
    assert len(told) == 11
    assert told[9] == "Step 20: loss is nan, the step is skipped."
    assert told[10].startswith("Further steps that are skipped are counted")


def test_an_update_that_is_not_finite_is_in_the_weights_and_stops_at_once():
    with pytest.raises(NotFiniteError, match=r"^Step 2: update_norm is inf$"):
        StepWatch(TERMS, 99).look(rows(update_norm=[1.0, np.inf]), 0)


def test_a_skipped_step_updates_nothing_whatever_its_norm():
    assert len(StepWatch(TERMS, 1).look(rows(loss=[np.nan], update_norm=[np.nan]), 0)) == 1


def test_the_last_step_that_was_taken():
    watch = StepWatch(TERMS, 5)
    assert watch.last_taken(rows(loss=[1.0, 1.0, np.nan], gradient_norm=[1.0, 2.0, 3.0])) == 1
    assert watch.last_taken(rows(loss=[np.inf])) is None


def test_an_exploding_kl_is_told_once_until_it_is_back():
    watch = StepWatch(TERMS, 0)
    usual = np.full(150, 200.0)
    assert watch.look(rows(object_kl=usual), 0) == []
    (told,) = watch.look(rows(object_kl=[200.0, 210.0, 2100.0, 5000.0]), 150)
    assert told.startswith("Step 153: object_kl is 2100 nats, 10 times what it was: if it does not come back")
    assert watch.look(rows(object_kl=[1e6, 300.0]), 154) == []
    (told,) = watch.look(rows(object_kl=[1e6]), 156)
    assert told.startswith("Step 157: object_kl is 1000000 nats")


@pytest.mark.parametrize("first", [1e6, 0.01])
def test_a_wild_start_or_a_small_kl_is_nothing(first):
    watch = StepWatch(TERMS, 0)
    start = np.geomspace(first, 100.0, 50)
    assert watch.look(rows(object_kl=start, weighted_object_kl=np.geomspace(1, 1e9, 50)), 0) == []
    assert watch.look(rows(object_kl=np.full(200, 100.0)), 50) == []
    assert watch.look(rows(object_kl=[999.0]), 250) == []
