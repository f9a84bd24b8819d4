"""Floating-point operations of a model's forward pass, counted from the shapes of its layers."""

import math

import tensorflow as tf


def forward_flops(model, video_shape):
    """Counts what a training step computes going forward, by part.

    A product of `[m, k]` and `[k, n]` matrices counts 2 m k n, a convolution likewise. Only these are counted: what is
    done element by element is below a percent. The backward pass has two such products for each of the forward pass,
    so that a training step costs three times this (a little less: nothing is propagated into the video itself).

    Args:
        model: built `SIMONe`.
        video_shape: (B, T, H, W, 3), numbers only.

    Returns:
        dict of int: `CNN` (its linear projection included), `T1`, `T2`, `heads`, `decoder`.
    """
    batch, num_frames, height, width, _ = video_shape
    encoder, decoder = model.encoder, model.decoder
    slots, cells = encoder.num_slots, math.prod(encoder.feature_map)
    with tf.Graph().as_default():  # only the shape is wanted
        num_queries = model.queries.sample(num_frames, height, width, tf.zeros([2], tf.int32)).shape[0]

    object_rows = num_queries if model.sampling in ("per_pixel", "per_frame") else 1
    return {
        "CNN": _convolutions(encoder.convolutions, (batch * num_frames, *video_shape[2:]))
        + _dense(encoder.projection, batch * num_frames * cells),
        "T1": _transformer(encoder.first_transformer, batch, num_frames * cells),
        "T2": _transformer(encoder.second_transformer, batch, num_frames * slots),
        "heads": _head(encoder.object_head, batch * slots) + _head(encoder.frame_head, batch * num_frames),
        "decoder": _dense(decoder.object_input, batch * slots * object_rows)
        + _dense(decoder.frame_input, batch * num_queries)
        # All clips of a batch decode the same pixels, so their places are embedded once.
        + _dense(decoder.place_input, num_queries)
        + sum(_dense(layer, batch * slots * num_queries) for layer in (*decoder.hidden_layers, decoder.output_layer)),
    }


def _dense(layer, rows):
    return 2 * rows * math.prod(layer.kernel.shape)


def _convolutions(layers, shape):
    total = 0
    for layer in layers:
        shape = layer.compute_output_shape(shape)
        total += 2 * math.prod(shape[:3]) * math.prod(layer.kernel.shape)
    return total


def _transformer(transformer, batch, length):
    total = 0
    for block in transformer.blocks:
        attention = block.attention
        for layer in (attention.queries_keys_values, attention.output_projection, block.mlp_hidden, block.mlp_output):
            total += _dense(layer, batch * length)
        # Scores, and the weighted sum of the values.
        total += 2 * 2 * batch * attention.num_heads * length**2 * attention.head_size
    return total


def _head(head, rows):
    return sum(_dense(layer, rows) for layer in (head.hidden, head.mean, head.log_scale))
