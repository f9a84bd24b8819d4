"""What the inference networks share: CNN, transformer T1, spatial pool, transformer T2 (paper, Figure 2)."""

import math
from typing import Any

import keras
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.transformer import Transformer


class SlotEncoder(keras.layers.Layer):
    """`[B, T, H, W, 3]` video in [0, 1] to `[B, T, K, width]` features of its slots in every frame.

    A subclass says what is added to the tokens in front of the transformers and what follows from the features.

    Args:
        feature_map, slot_grid, conv_channels, conv_kernel, width, first_transformer, second_transformer, object_head,
            frame_head, position_base: as for `Encoder`; `frame_head` is None where frames have no latents.

    Raises:
        UserError: if sizes do not divide.
    """

    def __init__(
        self,
        feature_map: tuple[int, int],
        slot_grid: tuple[int, int],
        conv_channels: int,
        conv_kernel: int,
        width: int,
        first_transformer: Transformer,
        second_transformer: Transformer,
        object_head: LatentHead,
        frame_head: LatentHead | None,
        position_base: float,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        self.feature_map = tuple(feature_map)
        self.slot_grid = tuple(slot_grid)
        for argument in ("feature_map", "slot_grid"):
            sizes = getattr(self, argument)
            if len(sizes) != 2 or not all(isinstance(size, int) and size > 0 for size in sizes):
                raise UserError(
                    f"{type(self).__name__}.{argument} is {sizes}: give two whole numbers, its rows and columns."
                )
        if any(cells % slots for cells, slots in zip(self.feature_map, self.slot_grid, strict=True)):
            kind = type(self).__name__
            raise UserError(
                f"{kind}.slot_grid {self.slot_grid} does not divide {kind}.feature_map {self.feature_map}: choose "
                "a slot grid whose rows and columns divide those of the feature map."
            )
        self.conv_channels = conv_channels
        self.conv_kernel = conv_kernel
        self.width = width
        self.position_base = position_base
        # The order is that of the weights in checkpoints' optimizers.
        self.first_transformer = first_transformer
        self.second_transformer = second_transformer
        self.object_head = object_head
        if frame_head is not None:
            self.frame_head = frame_head
        self.projection = keras.layers.Dense(width, name="projection")

    @property
    def num_slots(self) -> int:
        """K, the number of object latents."""
        return math.prod(self.slot_grid)

    def build_slots(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights of all that is here, for video of the shape `(B, T, H, W, 3)`."""
        _, num_frames, height, width, channels = input_shape
        num_convolutions = self._num_convolutions(height, width)
        self.convolutions = tuple(
            keras.layers.Conv2D(
                self.conv_channels,
                self.conv_kernel,
                strides=2,
                padding="same",
                data_format="channels_last",  # Whatever the user's keras.json says.
                activation="relu",
                name=f"conv_{index}",
            )
            for index in range(num_convolutions)
        )
        shape = (None, height, width, channels)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.projection.build(shape)
        rows, columns = self.feature_map
        self.first_transformer.build((None, num_frames * rows * columns, self.width))
        self.second_transformer.build((None, num_frames * self.num_slots, self.width))
        self.object_head.build((None, self.num_slots, self.width))

    def _num_convolutions(self, height: int, width: int) -> int:
        rows, columns = self.feature_map
        factor = height // rows
        if rows * factor != height or columns * factor != width or factor < 1 or factor & (factor - 1):
            raise UserError(
                f"Frames of {height}x{width} pixels cannot become {type(self).__name__}.feature_map {rows}x{columns} "
                "by halving: height and width must be the same power of two times its rows and columns."
            )
        return factor.bit_length() - 1

    def slots(self, video: tf.Tensor, first_offset: tf.Tensor, second_offset: tf.Tensor) -> tf.Tensor:
        """The features of every slot in every frame.

        Args:
            video: `[B, T, H, W, 3]` float32 in [0, 1].
            first_offset: `[1 or B, 1 or T, I, J, width]`, added to the tokens in front of T1: positions, and whatever
                else a frame comes with.
            second_offset: the same over the slot grid, added in front of T2.

        Returns:
            `[B, T, K, width]`.
        """
        batch = tf.shape(video)[0]
        num_frames, height, width, channels = video.shape[1:]
        rows, columns = self.feature_map
        features = tf.reshape(tf.cast(video, self.compute_dtype), [batch * num_frames, height, width, channels])
        for convolution in self.convolutions:
            features = convolution(features)
        tokens = tf.reshape(self.projection(features), [batch, num_frames, rows, columns, self.width])
        tokens += first_offset
        tokens = self.first_transformer(tf.reshape(tokens, [batch, num_frames * rows * columns, self.width]))

        slots = self._spatial_pool(tf.reshape(tokens, [batch, num_frames, rows, columns, self.width]))
        slots += second_offset
        slots = self.second_transformer(tf.reshape(slots, [batch, num_frames * self.num_slots, self.width]))
        return tf.reshape(slots, [batch, num_frames, self.num_slots, self.width])

    def _spatial_pool(self, tokens: tf.Tensor) -> tf.Tensor:
        """Sums each window of the feature map and scales by sqrt(K / (I * J)), which keeps unit variance unit."""
        (rows, columns), (slot_rows, slot_columns) = self.feature_map, self.slot_grid
        window_rows, window_columns = rows // slot_rows, columns // slot_columns
        shape = [-1, tokens.shape[1], slot_rows, window_rows, slot_columns, window_columns, self.width]
        pooled = tf.reduce_sum(tf.reshape(tokens, shape), axis=[3, 5])  # [B, T, slot_rows, slot_columns, C]
        return pooled * (window_rows * window_columns) ** -0.5
