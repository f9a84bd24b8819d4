"""Floating-point operations of a model's forward pass, counted from the graph of its loss, whatever the model."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf


def forward_flops(model: keras.Model, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Counts what a training step computes going forward, by layer.

    A product of `[m, k]` and `[k, n]` matrices counts 2 m k n, a convolution likewise. Only these are counted: what is
    done element by element is below a percent. The backward pass has two such products for each of the forward pass,
    so that a training step costs three times this (a little less: nothing is propagated into the video itself). The
    body of a loop counts once.

    Args:
        model: built `SceneModel`.
        shapes: shape of every clip field that the model is given, numbers only: `video (B, T, H, W, 3)`.

    Returns:
        Attribute of the model and of the layer it holds, such as `encoder/projection` (layers in a tuple together) ->
        operations; `other` for what is in no layer.
    """
    seed = tf.TensorSpec([2], tf.int32)
    batch = {name: tf.TensorSpec(shape, tf.float32) for name, shape in shapes.items()}
    traced = tf.function(model.losses, autograph=False).get_concrete_function(batch, seed, seed)
    labels = _labels(model)
    counts: dict[str, int] = {}
    for operation in _operations(traced.graph):
        if count := _flops(operation):
            part = _layer(operation.name, labels)
            counts[part] = counts.get(part, 0) + count
    return counts


def _operations(graph: Any) -> Iterator[Any]:
    """Every operation of a graph and of the functions that are called in it."""
    for operation in graph.get_operations():
        yield operation
        called = (operation.get_attr(name) for name in ("f", "body", "then_branch") if name in operation.node_def.attr)
        for function in called:
            yield from _operations(graph._get_function(function.name).graph)


def _flops(operation: Any) -> int:
    if operation.type == "MatMul":
        rows, columns = operation.outputs[0].shape
        inner = operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
        return 2 * rows * columns * inner
    if operation.type in ("BatchMatMulV2", "BatchMatMulV3"):
        inner = operation.inputs[0].shape[-2 if operation.get_attr("adj_x") else -1]
        return 2 * math.prod(operation.outputs[0].shape) * inner
    if operation.type in ("Conv2D", "Conv3D"):
        return 2 * math.prod(operation.outputs[0].shape) * math.prod(operation.inputs[1].shape[:-1])
    if operation.type == "Conv2DBackpropInput":  # a transposed convolution
        return 2 * math.prod(operation.inputs[2].shape) * math.prod(operation.inputs[1].shape[:-1])
    if operation.type == "Einsum":
        left, right = operation.get_attr("equation").decode().split("->")[0].split(",")
        sizes = dict(zip(left, operation.inputs[0].shape, strict=True))
        sizes |= dict(zip(right, operation.inputs[1].shape, strict=True))
        return 2 * math.prod(sizes.values())
    return 0


def _labels(model: keras.Model) -> dict[str, str]:
    """Name of a layer in the graph -> the attribute that holds it, of the model's layers and of those in them."""
    labels: dict[str, str] = {}
    for owner in (model, *model.layers):
        for attribute, value in vars(owner).items():
            held = value if isinstance(value, tuple) else (value,)
            labels |= {layer.name: attribute for layer in held if isinstance(layer, keras.layers.Layer)}
    return labels


def _layer(name: str, labels: Mapping[str, str]) -> str:
    """The layer that an operation belongs to, and the one in it."""
    found = []
    for scope in name.split("/")[:2]:
        # Keras opens the scope of a layer more than once, and TensorFlow then puts a number behind its name.
        first = re.sub(r"_\d+$", "", scope)
        label = labels.get(first) or labels.get(scope)
        if label is None:
            break
        found.append(label)
    return "/".join(found) or "other"
