"""Which cameras are near which."""

import numpy as np

from simone_tf.camera_conventions import location_and_rotation

_ROUNDING = 1e-5  # of poses in float32


def camera_distances(cameras: np.ndarray, others: np.ndarray, convention: str | None) -> np.ndarray:
    """How far cameras are from others, `[..., N, M]` float64.

    The root of the squared distance of the places, in the world's units, plus the squared difference of the rotation
    matrices (Frobenius; 8 at opposite directions). Of numbers that nobody knows the meaning of, `convention` None, it
    is their Euclidean distance.

    Args:
      cameras: `[..., N, C]`.
      others: `[..., M, C]`.
      convention: what the numbers are, see `camera_conventions`.

    Raises:
      UserError: the numbers do not follow the convention.
    """
    places, other_places = (_places(np.asarray(numbers, np.float64), convention) for numbers in (cameras, others))
    return np.linalg.norm(places[..., :, np.newaxis, :] - other_places[..., np.newaxis, :, :], axis=-1)


def nearest_cameras(cameras: np.ndarray, others: np.ndarray, convention: str | None) -> np.ndarray:
    """For each of `cameras [..., N, C]` the index of the nearest of `others [..., M, C]`: `[..., N]` int.

    Of several as near as each other but for rounding it is the first.
    """
    distances = camera_distances(cameras, others, convention)
    return np.argmax(distances <= distances.min(axis=-1, keepdims=True) + _ROUNDING, axis=-1)


def _places(numbers: np.ndarray, convention: str | None) -> np.ndarray:
    if convention is None:
        return numbers
    location, rotation = location_and_rotation(numbers, convention)
    return np.concatenate([location, rotation.reshape(*rotation.shape[:-2], 9)], axis=-1)
