"""The spatial broadcast decoder of slots: spread over a grid, told where each cell is, convolved into an image."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, sizes, whole
from simone_tf.models.parts.broadcast_decoder import DecodedFrames, decode_recomputed
from simone_tf.models.parts.recomputation import Recomputable
from simone_tf.models.slot_attention.position_embedding import PositionEmbedding


class SlotAttentionDecoder(Recomputable):
    """`[N, D]` slots to colours and mask logits of whole frames (Locatello et al. 2020, appendix).

    A slot is spread over a grid and told the place of each cell, by an embedding that is added. Transposed convolutions
    of stride 2 double the grid until it has the frame's size, convolutions follow. Where halving the frame does not
    give whole numbers the grid is rounded up, and what is decoded beyond the right and lower border is cut off. An MLP
    on each cell of the grid may go before them (not in the paper): there a layer costs little, and without it a small
    decoder has too few layers between a slot and a shape's corners.

    Args:
        num_upsamplings: transposed convolutions; 3 for 64x64 pixels from 8x8 cells, 4 for 128x128, 0 for a grid of the
            frame's size as in the paper's small decoder.
        num_convolutions: convolutions behind them at the frame's size, before the one that gives RGB and a mask logit
            (1 in the decoder of CLEVR, 3 in the small one).
        channels: channels of every one of them (64 on CLEVR, 32 in the small one).
        kernel_size: rows and columns of their kernels; the last convolution's has 3.
        cell_layers: units of each layer of the MLP on a cell; () for none, as in the paper.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        num_upsamplings: int = 3,
        num_convolutions: int = 1,
        channels: int = 64,
        kernel_size: int = 5,
        cell_layers: tuple[int, ...] = (),
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_upsamplings = num_upsamplings
        self.channels = channels
        values = {
            "num_upsamplings": num_upsamplings,
            "num_convolutions": num_convolutions,
            "channels": channels,
            "kernel_size": kernel_size,
            "cell_layers": cell_layers,
        }
        check_values("SlotAttentionDecoder", values, _CHECKS)
        same = {"padding": "same", "data_format": "channels_last"}  # Whatever the user's keras.json says.
        self.cell_layers = tuple(
            keras.layers.Dense(units, activation="relu", name=f"cell_{index}")
            for index, units in enumerate(cell_layers)
        )
        self.upsamplings = tuple(
            keras.layers.Conv2DTranspose(
                channels, kernel_size, strides=2, activation="relu", name=f"upsampling_{index}", **same
            )
            for index in range(num_upsamplings)
        )
        self.convolutions = tuple(
            keras.layers.Conv2D(channels, kernel_size, activation="relu", name=f"conv_{index}", **same)
            for index in range(num_convolutions)
        )
        self.output_layer = keras.layers.Conv2D(4, 3, name="output_layer", **same)
        self.position_embedding = PositionEmbedding(name="position_embedding")

    def build(self, slots_shape: tuple[Any, ...], frame_shape: tuple[Any, ...]) -> None:
        """Creates the weights.

        Args:
            slots_shape: `(None, D)`.
            frame_shape: `(None, H, W, 3)`, the frames that are decoded.
        """
        self.frame_size = tuple(frame_shape[1:3])
        self.grid_size = tuple(-(-side // 2**self.num_upsamplings) for side in self.frame_size)
        shape = (None, *self.grid_size, slots_shape[-1])
        self.position_embedding.build(shape)
        for layer in self._layers_in_turn:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, slots: tf.Tensor) -> DecodedFrames:
        """Decodes `[N, D]` slots into `DecodedFrames` of `[N, H, W, 3]` and `[N, H, W]`, float32.

        The colours are those of images in [-1, 1], and not bounded.
        """
        if self.recomputation is None:
            return self._decoded(slots)
        # A cell of the grid stands for many pixels of the frame.
        of_cells = [layer.units // 4**self.num_upsamplings for layer in self.cell_layers]
        widest = max(self.channels, *of_cells) if of_cells else self.channels
        return decode_recomputed(self.recomputation, self._decoded, slots, self.frame_size, widest)

    @property
    def _layers_in_turn(self) -> tuple[keras.layers.Layer, ...]:
        return (*self.cell_layers, *self.upsamplings, *self.convolutions, self.output_layer)

    def _decoded(self, slots: tf.Tensor) -> DecodedFrames:
        rows, columns = self.grid_size
        slots = tf.cast(slots, self.compute_dtype)[:, None, None]
        features = self.position_embedding(tf.tile(slots, [1, rows, columns, 1]))
        for layer in self._layers_in_turn:
            features = layer(features)
        height, width = self.frame_size
        output = tf.cast(features[:, :height, :width], tf.float32)
        return DecodedFrames(output[..., :3], output[..., 3])


_CHECKS = {
    "num_upsamplings": whole(0),
    "num_convolutions": whole(0),
    "channels": whole(1),
    "kernel_size": whole(1),
    "cell_layers": sizes("layer", may_be_empty=True),
}
