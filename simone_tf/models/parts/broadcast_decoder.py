"""The spatial broadcast decoder (Watters et al., 2019): a latent spread over the frame, convolved into an image."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from simone_tf.checks import check_values, one_of, sizes, whole
from simone_tf.models.parts.positions import pixel_coordinates
from simone_tf.models.parts.recomputation import Recomputable, Recomputation


class DecodedFrames(NamedTuple):
    """What a decoder of whole frames says, of latents `[N, D]`; of latents `[B, K, T, D]` N stands for `B, K, T`."""

    rgb: tf.Tensor  # [N, H, W, 3] float32
    mask_logits: tf.Tensor  # [N, H, W] float32, unnormalised log weight


class BroadcastDecoder(Recomputable):
    """Spreads each latent over a canvas, adds two linear coordinates, and convolves with stride 1.

    It is built for the size of a latent and the size of a frame. With padding 'valid' the canvas is larger than the
    frame by what the convolutions take away, so that all pixels are computed alike; the coordinates run from -1 to 1
    over the canvas.

    The latent is the same at every place, so the first convolution of it is too, but for the border of padding 'same'.
    It is computed for as many places as differ and spread afterwards; that of the coordinates is computed once for all
    latents. The result is the convolution of the concatenated canvas.

    Args:
        channels: channels of every hidden convolution (MONet as in public code: 32, 32, 64, 64).
        kernel_size: rows and columns of their kernels.
        padding: 'valid' or 'same'.
        activation: after every hidden convolution, 'relu' or 'elu'.
        output_kernel_size: rows and columns of the last convolution's kernel, which gives RGB and a mask logit.
        rgb_activation: 'sigmoid', or None for colours that are not bounded.

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 32, 64, 64),
        kernel_size: int = 3,
        padding: str = "valid",
        activation: str = "relu",
        output_kernel_size: int = 1,
        rgb_activation: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        values = {
            "channels": channels,
            "kernel_size": kernel_size,
            "padding": padding,
            "activation": activation,
            "output_kernel_size": output_kernel_size,
            "rgb_activation": rgb_activation,
        }
        check_values("BroadcastDecoder", values, _CHECKS)
        self.kernel_size = kernel_size
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.rgb_activation = rgb_activation

        def convolution(filters: int, size: int, name: str) -> keras.layers.Conv2D:
            # Whatever the user's keras.json says, channels come last.
            return keras.layers.Conv2D(filters, size, padding=padding, data_format="channels_last", name=name)

        self.hidden_layers = tuple(
            convolution(filters, kernel_size, f"conv_{index}") for index, filters in enumerate(channels)
        )
        self.output_layer = convolution(4, output_kernel_size, "output_layer")

    def build(self, latents_shape: tuple[Any, ...], frame_shape: tuple[Any, ...]) -> None:
        """Creates the weights.

        Args:
            latents_shape: `(None, D)`.
            frame_shape: `(None, H, W, 3)`, the frames that are decoded.
        """
        self.latent_size = latents_shape[-1]
        self.frame_size = tuple(frame_shape[1:3])
        layers = (*self.hidden_layers, self.output_layer)
        margin = 0 if self.padding == "same" else sum(layer.kernel_size[0] - 1 for layer in layers)
        rows, columns = (size + margin for size in self.frame_size)
        self.coordinates = pixel_coordinates(rows, columns).reshape(1, rows, columns, 2)
        shape = (None, rows, columns, self.latent_size + 2)
        for layer in layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, latents: tf.Tensor) -> DecodedFrames:
        """Decodes `[N, D]` latents into `DecodedFrames` of `[N, H, W, 3]` and `[N, H, W]`, float32."""
        if self.recomputation is None:
            return self._decoded(latents)
        widest = max(layer.filters for layer in self.hidden_layers)
        return decode_recomputed(self.recomputation, self._decoded, latents, self.frame_size, widest)

    def _decoded(self, latents: tf.Tensor) -> DecodedFrames:
        hidden = self.activation(self._first(tf.cast(latents, self.compute_dtype)))
        for layer in self.hidden_layers[1:]:
            hidden = self.activation(layer(hidden))
        output = tf.cast(self.output_layer(hidden), tf.float32)
        rgb = output[..., :3]
        return DecodedFrames(tf.sigmoid(rgb) if self.rgb_activation == "sigmoid" else rgb, output[..., 3])

    def _first(self, latents: tf.Tensor) -> tf.Tensor:
        """The first convolution of the canvas `[N, rows, columns, D + 2]`, which is never made."""
        layer, size, padding = self.hidden_layers[0], self.kernel_size, self.padding.upper()
        kernel = tf.cast(tf.convert_to_tensor(layer.kernel), self.compute_dtype)
        bias = tf.cast(tf.convert_to_tensor(layer.bias), self.compute_dtype)
        coordinates = tf.constant(self.coordinates, self.compute_dtype)
        rows, columns = coordinates.shape[1:3]
        # A canvas as large as the kernel has one place of each kind: those near a border, and one inside.
        kinds = [tf.shape(latents)[0], min(rows, size), min(columns, size), self.latent_size]
        of_latents = tf.nn.conv2d(tf.broadcast_to(latents[:, None, None], kinds), kernel[:, :, :-2], 1, padding)
        if self.padding == "same":
            of_latents = _spread(_spread(of_latents, rows, axis=1), columns, axis=2)
        return of_latents + (tf.nn.conv2d(coordinates, kernel[:, :, -2:], 1, padding) + bias)


def decode_recomputed(
    recomputation: Recomputation,
    decode: Callable[[tf.Tensor], DecodedFrames],
    latents: tf.Tensor,
    frame_size: tuple[int, int],
    channels: int,
) -> DecodedFrames:
    """`decode(latents)` of a decoder of whole frames that recomputes, some frames at a time.

    Args:
        recomputation: that of the decoder.
        decode: latents `[N, D]` to `DecodedFrames`.
        latents: `[N, D]`.
        frame_size: (H, W) in pixels.
        channels: of its widest hidden layer at the frame's size.
    """
    places = [latents.shape[0], *frame_size]
    found = recomputation.in_chunks(decode, [latents], [0], places, axis=0, results=((3,), ()), width=channels)
    return DecodedFrames(*found)


def decode_frames(
    decode: Callable[[tf.Tensor], DecodedFrames],
    latents: tf.Tensor,
    frame_size: tuple[int, int],
    chunk_size: int | tf.Tensor | None = None,
) -> DecodedFrames:
    """Decodes every frame of clips, some frames at a time, which bounds the memory and leaves the result the same.

    Args:
        decode: latents `[N, D]` to `DecodedFrames`, such as a built `BroadcastDecoder`; what it gives of one latent
            does not depend on the others.
        latents: `[B, K, T, D]` float32; K and D are static.
        frame_size: (H, W) in pixels, which it decodes.
        chunk_size: pixels of a clip decoded at a time, an int or a scalar int32 tensor; as many whole frames as that
            holds are decoded at a time, and at least one. None for all at once.

    Returns:
        `DecodedFrames` of `[B, K, T, H, W, 3]` and `[B, K, T, H, W]`.
    """
    height, width = frame_size
    slots, num_frames, size = latents.shape[1:]
    batch = latents.shape[0] or tf.shape(latents)[0]
    if num_frames is None:
        num_frames = tf.shape(latents)[2]

    def decoded(part: tf.Tensor, length: int | tf.Tensor) -> DecodedFrames:
        rgb, mask_logits = decode(tf.reshape(part, [-1, size]))
        shape = [batch, slots, length, height, width]
        return DecodedFrames(tf.reshape(rgb, [*shape, 3]), tf.reshape(mask_logits, shape))

    if chunk_size is None or (isinstance(chunk_size, int) and _fits(num_frames, height * width, chunk_size)):
        return decoded(latents, num_frames)

    known = isinstance(chunk_size, int)
    per_chunk = chunk_size // (height * width)
    per_chunk = max(1, per_chunk) if known else tf.maximum(1, per_chunk)
    num_chunks = -(-num_frames // per_chunk)
    # All chunks have the same length, as arrays of unequal parts are beyond other runtimes than TensorFlow's; the last
    # is filled up with the last frame.
    numbers = tf.minimum(tf.range(num_chunks * per_chunk), num_frames - 1)
    padded = tf.gather(latents, numbers, axis=2)
    shape = [latents.shape[0], slots, per_chunk if known else None, height, width]

    def decode_chunk(
        number: tf.Tensor, rgb: tf.TensorArray, mask_logits: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.TensorArray]:
        part = decoded(padded[:, :, number * per_chunk : (number + 1) * per_chunk], per_chunk)
        return number + 1, rgb.write(number, part.rgb), mask_logits.write(number, part.mask_logits)

    _, rgb, mask_logits = tf.while_loop(
        lambda number, *_: number < num_chunks,
        decode_chunk,
        (
            tf.constant(0),
            tf.TensorArray(tf.float32, num_chunks, element_shape=[*shape, 3]),
            tf.TensorArray(tf.float32, num_chunks, element_shape=shape),
        ),
        parallel_iterations=1,
    )

    def joined(parts: tf.Tensor) -> tf.Tensor:
        parts = tf.transpose(parts, [1, 2, 0, *range(3, len(parts.shape))])  # [B, K, chunks, frames of a chunk, ...]
        parts = tf.reshape(parts, [batch, slots, num_chunks * per_chunk, *parts.shape[4:]])[:, :, :num_frames]
        return tf.ensure_shape(parts, [latents.shape[0], slots, latents.shape[2], *parts.shape[3:]])

    return DecodedFrames(joined(rgb.stack()), joined(mask_logits.stack()))


def _fits(num_frames: int | tf.Tensor, pixels: int, chunk_size: int) -> bool:
    return isinstance(num_frames, int) and num_frames * pixels <= chunk_size


def _spread(parts: tf.Tensor, length: int, axis: int) -> tf.Tensor:
    """Repeats the place inside along an axis, so that it has the length."""
    size = parts.shape[axis]
    if size == length:
        return parts
    before = (size - 1) // 2  # As many places on this side miss a part of the kernel.
    first, inside, last = tf.split(parts, [before, 1, size - 1 - before], axis=axis)
    return tf.concat([first, tf.repeat(inside, length - size + 1, axis=axis), last], axis=axis)


_CHECKS = {
    "channels": sizes("hidden convolution"),
    "kernel_size": whole(1),
    "padding": one_of("valid", "same"),
    "activation": one_of("relu", "elu"),
    "output_kernel_size": whole(1),
    "rgb_activation": one_of(None, "sigmoid"),
}
