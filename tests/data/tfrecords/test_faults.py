import pytest
import tensorflow as tf

from simone_tf.data.tfrecords.faults import feature_names, unfit_record, unreadable


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


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            tf.errors.PermissionDeniedError(None, None, "/a/b; Permission denied"),
            "/a/b cannot be read (Permission denied): check its name and permissions.",
        ),
        (
            tf.errors.FailedPreconditionError(None, None, "/a/b; Is a directory"),
            "/a/b cannot be read (Is a directory): check its name and permissions.",
        ),
        (OSError(5, "Input/output error"), "/a/b cannot be read (Input/output error): check its name and permissions."),
        (
            tf.errors.DataLossError(None, None, "corrupted record at 12"),
            "/a/b is damaged at record 3 (corrupted record at 12): download or make it again.",
        ),
        (OSError(22, "Invalid argument"), "/a/b is damaged at record 3 (Invalid argument): download or make it again."),
    ],
)
def test_only_bytes_that_were_seen_are_called_damaged(error, sentence):
    assert unreadable("/a/b", error, record=3) == sentence
