"""Recomputation (Chen et al., 2016): what a part made on the way forward is made again on the way back, and not kept.

A part that keeps nothing but its inputs costs one more pass forward. Decoders do it some queries or frames at a time,
in a loop of its own on the way back, so that what they hold does not grow with the batch.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from simone_tf.errors import UserError

RECOMPUTED = {"decoder": ("decoder",), "all": ("decoder", "transformer")}
"""What `train.recompute` may be -> the kinds of parts that it means."""

CHUNK_BYTES = 2**25
"""What the activations of one hidden layer may take of a decoder that recomputes, as a rule."""

Call: TypeAlias = Callable[..., Any]


class Recomputable(keras.layers.Layer):
    """A part that can make its activations again; by default it keeps them.

    Attributes:
        recomputed_as: its kind, a value of `RECOMPUTED`.
        recomputation: None, or how it makes them again.
    """

    recomputed_as = "decoder"
    recomputation: "Recomputation | None" = None


def recompute(model: keras.Model, which: str | None, chunk_bytes: int = CHUNK_BYTES) -> None:
    """Says which parts of a built model make their activations again in the backward pass.

    Outputs and gradients stay what they are, up to rounding. What a part is given must not be drawn in it: noise comes
    in from outside.

    Args:
        model: built, its variables in place.
        which: a key of `RECOMPUTED`, or None for none of them.
        chunk_bytes: what one hidden layer of a decoder may hold at a time; at least one query or frame is decoded.

    Raises:
        UserError: the model has no such part.
    """
    kinds = RECOMPUTED[which] if which else ()
    parts = [layer for layer in _layers(model) if isinstance(layer, Recomputable)]
    for layer in parts:
        layer.recomputation = Recomputation(layer, chunk_bytes) if layer.recomputed_as in kinds else None
    if kinds and not any(layer.recomputation for layer in parts):
        raise UserError(
            f"train.recompute is {which!r}, but {type(model).__name__} has no part that can make its activations "
            "again: set it to None."
        )


class Recomputation:
    """How one built layer computes without keeping its activations.

    Args:
        layer: whose weights enter; read when it is called.
        chunk_bytes: see `recompute`.
    """

    # No part of the layer for Keras and checkpoints, which look into layers, tuples and lists only.

    def __init__(self, layer: keras.layers.Layer, chunk_bytes: int) -> None:
        # Read here, outside of the layer's call, which would give them in the precision it computes in.
        self._weights = [(variable, variable.value) for variable in layer.trainable_variables]
        self._chunk_bytes = chunk_bytes
        self._unit_bytes = tf.as_dtype(layer.compute_dtype).size

    def at_once(self, call: Call, *inputs: tf.Tensor) -> list[tf.Tensor]:
        """The tensors of `call(*inputs)`, all of it made again for their gradients."""

        @tf.custom_gradient
        def run(*values: tf.Tensor) -> tuple[list[tf.Tensor], Call]:
            def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
                # Without this a compiler sees the same computation twice, and keeps the first one's results.
                after = _zero_after(upstream)
                again = [value + tf.cast(after, value.dtype) for value in values[: len(inputs)]]
                return self._gradients(call, [*again, *values[len(inputs) :]], upstream)

            # Unknown to tapes outside, or they would keep what is made here.
            return self._called(call, [tf.stop_gradient(value) for value in values]), gradient

        return run(*inputs, *self._values())

    def in_chunks(
        self,
        call: Call,
        inputs: Sequence[tf.Tensor],
        axes: Sequence[int | None],
        places: Sequence[int | None],
        axis: int,
        results: Sequence[tuple[int, ...]],
        width: int,
    ) -> list[tf.Tensor]:
        """`call(*inputs)`, float32 tensors, computed and made again some places of an axis at a time.

        Where a size is not known all is computed at once and kept.

        Args:
            call: its results at a place follow from the inputs at that place alone.
            inputs: those with an axis have as many places as the results, or one that stands for all.
            axes: the axis of each input, None where it has none.
            places: sizes of what is computed, such as `[B, K, P]`.
            axis: that of `places` which is divided.
            results: of each result what its shape has behind `places`.
            width: units of a hidden layer at each place.
        """
        sizes = [size for size in places if size is not None]
        held = math.prod(sizes) * width * self._unit_bytes
        count = places[axis]
        if count is None or len(sizes) < len(places) or held <= self._chunk_bytes:
            return list(call(*inputs))
        chunks = min(count, -(-held // self._chunk_bytes))
        # Where one place stands for all it is not divided either.
        axes = [
            None if place is None or value.shape[place] == 1 else place
            for value, place in zip(inputs, axes, strict=True)
        ]
        stacked = [
            value if place is None else _stacked(value, place, chunks)
            for value, place in zip(inputs, axes, strict=True)
        ]
        sizes[axis] = -(-count // chunks)
        shapes = [[*sizes, *trailing] for trailing in results]
        found = self._looped(call, stacked, [place is not None for place in axes], chunks, shapes)
        return [_unstacked(value, axis, count) for value in found]

    def _looped(
        self,
        call: Call,
        stacked: Sequence[tf.Tensor],
        divided: Sequence[bool],
        chunks: int,
        shapes: Sequence[Sequence[int]],
    ) -> Sequence[tf.Tensor]:
        """Results `[chunks, *shape]` of inputs `[chunks, ...]` where they are divided."""

        @tf.custom_gradient
        def run(*values: tf.Tensor) -> tuple[list[tf.Tensor], Call]:
            stacks = [*divided, *[False] * len(self._weights)]

            def chunk(of: Sequence[tf.Tensor], number: tf.Tensor) -> list[tf.Tensor]:
                return [value[number] if stack else value for value, stack in zip(of, stacks, strict=True)]

            def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
                def back(number: tf.Tensor) -> list[tf.Tensor]:
                    return self._gradients(call, chunk(values, number), [value[number] for value in upstream])

                empty = [
                    tf.TensorArray(value.dtype, chunks, element_shape=value.shape[1:])
                    if stack
                    else tf.zeros_like(value)
                    for value, stack in zip(values, stacks, strict=True)
                ]
                return _for_each(chunks, back, empty)

            # Unknown to tapes outside, or they would keep what is made here.
            held = [tf.stop_gradient(value) for value in values]
            empty = [tf.TensorArray(tf.float32, chunks, element_shape=shape) for shape in shapes]
            return _for_each(chunks, lambda number: self._called(call, chunk(held, number)), empty), gradient

        return run(*stacked, *self._values())

    def _values(self) -> list[tf.Tensor]:
        return [tf.convert_to_tensor(value) for _, value in self._weights]

    def _called(self, call: Call, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Results of inputs and the values of all weights."""
        first = len(values) - len(self._weights)
        mapping = [(variable, value) for (variable, _), value in zip(self._weights, values[first:], strict=True)]
        with keras.StatelessScope(state_mapping=mapping):
            return tf.nest.flatten(call(*values[:first]))

    def _gradients(self, call: Call, values: Sequence[tf.Tensor], upstream: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        values = [tf.identity(value) for value in values]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            results = self._called(call, values)
        return tape.gradient(
            results, values, output_gradients=upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )


def _for_each(count: int, call: Call, empty: Sequence[tf.Tensor | tf.TensorArray]) -> list[tf.Tensor]:
    """The tensors of `call(number)` for all numbers below `count`: stacked in an array, added to a tensor."""

    def body(number: tf.Tensor, carried: list[Any]) -> tuple[tf.Tensor, list[Any]]:
        added = [
            old.write(number, new) if isinstance(old, tf.TensorArray) else old + new
            for old, new in zip(carried, call(number), strict=True)
        ]
        return number + 1, added

    _, carried = tf.while_loop(
        lambda number, _: number < count,
        body,
        (tf.constant(0), list(empty)),
        parallel_iterations=1,
        maximum_iterations=count,
    )
    return [value.stack() if isinstance(value, tf.TensorArray) else value for value in carried]


def _stacked(value: tf.Tensor, axis: int, chunks: int) -> tf.Tensor:
    """`[chunks, ...]`: every chunk has each so many-th place, so that it has some of every replica's share."""
    count = value.shape[axis]
    length = -(-count // chunks)
    lacking = length * chunks - count
    if lacking:
        value = tf.pad(value, [[0, lacking if place == axis else 0] for place in range(len(value.shape))])
    shape = list(value.shape)
    value = tf.reshape(value, [*shape[:axis], length, chunks, *shape[axis + 1 :]])
    return tf.transpose(value, [axis + 1, *range(axis + 1), *range(axis + 2, len(shape) + 1)])


def _unstacked(value: tf.Tensor, axis: int, count: int) -> tf.Tensor:
    """The other way round, without what was filled up."""
    rank = len(value.shape)
    value = tf.transpose(value, [*range(1, axis + 2), 0, *range(axis + 2, rank)])
    shape = list(value.shape)
    value = tf.reshape(value, [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]])
    return value[(slice(None),) * axis + (slice(count),)]


def _zero_after(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """A zero that is known once the values are."""
    return 0.0 * tf.add_n([tf.cast(tf.reshape(value, [-1])[0], tf.float32) for value in values])


def _layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """A layer and all that are in it, by way of attributes and tuples."""
    found: dict[int, keras.layers.Layer] = {id(layer): layer}
    for value in vars(layer).values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, keras.layers.Layer) and id(part) not in found:
                found |= {id(each): each for each in _layers(part)}
    return list(found.values())
