"""The image encoder: convolutions, where each cell is, an MLP on every cell (Locatello et al. 2020, section 3.1)."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, sizes, whole
from simone_tf.models.slot_attention.position_embedding import PositionEmbedding


class SlotAttentionEncoder(keras.layers.Layer):
    """`[N, H, W, 3]` images in [-1, 1] to a set of `[N, P, width]` features, one for each cell of the feature map.

    Convolutions with ReLU, the position embedding, a layer norm over channels and an MLP of one hidden layer; the set
    has no order any more.

    Args:
        channels: channels of every convolution (64 on CLEVR, 32 on Tetrominoes and Multi-dSprites).
        strides: step of each convolution, one for each; all 1 in the paper's object discovery, so that every pixel
            is a cell.
        kernel_size: rows and columns of their kernels.
        width: features of a cell, and hidden units of the MLP; None for as many as channels.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        channels: int = 64,
        strides: tuple[int, ...] = (1, 1, 1, 1),
        kernel_size: int = 5,
        width: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {"channels": channels, "strides": strides, "kernel_size": kernel_size}
        check_values("SlotAttentionEncoder", values, _CHECKS)
        if width is not None:
            check_values("SlotAttentionEncoder", {"width": width}, {"width": whole(1)})
        self.width = width or channels
        self.convolutions = tuple(
            keras.layers.Conv2D(
                channels,
                kernel_size,
                strides=stride,
                padding="same",
                data_format="channels_last",  # Whatever the user's keras.json says.
                activation="relu",
                name=f"conv_{index}",
            )
            for index, stride in enumerate(strides)
        )
        self.position_embedding = PositionEmbedding(name="position_embedding")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-3, name="norm")
        self.hidden = keras.layers.Dense(self.width, activation="relu", name="hidden")
        self.output_layer = keras.layers.Dense(self.width, name="output_layer")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for `[N, H, W, 3]`; H and W must be static."""
        shape = tuple(input_shape)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.position_embedding.build(shape)
        _, rows, columns, channels = shape
        self.num_cells = rows * columns
        self.norm.build((None, self.num_cells, channels))
        self.hidden.build((None, self.num_cells, channels))
        self.output_layer.build((None, self.num_cells, self.width))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Features `[N, P, width]` of `[N, H, W, 3]` images, in the precision that the layer computes in."""
        features = tf.cast(images, self.compute_dtype)
        for convolution in self.convolutions:
            features = convolution(features)
        features = self.position_embedding(features)
        features = tf.reshape(features, [-1, self.num_cells, features.shape[-1]])
        return self.output_layer(self.hidden(self.norm(features)))


_CHECKS = {
    "channels": whole(1),
    "strides": sizes("convolution"),
    "kernel_size": whole(1),
}
