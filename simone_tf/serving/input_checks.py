"""What an export refuses: checks inside the graph of a signature, each failure one sentence.

They are `Assert` operations: TensorFlow and TensorFlow Serving stop with INVALID_ARGUMENT and the sentence. Runtimes
that leave them out (XLA, OpenVINO) answer nonsense with nonsense, as `UNCHECKED` says.
"""

from collections.abc import Iterator

import tensorflow as tf

from simone_tf.serving.signatures import UINT8, Signature, TensorText

_ROUNDING = 0.01
"""How far beyond its range a number of floating point may lie: a filter's or a codec's rounding."""

_LARGEST_LATENT = 1e6
"""Latents are of the order of 1; from far beyond that a decoder overflows."""

CHECKED = (
    "TensorFlow and TensorFlow Serving refuse in a sentence: numbers that are NaN or infinite, or outside of the range "
    f"of their tensor by more than {_ROUNDING:g}; latents beyond {_LARGEST_LATENT:,.0f}; inputs of different numbers "
    "of clips; 0 queries; 0 views; video of 0 clips. Latents of 0 clips are answered by empty tensors."
)
"""What is checked, for `serving.json`."""

UNCHECKED = (
    "XLA and OpenVINO leave these checks out: NaN gives NaN and segments that mean nothing, video in 0 to 255 segments "
    "that mean nothing, and of inputs of one clip and of several the one is used with each."
)
"""What comes out where nothing is checked, for `serving.json`."""


def checked(name: str, signature: Signature, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The inputs of a signature as they are, once they have been looked at.

    Args:
        name: of the signature.
        signature: its tensors.
        inputs: of the shapes that the signature states.
    """
    with tf.control_dependencies([_check(condition, text) for condition, text in _conditions(name, signature, inputs)]):
        return {key: tf.identity(value) for key, value in inputs.items()}


def _check(condition: tf.Tensor, text: str) -> tf.Operation:
    # Not `tf.debugging.Assert`, which wraps what it is given into a branch that other runtimes would have to read.
    return tf.raw_ops.Assert(condition=condition, data=[tf.constant(text)])


def _conditions(name: str, signature: Signature, inputs: dict[str, tf.Tensor]) -> Iterator[tuple[tf.Tensor, str]]:
    names = list(inputs)
    first = names[0]
    for other in names[1:]:
        yield (
            tf.equal(tf.shape(inputs[first])[0], tf.shape(inputs[other])[0]),
            f"{first} and {other} are of different numbers of clips: give as many of each.",
        )
    for key, text in signature.inputs.items():
        if key.endswith("video"):  # Convolutions of nothing fail in words of their own.
            yield tf.greater(tf.shape(inputs[key])[0], 0), f"{key} holds no clip: give at least one."
        if text.shape[1] is None and key not in _QUERIES:  # as many viewpoints as are asked for
            yield tf.greater(tf.shape(inputs[key])[1], 0), f"{key} holds no view: give at least one."
        elif text.shape[1] is None:  # a list of queries
            yield (
                tf.equal(tf.shape(inputs[key])[1], tf.shape(inputs["frames"])[1]),
                f"{key} and frames are of different numbers of queries: give as many of each.",
            )
            yield tf.greater(tf.shape(inputs[key])[1], 0), f"{key} holds no query: give at least one."
        bounds = _bounds(key, text)
        if bounds is not None:
            low, high = bounds
            # A NaN is neither.
            inside = tf.reduce_all((inputs[key] >= low) & (inputs[key] <= high))
            yield inside, f"{key} holds {_wrong(key, text)}: {_wanted(name, key, text)}."


def _bounds(key: str, text: TensorText) -> tuple[float, float] | None:
    """What the numbers of an input lie between; None of bytes, which are always right."""
    if text.dtype == "uint8":
        return None
    if text.range is not None:
        rounding = _ROUNDING if text.dtype == "float32" else 0
        return text.range[0] - rounding, text.range[1] + rounding
    largest = _LARGEST_LATENT if _is_latent(key) else tf.float32.max
    return -largest, largest


def _wrong(key: str, text: TensorText) -> str:
    if text.range is not None:
        low, high = (f"{bound:g}" for bound in text.range)
        return f"{'NaN or ' * (text.dtype == 'float32')}numbers outside of {low} to {high}"
    return f"NaN or numbers beyond {_LARGEST_LATENT:,.0f}" if _is_latent(key) else "NaN or infinite numbers"


def _wanted(name: str, key: str, text: TensorText) -> str:
    if key.endswith("video"):
        return f"give red, green and blue from 0 to 1, or bytes from 0 to 255 to the signature {name}{UINT8}"
    if key in _QUERIES:
        return _QUERIES[key]
    return "give latents such as `encode` infers" if _is_latent(key) else "give numbers as in the training data"


# TensorFlow would put a backslash before an apostrophe.
_QUERIES = {
    "frames": "give the frame of each query",
    "coordinates": "give row and column of each query, -1 for the first of a frame and 1 for the last",
}


def _is_latent(key: str) -> bool:
    return key.endswith("_latents")
