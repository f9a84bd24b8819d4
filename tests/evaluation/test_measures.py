"""Summaries of measures: right, and in memory that does not grow with the number of clips."""

import os
import tracemalloc
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from simone_tf.evaluation.clip_store import ClipStore
from simone_tf.evaluation.measures import clip_scores, kl_per_dimension, measures_key, summarize
from simone_tf.models.scene_model import Latent

K, T, D = 3, 2, 4
OBJECT, FRAME = Latent(("slot",), D), Latent(("frame",), D)


def measures(count, seed=0, size=D):
    rng = np.random.default_rng(seed)
    for index in range(count):
        yield {
            "mse": np.array(0.01 * index),
            "psnr": np.array(20.0 + index),
            "nats_per_pixel": np.array(4.0),
            "video_ari_foreground": np.array(np.nan if index == 1 else 0.5 + 0.1 * index),
            "object_mean": rng.normal(size=(K, size)),
            "object_log_scale": rng.normal(size=(K, size)) - 1,
            "frame_mean": rng.normal(size=(T, size)),
            "frame_log_scale": rng.normal(size=(T, size)) - 1,
        }


def make_store(folder, clips, per_file=2):
    store, waiting = ClipStore(str(folder), "key"), []
    for clip in clips:
        waiting.append(clip)
        if len(waiting) == per_file:
            store.append(waiting)
            waiting = []
    if waiting:
        store.append(waiting)
    return store


def described(fields=("video", "segments")):
    run = types.SimpleNamespace(
        run_dir="runs/a",
        checkpoint="runs/a/checkpoints/ckpt-7",
        step=7,
        settings=types.SimpleNamespace(seed=3, num_frames=T, frame_size=(8, 9)),
        model=types.SimpleNamespace(num_slots=K, latents={"object": OBJECT, "frame": FRAME}),
    )
    return run, types.SimpleNamespace(fields=fields, data_dir="data", split="test")


def test_means_and_deviations_are_those_of_the_clips_that_have_a_score(tmp_path):
    summary = summarize(*described(), make_store(tmp_path, measures(5)))
    assert summary["run"]["num_clips"] == 5
    assert (summary["run"]["step"], summary["run"]["seed"], summary["run"]["resolution"]) == (7, 3, [8, 9])
    psnr = summary["reconstruction"]["psnr"]
    assert (psnr["mean"], psnr["num"]) == (22.0, 5)
    assert psnr["std"] == pytest.approx(np.sqrt(2.0))
    ari = summary["segmentation"]["video_ari_foreground"]
    assert ari["num"] == 4
    assert ari["mean"] == pytest.approx(np.mean([0.5, 0.7, 0.8, 0.9]))
    assert set(summary["segmentation"]) == {"video_ari_foreground"}
    assert summary["not_computed"] == []
    assert summary["notes"] == [
        "The `segments` of 1 of 5 clips are 0, background, everywhere: foreground scores are those of the others."
    ]


def test_nats_are_those_of_tensorflow_probability(tmp_path):
    clips = list(measures(5))
    store = make_store(tmp_path, clips)
    summary, scores = summarize(*described(), store), clip_scores(described()[0].model, store)
    for kind in ("object", "frame"):
        mean, log_scale = (np.stack([clip[f"{kind}_{part}"] for clip in clips]) for part in ("mean", "log_scale"))
        expected = tfp.distributions.kl_divergence(
            tfp.distributions.Normal(mean, tf.exp(log_scale)),
            tfp.distributions.Normal(tf.zeros([], tf.float64), tf.ones([], tf.float64)),
        ).numpy()
        np.testing.assert_allclose(kl_per_dimension(mean, log_scale), expected)
        np.testing.assert_allclose(summary["latents"][f"{kind}_kl_per_dimension"], expected.mean((0, 1)))
        np.testing.assert_allclose(scores[f"{kind}_kl"], expected.sum(-1).mean(-1))
        assert summary["latents"][f"{kind}_kl"]["mean"] == pytest.approx(expected.sum(-1).mean())


def test_the_first_clips_only(tmp_path):
    store = make_store(tmp_path, measures(5))
    summary = summarize(*described(), store, 3)
    assert summary["run"]["num_clips"] == 3
    assert summary["reconstruction"]["psnr"]["mean"] == 21.0
    assert summary["latents"] == summarize(*described(), make_store(tmp_path / "three", measures(3)))["latents"]
    np.testing.assert_array_equal(clip_scores(described()[0].model, store, 3)["psnr"], [20, 21, 22])


def test_missing_segments_are_told(tmp_path):
    clips = [{name: value for name, value in clip.items() if "ari" not in name} for clip in measures(2)]
    summary = summarize(*described(("video",)), make_store(tmp_path, clips))
    assert summary["segmentation"] == {}
    assert summary["not_computed"] == [
        "This dataset has no `segments`: ARI, mIoU and mBO need them; reconstruction metrics were computed."
    ]
    assert summary["reconstruction"]["psnr"]["num"] == 2


def test_a_score_that_no_clip_has_is_none(tmp_path):
    clips = [clip | {"video_ari_foreground": np.array(np.nan)} for clip in measures(2)]
    summary = summarize(*described(), make_store(tmp_path, clips))
    assert summary["segmentation"]["video_ari_foreground"] == {"mean": None, "std": None, "num": 0}
    assert summary["not_computed"] == [
        "The `segments` of these clips are 0, background, everywhere: there are no foreground scores."
    ]
    assert summary["notes"] == []


def test_latents_are_never_held_of_all_clips_at_once(tmp_path):
    size, count = 512, 200
    store = make_store(tmp_path, measures(count, size=size), per_file=4)
    of_all_clips = count * 2 * (K + T) * size * 8
    tracemalloc.start()
    try:
        summarize(*described(), store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < of_all_clips / 8


def test_measures_are_of_one_checkpoint_and_one_set_of_clips(tmp_path):
    run, clips = described()
    shard, index = tmp_path / "test-00000-of-00001.tfrecord", tmp_path / "ckpt-7.index"
    shard.write_bytes(b"clips")
    index.write_bytes(b"checksums")
    run.checkpoint, run.config = str(tmp_path / "ckpt-7"), "model"
    run.model.num_slots = K
    clips.files = types.SimpleNamespace(shards=lambda: (str(shard),))
    clips.settings = lambda: {"data_dir": "data", "crop": None}
    before = measures_key(run, clips)
    assert measures_key(run, clips) == before
    # Another training of as many steps in the same folder.
    index.write_bytes(b"others   ")
    assert measures_key(run, clips) != before
    index.write_bytes(b"checksums")
    assert measures_key(run, clips) == before
    # Other clips under the same name and of the same size.
    os.utime(shard, ns=(1, 1))
    assert measures_key(run, clips) != before
    run.config = "another model"
    assert measures_key(run, clips)["config"] != before["config"]


def test_latents_of_any_axes_have_a_kl(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"object": (K, T, D), "scene": (D,)}
    clips = [
        {"mse": np.array(0.1), "psnr": np.array(20.0)}
        | {f"{name}_mean": rng.normal(size=shape) for name, shape in shapes.items()}
        | {f"{name}_log_scale": rng.normal(size=shape) for name, shape in shapes.items()}
        for _ in range(3)
    ]
    run, split = described()
    run.model.latents = {"object": Latent(("slot", "frame"), D), "scene": Latent((), D)}
    summary = summarize(run, split, make_store(tmp_path, clips))
    assert list(summary["latents"]) == ["object_kl", "scene_kl", "object_kl_per_dimension", "scene_kl_per_dimension"]
    for name in shapes:
        nats = np.stack([kl_per_dimension(clip[f"{name}_mean"], clip[f"{name}_log_scale"]) for clip in clips])
        expected = nats.reshape(3, -1, D)
        assert summary["latents"][f"{name}_kl"]["mean"] == pytest.approx(expected.sum(-1).mean())
        np.testing.assert_allclose(summary["latents"][f"{name}_kl_per_dimension"], expected.mean((0, 1)))


def test_what_a_model_has_not_is_told(tmp_path):
    kept = ("mse", "psnr", "object_mean", "frame_mean")
    clips = [{name: clip[name] for name in kept} for clip in measures(2)]
    run, split = described()
    run.model.num_slots = 1
    summary = summarize(run, split, make_store(tmp_path, clips))
    assert summary["run"]["num_slots"] == 1
    assert summary["not_computed"] == [
        "This model does not divide a scene into slots: ARI, mIoU and mBO need them; reconstruction metrics were "
        "computed.",
        "This model has no likelihood: no nats per pixel.",
        "This model has no distribution over its latents `object` and `frame`: no KL of them.",
    ]
    assert summary["segmentation"] == summary["latents"] == {}
    assert list(summary["reconstruction"]) == ["mse", "psnr"]
    assert set(clip_scores(run.model, make_store(tmp_path / "again", clips))) == {"mse", "psnr"}


def test_an_ignored_label_is_told_and_measured_apart(tmp_path):
    run, clips = described()
    run.settings.ignore_label = 255
    shares = [0.25, 0.0, 0.0, 0.05]
    measured = [clip | {"ignored_share": np.array(share)} for clip, share in zip(measures(4), shares, strict=True)]
    summary = summarize(run, clips, make_store(tmp_path / "some", measured))
    assert summary["run"]["ignore_label"] == 255
    assert summary["notes"] == [
        "The `segments` of 1 of 4 clips are 0, background, everywhere but for the ignored 255: foreground scores are "
        "those of the others.",
        "7.50% of the pixels have the label 255 in the `segments`: they are in no score.",
    ]
    nothing = [clip | {"ignored_share": np.array(0.0)} for clip in measures(1)]
    assert summarize(run, clips, make_store(tmp_path / "none", nothing))["notes"] == [
        "No pixel of the `segments` has the label 255: nothing was left out of the scores."
    ]
    run.settings.ignore_label = None
    assert "ignore_label" not in summarize(run, clips, make_store(tmp_path / "plain", measures(2)))["run"]


def test_measures_of_another_label_or_of_whole_clips_flags_are_not_taken(tmp_path):
    run, clips = described(("video", "segments", "object_moving", "object_positions"))
    (tmp_path / "ckpt-7.index").write_bytes(b"checksums")
    run.checkpoint, run.config = str(tmp_path / "ckpt-7"), "model"
    clips.files = types.SimpleNamespace(shards=lambda: ())
    clips.settings = lambda: {"data_dir": "data"}
    keys = []
    for label, frames in ((None, T), (255, T), (0, T), (None, T + 1), (255, T + 1)):
        run.settings.ignore_label = label
        clips.clip_shape = lambda frames=frames: (frames, 8, 9)
        keys.append(measures_key(run, clips))
    assert all(one != other for index, one in enumerate(keys) for other in keys[:index])
    # Measures from before there was a choice stay what they are.
    assert not {"ignore_label", "object_moving"} & set(keys[0])
