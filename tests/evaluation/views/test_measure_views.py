"""The summary of unseen views, of scores that are known; that measuring goes on is in tests/test_evaluate_views.py."""

import numpy as np

from simone_tf.evaluation.views.measure_views import summarize_views
from simone_tf.evaluation.views.tasks import ViewTask

BETWEEN, SWEEP = ViewTask("between", (0, 2), (1,)), ViewTask("sweep", (0, 1, 2), (3, 4, 5, 6))


def test_every_score_is_summed_up_under_its_task():
    scores = {
        "between_context_psnr": np.array([30.0, 20.0]),
        "between_unseen_psnr": np.array([20.0, 10.0]),
        "between_unseen_video_ari_foreground": np.array([0.5, np.nan]),
        "between_nearest_psnr": np.array([12.0, 14.0]),
        "between_object_kl": np.array([3.0, 5.0]),
        "sweep_unseen_psnr": np.array([8.0, 8.0]),
    }
    summary = summarize_views([BETWEEN, SWEEP], scores)
    assert summary["between"] == {
        "context_frames": 2,
        "unseen_frames": 1,
        "context": {"psnr": {"mean": 25.0, "std": 5.0, "num": 2}},
        "unseen": {
            "psnr": {"mean": 15.0, "std": 5.0, "num": 2},
            "video_ari_foreground": {"mean": 0.5, "std": 0.0, "num": 1},
        },
        "nearest": {"psnr": {"mean": 13.0, "std": 1.0, "num": 2}},
        "latents": {"object_kl": {"mean": 4.0, "std": 1.0, "num": 2}},
    }
    assert (summary["sweep"]["context_frames"], summary["sweep"]["unseen_frames"]) == (3, 4)
    assert summary["sweep"]["unseen"]["psnr"]["mean"] == 8.0
    assert summary["sweep"]["latents"] == {}


def test_the_distortion_is_the_negative_log_likelihood_at_the_rate():
    scores = {
        "between_context_nats_per_pixel": np.array([4.0, 2.0]),
        "between_unseen_nats_per_pixel": np.array([1.0, -1.0]),
        "between_rate": np.array([100.0, 300.0]),
    }
    assert summarize_views([BETWEEN], scores)["between"]["rate_distortion"] == {
        "rate": {"mean": 200.0, "std": 100.0, "num": 2},
        "context": {"mean": -3.0, "std": 1.0, "num": 2},
        "unseen": {"mean": 0.0, "std": 1.0, "num": 2},
    }
    del scores["between_rate"]
    assert "rate_distortion" not in summarize_views([BETWEEN], scores)["between"]
