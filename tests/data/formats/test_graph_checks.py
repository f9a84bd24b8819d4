import pytest
import tensorflow as tf

from simone_tf.data.formats.graph_checks import checked
from simone_tf.errors import first_line


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


@pytest.mark.parametrize("wrap", [tf.function, lambda function: function], ids=["graph", "eager"])
def test_the_sentence_has_the_words_and_all_that_was_found(wrap):
    @wrap
    def sizes(values, names):
        return checked(values, False, "Sizes do not fit; found:", values, names, summarize=4)

    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        sizes(tf.constant([[6, 4], [24, 1]]), tf.constant(["a", "b"]))
    assert first_line(raised.value) == "Sizes do not fit; found: 6 4 24 1, a b"
