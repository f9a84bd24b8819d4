"""SIMONe-VS's inference network: that of SIMONe, with the given viewpoint of every frame added to its features."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from simone_tf.models.parts.latents import LatentHead, Posterior
from simone_tf.models.parts.positions import moment_positions, sinusoid_positions
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.slot_encoder import SlotEncoder


class ViewEncoder(SlotEncoder):
    """`[B, N, H, W, 3]` frames and their viewpoints `[B, N, Dv]` to the posteriors of `[B, K, .]` object latents.

    A viewpoint is embedded by one linear map and added to all features of its frame in front of T1 (where it enters is
    not in the paper's main text). It takes any number of frames. Their order enters by `moments` alone: frames that
    change places together with their viewpoints and moments leave the posteriors as they are, up to rounding, and
    without moments the frames are a set.

    Args:
        feature_map, slot_grid, conv_channels, conv_kernel, width, first_transformer, second_transformer, object_head,
            position_base: as for `Encoder`.

    Raises:
        UserError: if sizes do not divide.
    """

    def __init__(
        self,
        feature_map: tuple[int, int] = (8, 8),
        slot_grid: tuple[int, int] = (4, 4),
        conv_channels: int = 128,
        conv_kernel: int = 4,
        width: int = 320,
        first_transformer: Transformer | None = None,
        second_transformer: Transformer | None = None,
        object_head: LatentHead | None = None,
        position_base: float = 10000.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            feature_map,
            slot_grid,
            conv_channels,
            conv_kernel,
            width,
            first_transformer or Transformer(name="first_transformer"),
            second_transformer or Transformer(name="second_transformer"),
            object_head or LatentHead(name="object_head"),
            None,
            position_base,
            name,
        )
        self.viewpoint_embedding = keras.layers.Dense(width, name="viewpoint_embedding")

    def build(self, input_shape: tuple[Any, ...], viewpoint_shape: tuple[Any, ...]) -> None:
        self.build_slots(input_shape)
        self.viewpoint_embedding.build(viewpoint_shape)

    def call(self, video: tf.Tensor, viewpoints: tf.Tensor, moments: tf.Tensor | None = None) -> Posterior:
        """Infers the posterior of the objects.

        Args:
            video: `[B, N, H, W, 3]` float32 in [0, 1].
            viewpoints: `[B, N, Dv]` float32.
            moments: `[B or 1, N]` float32, when each frame is, in frames; None where time means nothing.

        Returns:
            `Posterior` of `[B, K, object_latent_size]`.
        """
        viewpoint = self.viewpoint_embedding(tf.cast(viewpoints, self.compute_dtype))[:, :, None, None]
        first, second = self._positions(*self.feature_map), self._positions(*self.slot_grid)
        if moments is not None:
            in_time = moment_positions(moments, self.width, self.position_base)[:, :, None, None]
            in_time = tf.cast(in_time, self.compute_dtype)
            first, second = first + in_time, second + in_time
        slots = self.slots(video, first + viewpoint, second)
        return self.object_head(tf.reduce_mean(slots, axis=1))

    def _positions(self, rows: int, columns: int) -> tf.Tensor:
        """`[1, 1, rows, columns, width]`: the place of a token in its frame, nothing of time."""
        where = sinusoid_positions(1, rows, columns, self.width, self.position_base)
        when = moment_positions(np.zeros((1, 1), np.float32), self.width, self.position_base)
        return tf.cast(tf.constant(where)[None] - when[:, :, None, None], self.compute_dtype)
