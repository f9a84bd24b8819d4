"""The pre-norm transformer that lets all tokens of a clip attend to one another (paper, section 3.2)."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.models.parts.recomputation import Recomputable


class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention over `[B, N, C]` tokens; queries, keys and values come from one matrix product.

    Args:
        num_heads: number of heads.
        head_size: size of a head's keys, queries and values.
    """

    def __init__(self, num_heads: int, head_size: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.num_heads = num_heads
        self.head_size = head_size
        self.queries_keys_values = keras.layers.Dense(3 * num_heads * head_size, use_bias=False, name="qkv")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.queries_keys_values.build(input_shape)
        self.output_projection = keras.layers.Dense(input_shape[-1], name="output_projection")
        self.output_projection.build((*input_shape[:-1], self.num_heads * self.head_size))

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        batch, length = tf.shape(tokens)[0], tokens.shape[1]
        qkv = tf.reshape(self.queries_keys_values(tokens), [batch, length, 3, self.num_heads, self.head_size])
        query, key, value = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]))  # each [B, heads, N, head_size]
        scores = tf.matmul(query * self.head_size**-0.5, key, transpose_b=True)  # [B, heads, N, N]
        # The softmax stays in float32 under mixed precision: bfloat16 sums over a thousand tokens lose digits.
        weights = tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32)), value.dtype)
        attended = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])  # [B, N, heads, head_size]
        return self.output_projection(tf.reshape(attended, [batch, length, self.num_heads * self.head_size]))


class TransformerBlock(Recomputable):
    """Pre-norm block: tokens + attention(norm(tokens)), then + MLP(norm(tokens)) with ReLU; no dropout."""

    recomputed_as = "transformer"

    def __init__(self, num_heads: int, head_size: int, mlp_size: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="attention_norm")
        self.attention = SelfAttention(num_heads, head_size, name="attention")
        self.mlp_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="mlp_norm")
        self.mlp_hidden = keras.layers.Dense(mlp_size, activation="relu", name="mlp_hidden")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.attention_norm.build(input_shape)
        self.attention.build(input_shape)
        self.mlp_norm.build(input_shape)
        self.mlp_hidden.build(input_shape)
        self.mlp_output = keras.layers.Dense(input_shape[-1], name="mlp_output")
        self.mlp_output.build((*input_shape[:-1], self.mlp_hidden.units))

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        if self.recomputation is None:
            return self._mixed(tokens)
        return self.recomputation.at_once(self._mixed, tokens)[0]

    def _mixed(self, tokens: tf.Tensor) -> tf.Tensor:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp_output(self.mlp_hidden(self.mlp_norm(tokens)))


class Transformer(keras.layers.Layer):
    """A stack of blocks and a final layer norm over `[B, N, C]` tokens.

    Args:
        num_layers: number of blocks, weights not shared (T1 and T2: 4 each, recovered from reproductions).
        num_heads: heads per block (recovered: 5).
        head_size: size of keys and values (recovered: 64).
        mlp_size: hidden units of a block's MLP (recovered: 1024).
    """

    def __init__(
        self,
        num_layers: int = 4,
        num_heads: int = 5,
        head_size: int = 64,
        mlp_size: int = 1024,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        # A tuple: tf.train.Checkpoint silently drops layers held in a list.
        self.blocks = tuple(
            TransformerBlock(num_heads, head_size, mlp_size, name=f"block_{index}") for index in range(num_layers)
        )
        self.final_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="final_norm")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        for block in self.blocks:
            block.build(input_shape)
        self.final_norm.build(input_shape)

    def call(self, tokens: tf.Tensor) -> tf.Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return self.final_norm(tokens)
