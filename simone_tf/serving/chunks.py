"""How many queries are decoded at a time where the number of clips is not known beforehand."""

import tensorflow as tf

_LEAST = 64


def queries_at_a_time(chunk_size: int, tensor: tf.Tensor) -> tf.Tensor:
    """Queries of each clip that are decoded at a time, a scalar int32.

    A batch of many clips takes smaller bites of each, so that the memory of a decoder's hidden layer does not grow with
    the batch; below a few dozen the bites would cost more time than their memory is worth.

    Args:
        chunk_size: queries of all clips together.
        tensor: `[B, ...]`, of which the number of clips is taken.
    """
    return tf.maximum(chunk_size // tf.maximum(tf.shape(tensor)[0], 1), _LEAST)
