"""SSIM against the formula of Wang et al. written out with SciPy's filters."""

import numpy as np
import pytest
from scipy import ndimage

from simone_tf.evaluation.scores.structural_similarity import structural_similarity


def by_formula(one, other, size):
    """SSIM of two frames `[H, W, 3]` in [0, 1], over all places where the window lies inside."""
    offsets = np.arange(size) - (size - 1) / 2
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def mean(values):
        filtered = ndimage.correlate(values, window, mode="constant")
        cut, height, width = (size - 1) // 2, *values.shape
        return filtered[size // 2 : height - cut, size // 2 : width - cut]

    scores = []
    for channel in range(3):
        a, b = one[..., channel].astype(np.float64), other[..., channel].astype(np.float64)
        of_a, of_b = mean(a), mean(b)
        var_a, var_b = mean(a * a) - of_a**2, mean(b * b) - of_b**2
        both = mean(a * b) - of_a * of_b
        c1, c2 = 0.01**2, 0.03**2
        scores.append((2 * of_a * of_b + c1) * (2 * both + c2) / ((of_a**2 + of_b**2 + c1) * (var_a + var_b + c2)))
    return np.mean(scores)


@pytest.mark.parametrize(("height", "width", "size"), [(24, 20, 11), (9, 16, 9)])
def test_it_is_that_of_the_formula(height, width, size):
    rng = np.random.default_rng(0)
    video = ndimage.gaussian_filter(rng.random((2, 3, height, width, 3)), (0, 0, 1, 1, 0)).astype(np.float32)
    drawn = np.clip(video + rng.normal(0, 0.05, video.shape), 0, 1).astype(np.float32)
    found = structural_similarity(video, drawn)
    assert found.shape == (2, 3)
    expected = [
        [by_formula(*pair, size) for pair in zip(*clips, strict=True)] for clips in zip(video, drawn, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert 0.1 < found.min() < found.max() < 0.99


def test_equal_frames_have_1_and_what_is_out_of_range_is_clipped():
    frames = np.random.default_rng(1).random((4, 12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(structural_similarity(frames, frames), 1.0, atol=1e-6)
    white = np.ones((1, 12, 12, 3), np.float32)
    np.testing.assert_allclose(structural_similarity(white, white * 1.3), 1.0, atol=1e-6)


def test_other_shapes_and_bytes_are_refused():
    frames = np.zeros((2, 12, 12, 3), np.float32)
    with pytest.raises(ValueError, match="must both be"):
        structural_similarity(frames, frames[:1])
    with pytest.raises(ValueError, match="uint8"):
        structural_similarity(frames.astype(np.uint8), frames)
