import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.mixture import Mixture, sets_of
from simone_tf.errors import UserError

KEY = tf.constant([5, 0], tf.int64)
SETS = [ClipRecords(f"sets/{name}", "train") for name in ("rooms", "toys", "tables")]


def chosen(mixture, count, position=0, key=KEY):
    return list(mixture.choices(position, key).take(count).as_numpy_iterator())


def test_every_round_has_the_shares_that_the_weights_say():
    mixture = Mixture(SETS, (4, 2, 1))
    rounds = np.reshape(chosen(mixture, 70), [10, 7])
    for numbers in rounds:
        assert np.bincount(numbers).tolist() == [4, 2, 1]
    assert len({tuple(numbers) for numbers in rounds}) > 5


@pytest.mark.parametrize("position", [0, 1, 6, 7, 23, 700])
def test_from_any_position_on_it_is_the_same_and_the_clips_before_are_known(position):
    mixture = Mixture(SETS, (4, 2, 1))
    whole = chosen(mixture, position + 20)
    assert chosen(mixture, 20, position) == whole[position:]
    assert mixture.passed(position, KEY) == np.bincount(whole[:position], minlength=3).tolist()


def test_another_key_is_another_order():
    mixture = Mixture(SETS)
    assert chosen(mixture, 30) != chosen(mixture, 30, key=tf.constant([6, 0], tf.int64))


def test_sets_are_called_like_their_folders():
    assert list(sets_of(Mixture(SETS))) == ["rooms", "toys", "tables"]
    assert list(sets_of(Mixture([ClipRecords("package:quickstart", "test"), SETS[0]]))) == ["quickstart", "rooms"]
    assert sets_of(SETS[1]) == {"": SETS[1]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "two readers or more"),
        ((SETS[:1],), "two readers or more"),
        ((SETS[0],), "two readers or more"),
        ((["rooms", "toys"],), "two readers or more"),
        ((SETS, (1, 2)), "weights has 2 entries for 3 readers"),
        ((SETS, (1, 0, 1)), "whole numbers of 1 or more"),
        ((SETS, (0.5, 0.25, 0.25)), "whole numbers of 1 or more"),
        ((SETS, (1, 1, 20_000)), "add up to 10000 at most"),
        ((SETS, None, ("a", "b")), "names has 2 entries for 3 readers"),
        ((SETS, None, ("a", "b", "a")), "a name of its own"),
        (([SETS[0], SETS[0]],), "rooms, rooms: give each set a name of its own"),
    ],
)
def test_mistakes_are_told(arguments, words):
    with pytest.raises(UserError, match=words):
        Mixture(*arguments)
