"""Slot Attention in float64 NumPy, written from Locatello et al. (2020): Algorithm 1, section 3.1 and the appendix.

Convolutions are sums over the pixels of a kernel, the GRU is that of Cho et al. (2014) with a bias on both products;
nothing here knows TensorFlow but the weights of the layers, which `weights` reads.
"""

import numpy as np


def weights(layer):
    """A layer's weights as float64 arrays."""
    return [np.asarray(variable, np.float64) for variable in layer.variables]


def softmax(values, axis):
    values = np.exp(values - values.max(axis=axis, keepdims=True))
    return values / values.sum(axis=axis, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def layer_norm(values, scale, shift, epsilon=1e-3):
    mean = values.mean(-1, keepdims=True)
    variance = ((values - mean) ** 2).mean(-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + epsilon) * scale + shift


def convolution(images, kernel, bias, stride=1):
    """`[N, H, W, C]`, as many zeros around it as give ceil(H / stride) rows; the odd one below and to the right."""
    count, height, width, _ = images.shape
    rows, columns = -(-height // stride), -(-width // stride)
    size = kernel.shape[0]
    margins = [max((cells - 1) * stride + size - side, 0) for cells, side in ((rows, height), (columns, width))]
    around = [(0, 0), *((margin // 2, margin - margin // 2) for margin in margins), (0, 0)]
    padded = np.pad(images, around)
    output = np.zeros((count, rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            patch = padded[:, row * stride : row * stride + size, column * stride : column * stride + size]
            output[:, row, column] = np.einsum("nabc,abcd->nd", patch, kernel)
    return output + bias


def transposed_convolution(images, kernel, bias):
    """Every cell of `[N, H, W, C]` adds its share of the kernel to a picture of twice the size."""
    count, height, width, _ = images.shape
    size = kernel.shape[0]
    before = (size - 2) // 2  # Of what lies beyond the borders of the picture, the smaller half above and to the left.
    canvas = np.zeros((count, 2 * height + size, 2 * width + size, kernel.shape[2]))
    for row in range(height):
        for column in range(width):
            share = np.einsum("nc,abdc->nabd", images[:, row, column], kernel)
            canvas[:, 2 * row : 2 * row + size, 2 * column : 2 * column + size] += share
    return canvas[:, before : before + 2 * height, before : before + 2 * width] + bias


def placed(features, kernel, bias):
    """The features, with an affine map of each cell's distances from the borders added."""
    _, rows, columns, _ = features.shape
    distances = np.zeros((rows, columns, 4))
    for row in range(rows):
        for column in range(columns):
            down, right = row / (rows - 1), column / (columns - 1)
            distances[row, column] = down, right, 1 - down, 1 - right
    return features + distances @ kernel + bias


def encoded(encoder, images):
    """Features of images in [-1, 1]."""
    features = np.asarray(images, np.float64)
    for layer in encoder.convolutions:
        features = np.maximum(convolution(features, *weights(layer), layer.strides[0]), 0)
    features = placed(features, *weights(encoder.position_embedding))
    features = features.reshape(len(features), -1, features.shape[-1])
    features = layer_norm(features, *weights(encoder.norm))
    kernel, bias = weights(encoder.hidden)
    features = np.maximum(features @ kernel + bias, 0)
    kernel, bias = weights(encoder.output_layer)
    return features @ kernel + bias


def gru(inputs, state, kernel, recurrent_kernel, bias):
    size = state.shape[-1]
    of_inputs, of_state = inputs @ kernel + bias[0], state @ recurrent_kernel + bias[1]
    update = sigmoid(of_inputs[..., :size] + of_state[..., :size])
    reset = sigmoid(of_inputs[..., size : 2 * size] + of_state[..., size : 2 * size])
    candidate = np.tanh(of_inputs[..., 2 * size :] + reset * of_state[..., 2 * size :])
    return update * state + (1 - update) * candidate


def attended(module, features, slots, num_iterations=None):
    """Algorithm 1: slots `[N, K, D]` after the iterations, of features `[N, P, C]` and the slots to start from."""
    features = layer_norm(np.asarray(features, np.float64), *weights(module.input_norm))
    (query,), (key,), (value,) = weights(module.query), weights(module.key), weights(module.value)
    slots = np.asarray(slots, np.float64)
    for _ in range(num_iterations or module.num_iterations):
        queries = layer_norm(slots, *weights(module.slot_norm)) @ query
        scores = np.einsum("npd,nkd->npk", features @ key, queries) / np.sqrt(slots.shape[-1])
        attention = softmax(scores, axis=-1) + module.epsilon
        means = np.einsum("npk,npd->nkd", attention, features @ value) / attention.sum(1)[..., None]
        slots = gru(means, slots, *weights(module.gru))
        (first, first_bias), (second, second_bias) = weights(module.mlp_hidden), weights(module.mlp_output)
        hidden = np.maximum(layer_norm(slots, *weights(module.mlp_norm)) @ first + first_bias, 0)
        slots = slots + hidden @ second + second_bias
    return slots


def decoded(decoder, slots):
    """Colours `[N, H, W, 3]` in [-1, 1] and mask logits `[N, H, W]` of slots `[N, D]`."""
    rows, columns = (-(-side // 2 ** len(decoder.upsamplings)) for side in decoder.frame_size)
    features = np.broadcast_to(
        np.asarray(slots, np.float64)[:, None, None], (len(slots), rows, columns, slots.shape[1])
    )
    features = placed(features, *weights(decoder.position_embedding))
    for kernel, bias in map(weights, decoder.cell_layers):
        features = np.maximum(features @ kernel + bias, 0)
    for layer in decoder.upsamplings:
        features = np.maximum(transposed_convolution(features, *weights(layer)), 0)
    for layer in decoder.convolutions:
        features = np.maximum(convolution(features, *weights(layer)), 0)
    output = convolution(features, *weights(decoder.output_layer))
    output = output[:, : decoder.frame_size[0], : decoder.frame_size[1]]
    return output[..., :3], output[..., 3]


def mixed(colours, logits):
    """A picture `[H, W, 3]` of `[K, H, W, 3]` and `[K, H, W]`."""
    return (softmax(logits, axis=0)[..., None] * colours).sum(0)
