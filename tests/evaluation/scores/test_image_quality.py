"""MSE and PSNR against scikit-learn and TensorFlow, and cases worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mean_squared_error

from simone_tf.evaluation.scores.image_quality import MAX_PSNR, image_quality


def test_equals_scikit_learn_and_tensorflow():
    rng = np.random.default_rng(0)
    video = rng.random((3, 4, 5, 3), np.float32)
    noise = np.array([0.01, 0.1, 0.5], np.float32)[:, None, None, None]
    reconstruction = np.clip(video + noise * rng.standard_normal(video.shape, np.float32), 0, 1)
    scores = image_quality(video, reconstruction)
    assert scores["mse"] == pytest.approx(mean_squared_error(video.ravel(), reconstruction.ravel()), rel=1e-6)
    assert scores["psnr"] == pytest.approx(float(tf.reduce_mean(tf.image.psnr(video, reconstruction, 1.0))), rel=1e-5)


def test_by_hand():
    video = np.zeros((2, 1, 1, 3))
    off = np.stack([np.full((1, 1, 3), 0.1), np.full((1, 1, 3), 0.01)])
    assert image_quality(video, off) == pytest.approx({"mse": (0.01 + 0.0001) / 2, "psnr": (20 + 40) / 2})


def test_equal_clips_have_a_finite_psnr():
    video = np.random.default_rng(0).random((2, 2, 2, 3))
    assert image_quality(video, video) == {"mse": 0.0, "psnr": MAX_PSNR}


def test_faults():
    video = np.zeros((2, 2, 2, 3), np.float32)
    for reconstruction in (video[0], video[:1], video.astype(np.uint8)):
        with pytest.raises(ValueError, match=r"clips must both be|floats"):
            image_quality(video, reconstruction)
