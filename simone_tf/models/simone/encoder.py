"""SIMONe's inference network: posteriors of object and frame latents from the slots' features (paper, Figure 2)."""

from typing import Any, NamedTuple

import tensorflow as tf

from simone_tf.models.parts.latents import LatentHead, Posterior
from simone_tf.models.parts.positions import sinusoid_positions
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.slot_encoder import SlotEncoder


class Posteriors(NamedTuple):
    """What the encoder infers of a clip: K object and T frame posteriors."""

    objects: Posterior  # [B, K, object_latent_size]
    frames: Posterior  # [B, T, frame_latent_size]


class Encoder(SlotEncoder):
    """`[B, T, H, W, 3]` video in [0, 1] to the posteriors of `[B, K, .]` object and `[B, T, .]` frame latents.

    Args:
        feature_map: (I, J), rows and columns of the CNN's output; H / I = W / J must be a power of two (one stride-2
            convolution per halving).
        slot_grid: rows and columns of the pooled map; K is their product and each must divide I and J.
        conv_channels: channels of every convolution.
        conv_kernel: kernel size of every convolution.
        width: features of a token.
        first_transformer: `Transformer` T1 over the T * I * J tokens.
        second_transformer: `Transformer` T2 over the T * K tokens.
        object_head: `LatentHead` of the object latents (`mlp_o`).
        frame_head: `LatentHead` of the frame latents (`mlp_f`).
        position_base: base of the sinusoids that tell the transformers where a token is.

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
        frame_head: LatentHead | None = None,
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
            frame_head or LatentHead(name="frame_head"),
            position_base,
            name,
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.build_slots(input_shape)
        self.frame_head.build((None, input_shape[1], self.width))

    def call(self, video: tf.Tensor) -> Posteriors:
        """Infers the posteriors.

        Args:
            video: `[B, T, H, W, 3]` float32 in [0, 1].

        Returns:
            `Posteriors`.
        """
        num_frames = video.shape[1]
        slots = self.slots(
            video, self._positions(num_frames, *self.feature_map), self._positions(num_frames, *self.slot_grid)
        )
        return Posteriors(
            objects=self.object_head(tf.reduce_mean(slots, axis=1)),
            frames=self.frame_head(tf.reduce_mean(slots, axis=2)),
        )

    def _positions(self, num_frames: int, rows: int, columns: int) -> tf.Tensor:
        return tf.constant(
            sinusoid_positions(num_frames, rows, columns, self.width, self.position_base), self.compute_dtype
        )
