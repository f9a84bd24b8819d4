import pytest
import tensorflow as tf

from simone_tf.data.formats.graph_checks import checked


@tf.function
def halved(number):
    number, others = checked((number, [number + 1]), number % 2 == 0, "It is odd:", number, summarize=1)
    return number // 2, others


def test_what_is_right_passes_in_a_graph_and_outside():
    number, (other,) = halved(tf.constant(4))
    assert (int(number), int(other)) == (2, 5)
    assert int(checked(tf.constant(3), tf.constant(True), "never")) == 3


def test_what_is_wrong_is_told_with_what_was_found():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"It is odd:.*7"):
        halved(tf.constant(7))
    with pytest.raises(tf.errors.InvalidArgumentError, match="never"):
        checked(tf.constant(3), tf.constant(False), "never")
