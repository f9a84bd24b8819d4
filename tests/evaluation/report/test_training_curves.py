"""Curves read back from events that TensorFlow wrote."""

import tensorflow as tf

from simone_tf.evaluation.report.training_curves import training_curves
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.summaries import Summaries


def write(folder, values):
    with tf.summary.create_file_writer(str(folder)).as_default():
        for name, step, value in values:
            tf.summary.scalar(name, value, step=step)


def test_points_of_all_sessions_in_order(tmp_path):
    folder = tmp_path / "run[1]"
    write(folder, [("train/loss", 10, 3.0), ("train/loss", 20, 2.0), ("other", 10, 9.0)])
    write(folder, [("train/loss", 20, 2.5), ("train/loss", 30, 1.0), ("evaluation/video_ari_foreground", 30, 0.5)])
    curves = training_curves(str(folder), SIMONe.loss_terms)
    assert list(curves) == ["video ARI-F, held-out clips", "loss"]
    assert [step for step, _ in curves["loss"]] == [10, 20, 30]
    assert curves["loss"][0] == (10, 3.0)
    assert curves["loss"][2] == (30, 1.0)
    assert curves["video ARI-F, held-out clips"] == [(30, 0.5)]


def test_points_behind_the_checkpoint_that_a_session_went_on_from_are_left_out(tmp_path):
    for first_step, points in ((0, {10: 3.0, 20: 2.0, 30: 9.0, 40: 9.0}), (21, {25: 1.5, 35: 1.0}), (36, {50: 0.5})):
        summaries = Summaries(tmp_path, first_step)
        for step, value in points.items():
            summaries.scalars(step, {"train/loss": value})
        summaries.close()
    expected = [(10, 3.0), (20, 2.0), (25, 1.5), (35, 1.0), (50, 0.5)]
    assert training_curves(str(tmp_path), SIMONe.loss_terms) == {"loss": expected}
    summaries = Summaries(tmp_path, 0)  # afresh, and nothing logged yet
    summaries.text(0, "config", "")
    summaries.close()
    assert training_curves(str(tmp_path), SIMONe.loss_terms) == {}


def test_a_run_without_events_has_no_curves(tmp_path):
    assert training_curves(str(tmp_path), SIMONe.loss_terms) == {}
    (tmp_path / "events.out.tfevents.0").write_bytes(b"no events at all, but long enough to hold a header")
    assert training_curves(str(tmp_path), SIMONe.loss_terms) == {}


def test_curves_are_those_of_the_models_loss_terms(tmp_path):
    names = ("learning_rate", "mask_kl", "weighted_mask_kl", "epoch_kl", "pixel_error", "loss", "gradient_norm")
    write(tmp_path, [(f"train/{name}", 1, 2.0) for name in names])
    curves = training_curves(str(tmp_path), ("loss", "pixel_error", "mask_kl", "epoch_kl", "weighted_mask_kl"))
    assert list(curves) == [
        "loss",
        "pixel error",
        "KL of a mask latent, nats",
        "KL of an epoch latent, nats",
        "learning rate",
    ]
