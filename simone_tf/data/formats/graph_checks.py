"""Checks inside graphs: a value goes on only once it is known to be right."""

from typing import Any

import tensorflow as tf


def checked(value: Any, condition: tf.Tensor, text: str, *found: tf.Tensor, summarize: int | None = None) -> Any:
    """The value, once the condition is known to hold: what is made of a wrong one could fail with a word of its own
    first, or ask for all memory; graph code.

    Args:
      value: a tensor, or a structure of tensors.
      condition: bool scalar.
      text: what the error says where the condition does not hold.
      found: tensors whose values follow the text.
      summarize: how many values of each of them; None for TensorFlow's three.

    Returns:
      The same value, to be used instead of the one given.

    Raises:
      tf.errors.InvalidArgumentError: the condition does not hold.
    """
    check = tf.debugging.Assert(condition, [text, *found], summarize=summarize)
    with tf.control_dependencies([check] if check is not None else []):
        return tf.nest.map_structure(tf.identity, value)
