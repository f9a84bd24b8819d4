import pytest

from simone_tf.data.tfrecords.shard_names import group, missing, sizes_beside


def names(total, *numbers, width=5):
    return [f"train-{number:0{width}d}-of-{total:0{width}d}.tfrecord" for number in numbers]


@pytest.mark.parametrize(
    ("there", "lacking"),
    [
        (names(3, 0, 1, 2), []),
        (names(3, 0, 2), names(3, 1)),
        (names(3, 1), names(3, 0, 2)),
        (names(3, 1, 2, 3), []),  # Counted from 1.
        (names(3, 1, 3), names(3, 2)),
        (names(12, *range(11), width=2), names(12, 11, width=2)),
        (["cater_train.tfrecords-00001-of-00002"], ["cater_train.tfrecords-00000-of-00002"]),
        (["1-of-3.tfrecord"], ["2-of-3.tfrecord", "3-of-3.tfrecord"]),
        (["tetrominoes_train.tfrecords"], []),
        (["a-99999999999-of-99999999999.tfrecord"], []),
        (names(2, 7), []),
        ([], []),
    ],
)
def test_what_is_missing(there, lacking):
    assert missing(there) == lacking


def test_the_size_stays_where_there_are_several():
    two, three = names(2, 0, 1), names(3, 0, 2)
    assert group(two) == {"train-NNNNN-of-NNNNN.tfrecord": two}
    assert group([*two, "test-00000-of-00009.tfrecord"])["train-NNNNN-of-NNNNN.tfrecord"] == two
    assert group([two[0], three[0], two[1], three[1]]) == {
        "train-NNNNN-of-00002.tfrecord": two,
        "train-NNNNN-of-00003.tfrecord": three,
    }
    assert sizes_beside(two[0], [*two, *three, "test-00000-of-00009.tfrecord", "other"]) == ["00002", "00003"]
