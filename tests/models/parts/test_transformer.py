import numpy as np
import tensorflow as tf

from simone_tf.models.parts.transformer import SelfAttention, Transformer


def test_attention_equals_a_loop_over_heads_and_tokens():
    attention = SelfAttention(num_heads=2, head_size=3)
    attention.build((None, 5, 7))
    tokens = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
    kernel = attention.queries_keys_values.kernel.numpy().astype(np.float64).reshape(7, 3, 2, 3)
    out_kernel, out_bias = (value.numpy().astype(np.float64) for value in attention.output_projection.weights)

    expected = np.zeros((2, 5, 7))
    for clip in range(2):
        heads = []
        for head in range(2):
            query, key, value = (tokens[clip] @ kernel[:, part, head] for part in range(3))
            scores = query @ key.T / np.sqrt(3)
            weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            heads.append(weights @ value)
        expected[clip] = np.concatenate(heads, axis=1) @ out_kernel + out_bias
    np.testing.assert_allclose(attention(tokens), expected, atol=1e-5)


def test_a_token_attends_to_every_other():
    transformer = Transformer(num_layers=1, num_heads=2, head_size=4, mlp_size=8)
    transformer.build((None, 6, 8))
    tokens = tf.random.normal([1, 6, 8])
    with tf.GradientTape() as tape:
        tape.watch(tokens)
        # A sum would vanish: the final norm's output adds up to zero.
        first = tf.reduce_sum(transformer(tokens)[0, 0] ** 3)
    gradient = tape.gradient(first, tokens)
    assert np.all(np.abs(gradient).max(-1) > 0)


def test_layers_do_not_share_weights():
    transformer = Transformer(num_layers=3, num_heads=2, head_size=4, mlp_size=8)
    transformer.build((None, 6, 8))
    kernels = [block.mlp_hidden.kernel.numpy() for block in transformer.blocks]
    assert not np.allclose(kernels[0], kernels[1])
    assert not np.allclose(kernels[1], kernels[2])
