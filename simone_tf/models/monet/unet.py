"""MONet's attention network: a U-Net that says which part of what is left of a frame comes next."""

from typing import Any

import keras
import tensorflow as tf

from simone_tf.checks import check_values, sizes, whole
from simone_tf.errors import UserError


class InstanceNorm(keras.layers.Layer):
    """Zero mean and unit variance of every channel of every image, then a scale and a bias for each channel.

    Args:
        epsilon: added to the variance.
    """

    def __init__(self, epsilon: float = 1e-5, name: str | None = None) -> None:
        super().__init__(name=name)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Normalises `[N, H, W, C]`; the statistics are taken in float32."""
        scale, bias = (tf.cast(tf.convert_to_tensor(weight), tf.float32) for weight in (self.scale, self.bias))
        mean, variance = tf.nn.moments(tf.cast(images, tf.float32), axes=[1, 2], keepdims=True)
        # One product and one sum for each pixel, whatever the statistics.
        scale *= tf.math.rsqrt(variance + self.epsilon)
        return images * tf.cast(scale, images.dtype) + tf.cast(bias - mean * scale, images.dtype)


class UNetBlock(keras.layers.Layer):
    """3x3 convolution without bias, instance norm, ReLU; `[N, H, W, .]` to `[N, H, W, channels]`."""

    def __init__(self, channels: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.convolution = keras.layers.Conv2D(
            channels, 3, padding="same", use_bias=False, data_format="channels_last", name="convolution"
        )
        self.norm = InstanceNorm(name="norm")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.convolution.build(input_shape)
        self.norm.build((*input_shape[:-1], self.convolution.filters))

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.norm(self.convolution(images)))


class AttentionUNet(keras.layers.Layer):
    """A frame and the log scope, what is left of it, to a logit for each pixel (paper, section 2.2 and appendix).

    Blocks go down, each at half the size of the one before; three dense layers with ReLU change the smallest map; as
    many blocks go up, each of which is also given what the block of its size on the way down made; a 1x1 convolution
    gives the logit. Halving takes every other pixel, rounded up, and doubling repeats pixels and cuts what is too many,
    so that frames may have any size.

    Args:
        channels: channels of the blocks on the way down, so also the number of blocks; mirrored on the way up. The
            paper does not say them; public code for frames of 64x64 pixels has 32, 32, 64, 64, 64, for 128x128 a block
            more.
        hidden_size: units of the two hidden dense layers.

    Raises:
        UserError: a value is of a wrong kind or out of range; while building, a frame is too small for so many blocks.
    """

    def __init__(
        self, channels: tuple[int, ...] = (32, 32, 64, 64, 64), hidden_size: int = 128, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        values = {"channels": channels, "hidden_size": hidden_size}
        check_values("AttentionUNet", values, {"channels": sizes("block"), "hidden_size": whole(1)})
        channels = tuple(channels)
        self.channels = channels
        self.down = tuple(UNetBlock(count, name=f"down_{index}") for index, count in enumerate(channels))
        self.hidden_layers = tuple(
            keras.layers.Dense(hidden_size, activation="relu", name=f"hidden_{index}") for index in range(2)
        )
        # A block on the way up has the channels of the block on the way down that it meets next.
        mirrored = (*channels[-2::-1], channels[0])
        self.up = tuple(UNetBlock(count, name=f"up_{index}") for index, count in enumerate(mirrored))
        self.output_layer = keras.layers.Conv2D(1, 1, data_format="channels_last", name="output_layer")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the weights for frames `(None, H, W, 3)`."""
        height, width = input_shape[1:3]
        maps = [(height, width)]
        for _ in self.channels[1:]:
            maps.append((-(-maps[-1][0] // 2), -(-maps[-1][1] // 2)))
        if maps[-1] == (1, 1):  # Of one pixel instance norm leaves nothing.
            raise UserError(
                f"AttentionUNet.channels has {len(maps)} blocks, which leave one pixel of frames of {height}x{width}: "
                f"give at most {maps.index((1, 1))} numbers."
            )
        arriving = input_shape[-1] + 1
        for block, size in zip(self.down, maps, strict=True):
            block.build((None, *size, arriving))
            arriving = block.convolution.filters
        self.smallest = (*maps[-1], arriving)
        self.dense_output = keras.layers.Dense(
            self.smallest[0] * self.smallest[1] * arriving, activation="relu", name="dense_output"
        )
        features = self.dense_output.units
        for layer in (*self.hidden_layers, self.dense_output):
            layer.build((None, features))
            features = layer.units
        for block, met, size in zip(self.up, reversed(self.channels), reversed(maps), strict=True):
            block.build((None, *size, arriving + met))
            arriving = block.convolution.filters
        self.output_layer.build((None, height, width, arriving))

    def call(self, frames: tf.Tensor, log_scope: tf.Tensor) -> tf.Tensor:
        """Which pixels come next.

        Args:
            frames: `[N, H, W, 3]` float32 in [0, 1].
            log_scope: `[N, H, W]` float32, logarithm of the share of each pixel that no slot has yet.

        Returns:
            `[N, H, W]` float32, the logit of the share of the scope that the next slot takes.
        """
        features = tf.cast(tf.concat([frames, log_scope[..., None]], axis=-1), self.compute_dtype)
        met: list[tf.Tensor] = []
        for block in self.down:
            features = block(features if not met else features[:, ::2, ::2])
            met.append(features)
        flat = tf.reshape(features, [-1, self.smallest[0] * self.smallest[1] * self.smallest[2]])
        for layer in (*self.hidden_layers, self.dense_output):
            flat = layer(flat)
        features = tf.reshape(flat, [-1, *self.smallest])
        for block, beside in zip(self.up, reversed(met), strict=True):
            features = block(tf.concat([_enlarged(features, *beside.shape[1:3]), beside], axis=-1))
        return tf.cast(self.output_layer(features)[..., 0], tf.float32)


def _enlarged(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Every pixel twice in rows and columns, cut to the size; as it is where it has the size."""
    rows, columns, channels = images.shape[1:]
    if (rows, columns) == (height, width):
        return images
    doubled = tf.broadcast_to(images[:, :, None, :, None], [tf.shape(images)[0], rows, 2, columns, 2, channels])
    return tf.reshape(doubled, [-1, 2 * rows, 2 * columns, channels])[:, :height, :width]
