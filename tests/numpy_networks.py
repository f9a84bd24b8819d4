"""Networks by NumPy in float64, one tap of a kernel at a time, to compare layers with."""

import itertools

import numpy as np


def weights_of(layer):
    """A layer's weights in their order, float64."""
    return [weight.astype(np.float64) for weight in layer.get_weights()]


def convolution(images, kernel, bias=0.0, stride=1, padding="same"):
    """`[N, rows, columns, C]`; with 'same' an output for every stride, zeros around as evenly as they divide."""
    size, sides = len(kernel), images.shape[1:3]
    if padding == "same":
        missing = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in sides]
        around = [(total // 2, total - total // 2) for total in missing]
        images = np.pad(images, [(0, 0), *around, (0, 0)])
    rows, columns = ((side - size) // stride + 1 for side in images.shape[1:3])
    result = np.zeros((len(images), rows, columns, kernel.shape[-1]))
    for row, column in itertools.product(range(size), repeat=2):
        taken = images[:, row : row + stride * rows : stride, column : column + stride * columns : stride]
        result += taken @ kernel[row, column]
    return result + bias


def relu(values):
    return np.maximum(values, 0.0)


def log_sigmoid(values):
    return -np.logaddexp(0.0, -values)


def log_softmax(values, axis):
    return values - np.logaddexp.reduce(values, axis=axis, keepdims=True)


def unet(layer, frames, log_scope):
    """MONet's attention network; `[N, H, W]` logits."""

    def block(part, features):
        kernel, scale, bias = weights_of(part)
        features = convolution(features, kernel)
        mean, variance = features.mean((1, 2), keepdims=True), features.var((1, 2), keepdims=True)
        return relu(scale * (features - mean) / np.sqrt(variance + 1e-5) + bias)

    features, beside = np.concatenate([frames, log_scope[..., None]], -1), []
    for number, part in enumerate(layer.down):
        if number:
            features = features[:, ::2, ::2]
        features = block(part, features)
        beside.append(features)
    flat = features.reshape(len(features), -1)
    for dense in (*layer.hidden_layers, layer.dense_output):
        kernel, bias = weights_of(dense)
        flat = relu(flat @ kernel + bias)
    features = flat.reshape(features.shape)
    for part in layer.up:
        skip = beside.pop()
        sides = zip(skip.shape[1:3], features.shape[1:3], strict=True)
        rows, columns = ((np.arange(side) * before) // side for side, before in sides)  # nearest neighbours
        features = block(part, np.concatenate([features[:, rows][:, :, columns], skip], -1))
    return convolution(features, *weights_of(layer.output_layer))[..., 0]


def attention_masks(layer, frames, num_slots):
    """Masks as a product of shares; `[N, K, H, W]`."""
    scope, masks = np.ones(frames.shape[:3]), []
    for _ in range(num_slots - 1):
        share = 1 / (1 + np.exp(-unet(layer, frames, np.log(scope))))
        masks.append(scope * share)
        scope = scope * (1 - share)
    return np.stack([*masks, scope], 1)


def component_posterior(layer, frames, log_mask):
    """MONet's encoder of one slot, `[N, D]` means and log scales (of which none is clipped)."""
    features = np.concatenate([frames, log_mask[..., None]], -1)
    for part in layer.convolutions:
        features = relu(convolution(features, *weights_of(part), stride=2))
    (kernel, bias), means, log_scales = (
        weights_of(part) for part in (layer.head.hidden, layer.head.mean, layer.head.log_scale)
    )
    hidden = relu(features.reshape(len(features), -1) @ kernel + bias)
    return hidden @ means[0] + means[1], hidden @ log_scales[0] + log_scales[1]


def broadcast_decoded(layer, latents, frame_size):
    """RGB and mask logit of latents `[N, D]`, `[N, H, W, 4]`: convolutions of the whole canvas."""
    layers = [*layer.hidden_layers, layer.output_layer]
    margin = 0 if layer.padding == "same" else sum(len(weights_of(part)[0]) - 1 for part in layers)
    rows, columns = (side + margin for side in frame_size)
    canvas = np.zeros((len(latents), rows, columns, latents.shape[-1] + 2))
    canvas[..., :-2] = latents[:, None, None]
    # A single row lies in the middle.
    canvas[..., -2] = np.linspace(-1, 1, rows)[:, None] if rows > 1 else 0
    canvas[..., -1] = np.linspace(-1, 1, columns)
    for part in layers[:-1]:
        canvas = convolution(canvas, *weights_of(part), padding=layer.padding)
        canvas = relu(canvas) if layer.activation.__name__ == "relu" else np.where(canvas > 0, canvas, np.expm1(canvas))
    return convolution(canvas, *weights_of(layers[-1]), padding=layer.padding)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def pose_map(viewpoints, map_size, coordinates):
    """Viewpoints `[N, D]` at every place of GQN's maps, and where the place is if that is asked for."""
    rows, columns = map_size
    pose = np.broadcast_to(viewpoints[:, None, None], (len(viewpoints), rows, columns, viewpoints.shape[-1]))
    if not coordinates:
        return pose
    places = [[(2 * i / (rows - 1) - 1, 2 * j / (columns - 1) - 1) for j in range(columns)] for i in range(rows)]
    return np.concatenate([pose, np.broadcast_to(places, (len(viewpoints), rows, columns, 2))], -1)


def tower(layer, frames, viewpoints):
    """GQN's representation of views, `[N, H / 4, W / 4, C]`."""

    def step(part, features):
        return relu(convolution(features, *weights_of(part), stride=part.strides[0]))

    features = step(layer.first, frames)
    features = step(layer.image_wide, step(layer.image_narrow, features)) + step(layer.image_around, features)
    pose = pose_map(viewpoints, features.shape[1:3], layer.coordinates)
    posed = np.concatenate([features, pose], -1)
    features = step(layer.posed_wide, step(layer.posed_narrow, posed)) + step(layer.posed_around, posed)
    return step(layer.last, features)


def conv_lstm(layer, inputs, hidden, cell):
    """The next hidden state and cell; the forget gate has 1 added."""
    gates = convolution(np.concatenate([inputs, hidden], -1), *weights_of(layer.gates))
    entered, kept, candidate, shown = np.split(gates, 4, -1)
    cell = sigmoid(kept + 1) * cell + sigmoid(entered) * np.tanh(candidate)
    return sigmoid(shown) * np.tanh(cell), cell


def spread_over_blocks(features, layer):
    """A transposed convolution whose stride is the size of its kernel: every place becomes a block of its own."""
    kernel, bias = weights_of(layer)  # [rows, columns, to, from]
    count, rows, columns, _ = features.shape
    side, channels = len(kernel), kernel.shape[2]
    blocks = np.einsum("nijc,abdc->niajbd", features, kernel)
    return blocks.reshape(count, side * rows, side * columns, channels) + bias


def drawn_views(layer, representation, viewpoints, images=None, noises=None):
    """GQN's generator: colours, and the parameters (mean, log scale) of each step's prior and posterior."""
    count, rows, columns, _ = representation.shape
    scene = np.concatenate([representation, pose_map(viewpoints, (rows, columns), layer.coordinates)], -1)
    for part in layer.scene_layers:
        kernel, bias = weights_of(part)
        scene = relu(scene @ kernel + bias)
    hidden = cell = seen_hidden = seen_cell = np.zeros((count, rows, columns, layer.hidden_channels))
    canvas = np.zeros((count, 4 * rows, 4 * columns, layer.canvas_channels))
    priors, posteriors = [], []
    for step in range(layer.num_steps):
        core = layer.cores[step % len(layer.cores)]
        priors.append(np.split(convolution(hidden, *weights_of(core.prior)), 2, -1))
        mean, log_scale = priors[-1]
        if images is not None:
            look = convolution(np.concatenate([images, canvas], -1), *weights_of(core.look), stride=4)
            inputs = np.concatenate([hidden, look, scene], -1)
            seen_hidden, seen_cell = conv_lstm(core.inference, inputs, seen_hidden, seen_cell)
            posteriors.append(np.split(convolution(seen_hidden, *weights_of(core.posterior)), 2, -1))
            mean, log_scale = posteriors[-1]
        latents = mean if noises is None else mean + np.exp(log_scale) * noises[step]
        hidden, cell = conv_lstm(core.generator, np.concatenate([scene, latents], -1), hidden, cell)
        canvas = canvas + spread_over_blocks(hidden, core.paint)
    return convolution(canvas, *weights_of(layer.colours)), priors, posteriors


def fourier_features(values, octaves):
    """The values, then sine and cosine of each octave."""
    angles = [values * np.pi * 2**octave for octave in range(octaves)]
    return np.concatenate([values, *(part for angle in angles for part in (np.sin(angle), np.cos(angle)))], -1)


def radiance(layer, points, directions, latents):
    """NeRF-VAE's field at points `[B, P, S, 3]` in directions `[B, P, 3]` by latents `[B, D]`."""

    def dense(part, values):
        return values @ weights_of(part)[0] + (weights_of(part)[1] if part.use_bias else 0.0)

    def modulated(values, part):
        scale, shift = np.split(dense(part, latents)[:, None, None], 2, -1)
        return relu(values * (1 + scale) + shift)

    hidden = fourier_features(points, layer.point_octaves)
    for number, (part, modulation) in enumerate(zip(layer.hidden_layers, layer.modulations, strict=True)):
        added = modulated(dense(part, hidden), modulation)
        hidden = hidden + added if number else added
    towards = dense(layer.direction_input, fourier_features(directions, layer.direction_octaves))[:, :, None]
    colours = modulated(dense(layer.colour_hidden, hidden) + towards, layer.colour_modulation)
    return np.logaddexp(0.0, dense(layer.density, hidden))[..., 0], sigmoid(dense(layer.colour, colours))
