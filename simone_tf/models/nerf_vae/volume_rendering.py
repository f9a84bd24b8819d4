"""How a ray through a field of densities and colours becomes the colour of a pixel (Mildenhall et al., 2020)."""

from typing import NamedTuple

import tensorflow as tf

# Below it a direction is taken to run along a wall of the bounds.
_LEAST_SLOPE = 1e-9
# Of the weights of a ray: where nothing is, points are drawn evenly.
_LEAST_WEIGHT = 1e-5


class Composited(NamedTuple):
    """What is seen along rays."""

    rgb: tf.Tensor  # [..., 3], without what lies behind the last interval
    weights: tf.Tensor  # [..., S], share of each interval in it
    passed: tf.Tensor  # [...], share of what lies behind; with the weights it adds up to 1


def span_inside(
    origins: tf.Tensor, directions: tf.Tensor, low: tuple[float, ...], high: tuple[float, ...]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Distances `[..., 1]` between which rays run inside a box, from their origins on; equal where they miss it.

    Args:
        origins, directions: `[..., 3]` float32.
        low, high: the corners (x, y, z) of the box.
    """
    slopes = tf.where(tf.abs(directions) < _LEAST_SLOPE, _LEAST_SLOPE, directions)
    to_low, to_high = (low - origins) / slopes, (high - origins) / slopes
    near = tf.reduce_max(tf.minimum(to_low, to_high), axis=-1, keepdims=True)
    far = tf.reduce_min(tf.maximum(to_low, to_high), axis=-1, keepdims=True)
    near = tf.maximum(near, 0.0)
    return near, tf.maximum(far, near)


def stratified(near: tf.Tensor, far: tf.Tensor, count: int, noise: tf.Tensor | None) -> tf.Tensor:
    """One distance in each of `count` equal parts of a span, ascending, `[..., count]`.

    Args:
        near, far: `[..., 1]`.
        count: S.
        noise: `[..., S]` in [0, 1), where in its part a distance lies; None for the middles.
    """
    parts = tf.range(count, dtype=tf.float32) + (0.5 if noise is None else noise)
    return near + (far - near) * parts / count


def interval_edges(distances: tf.Tensor, near: tf.Tensor, far: tf.Tensor) -> tf.Tensor:
    """`[..., S + 1]`: the span cut halfway between neighbours of `distances [..., S]`, which ascend in it."""
    return tf.concat([near, 0.5 * (distances[..., 1:] + distances[..., :-1]), far], axis=-1)


def composited(densities: tf.Tensor, rgb: tf.Tensor, edges: tf.Tensor) -> Composited:
    """Adds up what intervals of a ray emit and let through, each of one density and colour.

    An interval of density s and width d lets exp(-s d) of the light behind it through. Only exponentials of what is at
    most 0 are taken: values and gradients are finite for any finite density, none and endless fog alike.

    Args:
        densities: `[..., S]`, at least 0, by the unit of `edges`.
        rgb: `[..., S, 3]`.
        edges: `[..., S + 1]`, ascending.
    """
    depths = densities * (edges[..., 1:] - edges[..., :-1])
    before = tf.exp(-tf.cumsum(depths, axis=-1, exclusive=True))
    weights = before * -tf.math.expm1(-depths)
    passed = tf.exp(-tf.reduce_sum(depths, axis=-1))
    return Composited(tf.reduce_sum(weights[..., None] * rgb, axis=-2), weights, passed)


def resampled(edges: tf.Tensor, weights: tf.Tensor, count: int, noise: tf.Tensor | None) -> tf.Tensor:
    """Distances where the weights are, `[..., count]`, ascending: by the inverse of the distribution that they are.

    Args:
        edges: `[..., S + 1]`, ascending, between which a weight is spread evenly.
        weights: `[..., S]`, at least 0; no gradient leads through them.
        count: F.
        noise: `[..., F]` in [0, 1), one for each F-th of the distribution; None for their middles.
    """
    weights = tf.stop_gradient(weights) + _LEAST_WEIGHT
    ends = tf.cumsum(weights / tf.reduce_sum(weights, axis=-1, keepdims=True), axis=-1)  # [..., S]
    asked = (tf.range(count, dtype=tf.float32) + (0.5 if noise is None else noise)) / count
    asked = tf.broadcast_to(asked, tf.concat([tf.shape(ends)[:-1], [count]], 0))  # [..., F]
    # Which interval each lies in; the last ends at 1 but for rounding.
    where = tf.reduce_sum(tf.cast(asked[..., None] >= ends[..., None, :-1], tf.int32), axis=-1)
    axes = len(edges.shape) - 1

    def at(values: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, places, batch_dims=axes)

    begins = tf.concat([tf.zeros_like(ends[..., :1]), ends[..., :-1]], axis=-1)
    share = (asked - at(begins, where)) / tf.maximum(at(ends, where) - at(begins, where), 1e-12)
    begin, end = at(edges, where), at(edges, where + 1)
    return tf.stop_gradient(begin + tf.clip_by_value(share, 0.0, 1.0) * (end - begin))
