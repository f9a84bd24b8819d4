"""Which pixels are decoded: a query is a list of (frame, coordinates), so a full clip, a grid or a subset are alike."""

from typing import NamedTuple

import numpy as np
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
        indices: `[B or 1, P]` int32 in [0, T * H * W), numbered frame by frame, row by row.
        height, width: size of a frame in pixels.

    Returns:
        `Query` of `[B or 1, P]` and `[B or 1, P, 2]`.
    """
    coordinates = tf.gather(tf.constant(pixel_coordinates(height, width)), indices % (height * width))
    return Query(frames=indices // (height * width), coordinates=coordinates)


def pixels_at(video: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """The colours `[B, P, 3]` of pixels `[B or 1, P]`, numbered as for `query_at`, of `[B, T, H, W, 3]` video."""
    pixels = tf.reshape(video, [-1, video.shape[1] * video.shape[2] * video.shape[3], 3])
    if indices.shape[0] == 1:
        return tf.gather(pixels, indices[0], axis=1)
    return tf.gather(pixels, indices, axis=1, batch_dims=1)


def full_query(num_frames: int, height: int, width: int) -> Query:
    """Every pixel of a clip, in the order of `tf.reshape(video, [B, T * H * W, 3])`."""
    return query_at(tf.range(num_frames * height * width)[None], height, width)


def at_frames(per_frame: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """`[B, P, D]`: what belongs to each query's frame, of `[B, T, D]` and `frames [B or 1, P]`."""
    if frames.shape[0] == 1:
        return tf.gather(per_frame, frames[0], axis=1)
    return tf.gather(per_frame, frames, axis=1, batch_dims=1)


class StridedQueries:
    """Td frames chosen at random and in each the same strided grid of pixels at a random offset.

    Args:
        num_frames: Td, frames decoded in a step.
        stride: step of the grid in rows and columns; 2 decodes a quarter of the pixels.
    """

    def __init__(self, num_frames: int = 8, stride: int = 2) -> None:
        self.num_frames = num_frames
        self.stride = stride

    def sample(
        self, num_frames: int, height: int, width: int, seed: tf.Tensor, num_clips: int | tf.Tensor
    ) -> tf.Tensor:
        """Draws `[1, Td * (H / stride) * (W / stride)]` int32 flat pixel numbers, all different, for all clips.

        Raises:
            UserError: if Td exceeds T, or the stride does not divide H and W.
        """
        del num_clips
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
        return tf.reshape(indices, [1, self.num_frames * (height // self.stride) * (width // self.stride)])


class RandomQueries:
    """A uniformly random subset of a clip's pixels, drawn without replacement.

    Args:
        num_pixels: P, pixels decoded in a step.
    """

    def __init__(self, num_pixels: int = 384) -> None:
        self.num_pixels = num_pixels

    def sample(
        self, num_frames: int, height: int, width: int, seed: tf.Tensor, num_clips: int | tf.Tensor
    ) -> tf.Tensor:
        """Draws `[1, num_pixels]` int32 flat pixel numbers, all different, for all clips.

        Raises:
            UserError: if more pixels are asked for than the clip has.
        """
        del num_clips
        total = _checked_total("RandomQueries", self.num_pixels, num_frames, height, width)
        return tf.math.top_k(tf.random.stateless_uniform([1, total], seed), self.num_pixels, sorted=False).indices


class StratifiedQueries:
    """One pixel at random from each of P equal parts of a clip, drawn anew for every clip of a batch.

    Pixels are numbered frame by frame and row by row, so that a part is some rows of a frame. Parts make the pixels of
    a step cover every clip evenly, and other pixels of every clip make what one step sees of the whole vary less: with
    the same pixels for all clips their errors by chance go the same way. A batch on several replicas draws other pixels
    than the same batch on one device.

    Args:
        num_pixels: P, pixels of a clip decoded in a step.
    """

    def __init__(self, num_pixels: int = 384) -> None:
        self.num_pixels = num_pixels

    def sample(
        self, num_frames: int, height: int, width: int, seed: tf.Tensor, num_clips: int | tf.Tensor
    ) -> tf.Tensor:
        """Draws `[num_clips, num_pixels]` int32 flat pixel numbers, those of a clip all different.

        Raises:
            UserError: if more pixels are asked for than the clip has.
        """
        total = _checked_total("StratifiedQueries", self.num_pixels, num_frames, height, width)
        # In whole numbers, so that parts never overlap; where P does not divide the clip they differ by one pixel.
        edges = np.arange(self.num_pixels + 1, dtype=np.int64) * total // self.num_pixels
        first, size = tf.constant(edges[:-1], tf.int32), np.diff(edges)
        uniform = tf.random.stateless_uniform([num_clips, self.num_pixels], seed)
        within = tf.cast(uniform * tf.constant(size, tf.float32), tf.int32)
        return first + tf.minimum(within, tf.constant(size - 1, tf.int32))  # Products may be rounded up.


def _checked_total(name: str, num_pixels: int, num_frames: int, height: int, width: int) -> int:
    """The pixels of a clip, which are enough."""
    total = num_frames * height * width
    if num_pixels > total:
        raise UserError(f"{name}.num_pixels is {num_pixels}, but a clip has only {total} pixels.")
    return total


Queries = StridedQueries | RandomQueries | StratifiedQueries
"""What may choose the pixels that a training step decodes."""
