"""Checks inside graphs: a value goes on only once it is known to be right."""

from typing import Any

import numpy as np
import tensorflow as tf


def checked(value: Any, condition: tf.Tensor, text: str, *found: tf.Tensor, summarize: int | None = None) -> Any:
    """The value, once the condition is known to hold: what is made of a wrong one could fail with a word of its own
    first, or ask for all memory; graph code.

    Args:
      value: a tensor, or a structure of tensors.
      condition: bool scalar.
      text: what the error says where the condition does not hold.
      found: tensors whose values follow the text.
      summarize: how many values of each of them; None for three.

    Returns:
      The same value, to be used instead of the one given.

    Raises:
      tf.errors.InvalidArgumentError: the condition does not hold; `first_line` of it is the text with what was found.
    """
    if tf.executing_eagerly():
        # TensorFlow's own words would be about the condition, which helps nobody, and what was found comes behind them.
        if not condition:
            shown = ", ".join(_shown(tensor, summarize or 3) for tensor in found)
            raise tf.errors.InvalidArgumentError(None, None, f"{text} {shown}".strip())
        return tf.nest.map_structure(tf.identity, value)
    flat = [tf.reshape(tensor, [-1]) for tensor in found]  # TensorFlow writes the rows of a matrix without a space.
    check = tf.debugging.Assert(condition, [text, *flat], summarize=summarize)
    with tf.control_dependencies([check] if check is not None else []):
        return tf.nest.map_structure(tf.identity, value)


def _shown(tensor: tf.Tensor, most: int) -> str:
    """The first values of a tensor, as an assertion in a graph has them."""
    values = np.ravel(tf.convert_to_tensor(tensor).numpy())
    values = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values.tolist()]
    shown = " ".join(map(str, values[:most]))
    return shown + "..." * (len(values) > most)
