import tensorflow as tf

from simone_tf.data.tfrecords.faults import feature_names, unfit_record


def test_feature_names_of_an_example_and_of_other_bytes(handmade):
    assert feature_names(handmade.example({"b": [1], "a": b"text"})) == ["a", "b"]
    assert feature_names(b"\x89\xff\xfe") is None


def test_a_record_that_does_not_fit_is_told_by_what_it_lacks_or_why_it_failed(handmade):
    record = tf.constant(handmade.example({"a": [1], "b": [2]}))
    error = tf.errors.InvalidArgumentError(None, None, "{{function_node f}} assertion failed: [too long:] [4]")
    assert unfit_record("x: record 3", "Numbers", ("a", "c"), record, error) == (
        "x: record 3 is not a record of Numbers: it has no feature c, only a, b; name the reader that fits these files."
    )
    assert unfit_record("x: record 3", "Numbers", ("a", "b"), record, error) == (
        "x: record 3 is not a record of Numbers (too long: 4): download or make it again."
    )
