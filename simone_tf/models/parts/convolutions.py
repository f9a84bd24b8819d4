"""Convolutions as several models have them: padded to the size of their input, whatever the user's keras.json says."""

from collections.abc import Iterable
from typing import Any

import keras


def convolution(
    channels: int, kernel_size: int, name: str, strides: int = 1, activation: str | None = None
) -> keras.layers.Conv2D:
    """A convolution of `[N, H, W, C]`, its output an exact part of the input's rows and columns, rounded up."""
    return keras.layers.Conv2D(
        channels,
        kernel_size,
        strides=strides,
        padding="same",
        data_format="channels_last",
        activation=activation,
        name=name,
    )


def halving_convolutions(channels: Iterable[int], kernel_size: int) -> tuple[keras.layers.Conv2D, ...]:
    """One convolution of stride 2 with ReLU for each number of channels, to be applied in turn."""
    return tuple(
        convolution(count, kernel_size, f"conv_{index}", strides=2, activation="relu")
        for index, count in enumerate(channels)
    )


def build_in_turn(layers: Iterable[keras.layers.Layer], shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """Builds layers that are applied in turn to inputs of a shape; returns the shape of what the last one gives."""
    for layer in layers:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape
