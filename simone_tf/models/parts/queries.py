"""Which pixels are decoded: a query is a list of (frame, coordinates), so a full clip, a grid or a subset are alike."""

from typing import NamedTuple

import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.parts.positions import pixel_coordinates


class Query(NamedTuple):
    """What the decoder is asked for. The leading axis may be 1 when all clips of a batch are asked the same."""

    frames: tf.Tensor  # [B, P] int32, frame number of each query
    coordinates: tf.Tensor  # [B, P, 2] float32, (row, column) in [-1, 1] over the full frame


def query_at(indices: tf.Tensor, height: int, width: int) -> Query:
    """The query of flat pixel numbers.

    Args:
        indices: `[P]` int32 in [0, T * H * W), numbered frame by frame, row by row.
        height, width: size of a frame in pixels.

    Returns:
        `Query` of `[1, P]` and `[1, P, 2]`.
    """
    coordinates = tf.gather(tf.constant(pixel_coordinates(height, width)), indices % (height * width))
    return Query(frames=(indices // (height * width))[None], coordinates=coordinates[None])


def full_query(num_frames: int, height: int, width: int) -> Query:
    """Every pixel of a clip, in the order of `tf.reshape(video, [B, T * H * W, 3])`."""
    return query_at(tf.range(num_frames * height * width), height, width)


class StridedQueries:
    """Td frames chosen at random and in each the same strided grid of pixels at a random offset.

    Args:
        num_frames: Td, frames decoded in a step.
        stride: step of the grid in rows and columns; 2 decodes a quarter of the pixels.
    """

    def __init__(self, num_frames: int = 8, stride: int = 2) -> None:
        self.num_frames = num_frames
        self.stride = stride

    def sample(self, num_frames: int, height: int, width: int, seed: tf.Tensor) -> tf.Tensor:
        """Draws `[Td * (H / stride) * (W / stride)]` int32 flat pixel numbers, all different.

        Raises:
            UserError: if Td exceeds T, or the stride does not divide H and W.
        """
        if self.num_frames > num_frames:
            raise UserError(
                f"StridedQueries.num_frames is {self.num_frames}, but a clip has {num_frames} frames: decode at most "
                "as many as there are."
            )
        if height % self.stride or width % self.stride:
            raise UserError(f"StridedQueries.stride {self.stride} does not divide frames of {height}x{width} pixels.")
        seeds = tf.random.split(seed, 2)
        order = tf.argsort(tf.random.stateless_uniform([num_frames], seeds[0]))
        frames = tf.sort(order[: self.num_frames])
        offset = tf.random.stateless_uniform([2], seeds[1], maxval=self.stride, dtype=tf.int32)
        rows = tf.range(0, height, self.stride) + offset[0]
        columns = tf.range(0, width, self.stride) + offset[1]
        indices = frames[:, None, None] * (height * width) + rows[None, :, None] * width + columns[None, None, :]
        return tf.reshape(indices, [self.num_frames * (height // self.stride) * (width // self.stride)])


class RandomQueries:
    """A uniformly random subset of a clip's pixels, drawn without replacement.

    Args:
        num_pixels: P, pixels decoded in a step.
    """

    def __init__(self, num_pixels: int = 384) -> None:
        self.num_pixels = num_pixels

    def sample(self, num_frames: int, height: int, width: int, seed: tf.Tensor) -> tf.Tensor:
        """Draws `[num_pixels]` int32 flat pixel numbers, all different.

        Raises:
            UserError: if more pixels are asked for than the clip has.
        """
        total = num_frames * height * width
        if self.num_pixels > total:
            raise UserError(f"RandomQueries.num_pixels is {self.num_pixels}, but a clip has only {total} pixels.")
        return tf.math.top_k(tf.random.stateless_uniform([total], seed), self.num_pixels, sorted=False).indices
