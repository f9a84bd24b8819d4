"""Gaussian posteriors of one thing, inferred from several overlapping windows, made into one."""

import numpy as np


def pool(means: np.ndarray, log_scales: np.ndarray | None, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Combines diagonal Gaussians by precision: their weighted geometric mean, normalised.

    Overlapping windows saw the same frames. Multiplying their posteriors would count these frames once per window; the
    geometric mean is as certain as they are on (weighted) average.

    Args:
      means, log_scales: `[N, D]`; log scales are natural logarithms of standard deviations. None: the means are points,
        of which the weighted mean is taken.
      weights: `[N]`, positive; only their ratios matter.

    Returns:
      Mean and log scale, `[D]` float32 each; of points the mean and None.
    """
    if log_scales is None:
        return np.average(np.asarray(means, np.float64), axis=0, weights=weights).astype(np.float32), None
    shares = (np.asarray(weights, np.float64) / np.sum(weights))[:, np.newaxis]
    precisions = shares * np.exp(-2.0 * np.asarray(log_scales, np.float64))
    total = precisions.sum(0)
    mean = (precisions * means).sum(0) / total
    return mean.astype(np.float32), (-0.5 * np.log(total)).astype(np.float32)


def pool_with_spread(
    means: np.ndarray, log_scales: np.ndarray | None, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `pool`, but the variance also holds how far the means lie apart.

    What windows disagree about comes out uncertain: an object's place, which each window tells as it sees it, while its
    looks stay certain.
    """
    mean, log_scale = pool(means, log_scales, weights)
    if log_scale is None:
        return mean, None
    shares = (np.asarray(weights, np.float64) / np.sum(weights))[:, np.newaxis]
    spread = (shares * np.square(np.asarray(means, np.float64) - mean)).sum(0)
    return mean, (0.5 * np.log(np.exp(2.0 * log_scale.astype(np.float64)) + spread)).astype(np.float32)
