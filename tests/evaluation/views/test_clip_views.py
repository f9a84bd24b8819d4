"""What is measured of unseen views, against measures made by hand of frames that are known."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.clip import as_float
from simone_tf.evaluation.scores.image_quality import MAX_PSNR
from simone_tf.evaluation.views.clip_views import ARI, BASELINES, DRAWN, QUALITY, ViewMeasures
from simone_tf.evaluation.views.tasks import ViewTask, view_tasks

from view_world import SIZE, TurningCamera, world_clips

TASKS = view_tasks(5, 5, 3, sweep_frames=6)


@pytest.fixture(scope="module")
def clips():
    return list(world_clips(3, 0, num_frames=5, sweep=6))


def batch_of(clips, filled=4):
    """The clips, and zeros that fill a batch up."""
    batch = {}
    for name in clips[0]:
        values = np.stack([clip[name] for clip in clips])
        batch[name] = tf.constant(np.pad(values, [(0, filled - len(clips))] + [(0, 0)] * (values.ndim - 1)))
    return as_float(batch) | {"clip_mask": tf.range(filled) < len(clips)}


def measured_of(clips, model=None, tasks=TASKS, **options):
    image = np.full((*SIZE, 3), 0.5, np.float32)
    return ViewMeasures(model or TurningCamera(), tasks, image, "yaw_pitch", None, **options)(batch_of(clips))


def test_a_model_that_draws_the_truth_has_the_limit_of_every_score(clips):
    for clip in measured_of(clips):
        for task in TASKS:
            for what in DRAWN:
                assert clip[f"{task.name}_{what}_psnr"] == MAX_PSNR
                assert clip[f"{task.name}_{what}_ssim"] == pytest.approx(1.0, abs=1e-5)
            for what in (*DRAWN, "all"):
                for score in ARI:
                    assert clip[f"{task.name}_{what}_{score}"] == 1.0
            assert clip[f"{task.name}_nearest_psnr"] < 40.0


def test_baselines_are_those_computed_by_hand(clips):
    measured = measured_of(clips)
    assert len(measured) == 3
    for clip, found in zip(clips, measured, strict=True):
        video = clip["video"] / 255.0
        for task in TASKS:
            values = {name: [] for name in BASELINES}
            for frame in task.unseen:
                # Of a camera that turns on one spot the nearest is the one that looks most alike.
                alike = [float(clip["camera"][frame, 3:5] @ clip["camera"][seen, 3:5]) for seen in task.context]
                nearest = task.context[int(np.argmax(np.array(alike) > max(alike) - 1e-6))]
                values["nearest"].append(np.mean((video[frame] - video[nearest]) ** 2))
                values["mean_image"].append(np.mean((video[frame] - 0.5) ** 2))
            for name, errors in values.items():
                assert found[f"{task.name}_{name}_mse"] == pytest.approx(np.mean(errors), rel=1e-4)
                psnr = np.mean([min(MAX_PSNR, -10 * np.log10(max(error, 1e-10))) for error in errors])
                assert found[f"{task.name}_{name}_psnr"] == pytest.approx(psnr, rel=1e-4)


class Shifted(TurningCamera):
    """Draws what lies a whole sector to the side, a little too bright: every score is another one."""

    def render(self, latents, given, frame_size, chunk_size=None):
        drawn = super().render(latents, given, frame_size, chunk_size)
        return drawn._replace(
            reconstruction=drawn.reconstruction + 0.1, slot_masks=tf.roll(drawn.slot_masks, 3, axis=-1)
        )

    def log_prob(self, video, rendering):
        return -tf.reduce_sum(tf.square(video - rendering.reconstruction), -1)


def test_scores_of_a_model_with_faults(clips):
    task = ViewTask("beyond", (0, 1, 2), (3, 4))
    for clip, found in zip(clips, measured_of(clips, Shifted(), [task]), strict=True):
        for what, frames in (("context", task.context), ("unseen", task.unseen)):
            assert found[f"beyond_{what}_psnr"] == pytest.approx(20.0, abs=1e-3)
            assert found[f"beyond_{what}_mse"] == pytest.approx(0.01, rel=1e-3)
            # Three colours, each off by a tenth.
            assert found[f"beyond_{what}_nats_per_pixel"] == pytest.approx(-0.03, rel=1e-3)
            assert _ari(clip["segments"][list(frames)]) == pytest.approx(found[f"beyond_{what}_video_ari"], abs=1e-9)
        assert found["beyond_all_video_ari"] == pytest.approx(_ari(clip["segments"][:5]), abs=1e-9)


def _ari(segments):
    """Of segments and the same moved by three columns, counting pairs of pixels one by one."""
    true, predicted = segments.ravel(), np.roll(segments, 3, axis=-1).ravel()
    same_true, same_predicted = true[:, None] == true, predicted[:, None] == predicted
    pairs = ~np.eye(len(true), dtype=bool)
    both, only = (same_true & same_predicted & pairs).sum(), (same_true & pairs).sum()
    other, total = (same_predicted & pairs).sum(), pairs.sum()
    expected = only * other / total
    return (both - expected) / ((only + other) / 2 - expected)


def test_what_is_inferred_is_counted_in_nats(clips):
    (found, *_) = measured_of(clips[:1], tasks=TASKS[:1])
    colours = []
    for slot in range(3):
        mask = clips[0]["segments"][list(TASKS[0].context)] == slot
        colours.append(clips[0]["video"][list(TASKS[0].context)][mask].mean(0) / 255.0)
    # The scales are exp(-3): the KL of a Gaussian to the unit one, written out.
    kl = [0.5 * np.sum(colour**2 + np.exp(-6.0) - 1.0 + 6.0) for colour in colours]
    assert found["between_object_kl"] == pytest.approx(np.mean(kl), rel=1e-5)
    assert found["between_rate"] == pytest.approx(np.sum(kl), rel=1e-5)


def test_what_the_data_lack_is_left_out(clips):
    without = [{name: clip[name] for name in ("video", "camera")} for clip in clips]
    for clip in measured_of(without):
        names = {name.removeprefix("sweep_") for name in clip if name.startswith("sweep_")}
        assert names == {f"{what}_{score}" for what in (*DRAWN, *BASELINES) for score in QUALITY} | {
            "object_kl",
            "rate",
        }


def test_an_ignored_label_is_in_no_score(clips):
    marked = [clip | {"segments": np.where(clip["segments"] == 2, 255, clip["segments"])} for clip in clips]
    for clip in measured_of(marked, tasks=TASKS[:1], ignore_label=255):
        assert clip["between_unseen_video_ari"] == 1.0
        # One object is left: its pixels are one class, in truth and as predicted.
        assert clip["between_unseen_video_ari_foreground"] == 1.0
