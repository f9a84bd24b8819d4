"""Decoding of many queries in chunks, which bounds the memory and leaves the result the same."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from simone_tf.models.parts.decoder import Decoded
from simone_tf.models.parts.queries import Query


def decode_in_chunks(
    decode_raw: Callable[[Query], Decoded],
    query: Query,
    chunk_size: int | tf.Tensor,
    batch_and_slots: Sequence[int | None],
) -> Decoded:
    """`decode_raw(query)`, of one chunk of queries after another.

    All chunks have the same length, and the last is filled up with the last query: arrays of unequal parts are beyond
    other runtimes than TensorFlow's.
    """
    num_queries = query.frames.shape[1]
    if num_queries is None:
        num_queries = tf.shape(query.frames)[1]
    num_chunks = -(-num_queries // chunk_size)
    chunk_size = -(-num_queries // num_chunks)
    numbers = tf.minimum(tf.range(num_chunks * chunk_size), num_queries - 1)
    query = Query(tf.gather(query.frames, numbers, axis=1), tf.gather(query.coordinates, numbers, axis=1))

    def array(*trailing: int) -> tf.TensorArray:
        length = chunk_size if isinstance(chunk_size, int) else None
        return tf.TensorArray(tf.float32, num_chunks, element_shape=[*batch_and_slots, length, *trailing])

    def decode_chunk(
        number: tf.Tensor, rgb_means: tf.Tensor, mask_logits: tf.Tensor
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
        places = slice(number * chunk_size, (number + 1) * chunk_size)
        part = decode_raw(Query(query.frames[:, places], query.coordinates[:, places]))
        return number + 1, rgb_means.write(number, part.rgb_means), mask_logits.write(number, part.mask_logits)

    _, rgb_means, mask_logits = tf.while_loop(
        lambda number, *_: number < num_chunks,
        decode_chunk,
        (tf.constant(0), array(3), array()),
        parallel_iterations=1,
    )

    def joined(parts: tf.Tensor) -> tf.Tensor:
        parts = tf.transpose(parts, [1, 2, 0, *range(3, len(parts.shape))])  # [B, K, chunks, queries of a chunk, ...]
        batch, slots = batch_and_slots
        leading = [tf.shape(parts)[0] if batch is None else batch, slots, num_chunks * chunk_size]
        return tf.reshape(parts, [*leading, *parts.shape[4:]])[:, :, :num_queries]

    return Decoded(joined(rgb_means.stack()), joined(mask_logits.stack()))
