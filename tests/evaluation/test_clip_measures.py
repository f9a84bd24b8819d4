"""Measures of clips by a model whose answer is known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from simone_tf.evaluation.clip_measures import ClipMeasures
from simone_tf.evaluation.scores.overlap import OVERLAP_SCORES
from simone_tf.evaluation.scores.segmentation import SCORES
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.scene_model import Decomposition

K, T, H, W, N = 6, 3, 8, 8, 3
ORDER = np.array([4, 0, 5, 2])  # slot of segment 0, 1, 2, 3


class Reader:
    """Reads the segment off the red channel: a perfect answer, or with `constant` the same slot everywhere."""

    inputs, num_slots = ("video",), K

    def __init__(self, constant=False, softness=0.0):
        self.likelihood = PixelMixture()
        self._constant, self._softness = constant, softness

    def log_prob(self, video, rendering):
        nats = self.likelihood.log_prob(
            tf.reshape(video, [2, -1, 3]),
            tf.reshape(rendering.slot_rgb, [2, K, -1, 3]),
            tf.math.log(tf.maximum(tf.reshape(rendering.slot_masks, [2, K, -1]), 1e-30)),
        )
        return tf.reshape(nats, [2, T, H, W])

    def decompose(self, batch, chunk_size):
        video = batch["video"]
        ids = tf.cast(tf.round(video[..., 0] * 10), tf.int32)
        slots = tf.gather(tf.constant(ORDER, tf.int32), ids) * (0 if self._constant else 1)
        hard = tf.transpose(tf.one_hot(slots, K), [0, 4, 1, 2, 3])
        masks = hard * (1 - self._softness) + self._softness / K
        rgb = tf.repeat(video[:, None], K, axis=1) * 0.9
        batch = video.shape[0]
        normal = Posterior(tf.ones([batch, K, 2]), tf.zeros([batch, K, 2]))
        frames = Posterior(tf.ones([batch, T, 5]) * 2, tf.zeros([batch, T, 5]))
        return Decomposition(video * 0.9, slots, rgb, masks, {"object": normal, "frame": frames})


def make_batch(**fields):
    rng = np.random.default_rng(0)
    segments = rng.integers(0, N + 1, (2, T, H, W)).astype(np.int32)
    video = np.repeat(segments[..., None], 3, -1).astype(np.float32) / 10
    batch = {"video": video, "segments": segments, "clip_mask": np.array([True, True]), **fields}
    return {name: tf.constant(value) for name, value in batch.items() if value is not None}


VISIBLE = np.ones((2, T, N), bool)


def test_a_perfect_prediction_scores_exactly_one():
    for clip in ClipMeasures(Reader())(make_batch(object_visible=VISIBLE)):
        for name in (*SCORES, *OVERLAP_SCORES):
            assert clip[name] == 1.0, name
        np.testing.assert_array_equal(clip["object_slots"], ORDER[1:])


def test_a_constant_prediction_scores_zero_ari():
    for clip in ClipMeasures(Reader(constant=True))(make_batch()):
        for name in SCORES:
            assert clip[name] == 0.0, name
        assert clip["video_mbo"] < 0.3


def test_likelihood_is_that_of_a_mixture_of_normals():
    batch = make_batch()
    model = Reader(softness=0.3)
    clips = ClipMeasures(model)(batch)
    video = batch["video"].numpy()
    decomposed = model.decompose(batch, None)
    tfd = tfp.distributions
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=tf.transpose(decomposed.slot_masks, [0, 2, 3, 4, 1])),
        tfd.MultivariateNormalDiag(
            tf.transpose(decomposed.slot_rgb, [0, 2, 3, 4, 1, 5]), tf.fill([3], float(model.likelihood.pixel_scale))
        ),
    )
    expected = tf.reduce_mean(mixture.log_prob(video), axis=[1, 2, 3]).numpy()
    np.testing.assert_allclose([clip["nats_per_pixel"] for clip in clips], expected, rtol=1e-4)


def test_latents_and_fields_are_kept_as_they_are():
    camera = np.arange(2 * T * 7, dtype=np.float32).reshape(2, T, 7)
    positions = np.arange(2 * T * N * 3, dtype=np.float32).reshape(2, T, N, 3)
    clips = ClipMeasures(Reader())(make_batch(camera=camera, object_positions=positions))
    for index, clip in enumerate(clips):
        np.testing.assert_array_equal(clip["camera"], camera[index])
        np.testing.assert_array_equal(clip["object_positions"], positions[index])
        assert clip["object_mean"].shape == clip["object_log_scale"].shape == (K, 2)
        assert clip["frame_mean"].shape == (T, 5)
        assert (clip["frame_mean"] == 2).all()
        assert clip["mse"] == pytest.approx(np.mean(np.square(0.1 * make_batch()["video"].numpy()[index])))


def test_filled_up_clips_are_left_out():
    batch = make_batch(clip_mask=np.array([False, True]))
    (clip,) = ClipMeasures(Reader())(batch)
    whole = ClipMeasures(Reader())(make_batch())
    assert clip["mse"] == whole[1]["mse"]
    assert clip["video_ari_foreground"] == 1.0


def test_without_segments_only_the_reconstruction_is_measured():
    for clip in ClipMeasures(Reader())(make_batch(segments=None, object_visible=VISIBLE)):
        assert not set(clip) & {*SCORES, *OVERLAP_SCORES, "object_slots"}
        assert {"mse", "psnr", "nats_per_pixel"} <= set(clip)


def test_a_clip_of_more_objects_than_are_counted_has_no_matches_but_scores():
    segments = make_batch()["segments"].numpy()
    segments[0][segments[0] == 3] = 0
    video = np.repeat(segments[..., None], 3, -1).astype(np.float32) / 10
    first, second = ClipMeasures(Reader())(
        make_batch(segments=segments, video=video, object_moving=np.ones((2, 2), bool))
    )
    np.testing.assert_array_equal(first["object_slots"], ORDER[1:3])
    np.testing.assert_array_equal(second["object_slots"], [-1, -1])
    assert second["video_ari"] == 1.0
    assert set(first) == set(second)


def test_a_clip_without_foreground_has_no_foreground_score():
    nothing = np.zeros((2, T, H, W), np.int32)
    for clip in ClipMeasures(Reader())(make_batch(segments=nothing, video=np.zeros((2, T, H, W, 3), np.float32))):
        assert np.isnan(clip["video_ari_foreground"])
        assert clip["video_ari"] == 1.0


def test_latents_of_any_axes_are_kept_by_their_names(colour_model):
    rng = np.random.default_rng(1)
    batch = {
        "video": tf.constant(rng.random((2, 2, 4, 4, 3)), tf.float32),
        "camera": tf.constant(rng.normal(size=(2, 2, 5)), tf.float32),
        "segments": tf.constant(rng.integers(0, 3, (2, 2, 4, 4)), tf.int32),
        "object_visible": tf.ones([2, 2, 2], tf.bool),
        "clip_mask": tf.constant([True, True]),
    }
    clips = ClipMeasures(colour_model)(batch)
    decomposed = colour_model.decompose(batch)
    posterior = decomposed.posteriors["object"]
    nats = tf.reduce_mean(colour_model.log_prob(batch["video"], decomposed), [1, 2, 3])
    for index, clip in enumerate(clips):
        assert {name for name in clip if name.endswith(("_mean", "_log_scale"))} == {"object_mean", "object_log_scale"}
        assert clip["object_mean"].shape == clip["object_log_scale"].shape == (3, 2, 5)
        np.testing.assert_allclose(clip["object_mean"], posterior.mean[index], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(clip["nats_per_pixel"], nats[index], rtol=1e-5)
        np.testing.assert_array_equal(clip["camera"], batch["camera"][index])
        assert set(clip["object_slots"]) <= {-1, 0, 1, 2}


class Points(Reader):
    """A model without a likelihood, whose objects are points; `num_slots` may be 1."""

    def __init__(self, num_slots=K):
        super().__init__()
        self.num_slots = num_slots

    def log_prob(self, video, rendering):
        return None

    def decompose(self, batch, chunk_size):
        decomposition = super().decompose(batch, chunk_size)
        points = decomposition.posteriors["object"]._replace(log_scale=None)
        return decomposition._replace(posteriors={"object": points})


@pytest.mark.parametrize("num_slots", [1, K])
def test_what_a_model_has_not_is_not_measured(num_slots):
    for clip in ClipMeasures(Points(num_slots))(make_batch(object_visible=VISIBLE)):
        found = {"mse", "psnr", "object_mean", "object_visible"}
        assert set(clip) == found | ({*SCORES, *OVERLAP_SCORES, "object_slots"} if num_slots > 1 else set())


def test_a_label_that_is_ignored_is_in_no_measure_of_segments():
    """Whatever the model says of its pixels, and however many objects the label would make of them."""
    batch = make_batch(object_visible=VISIBLE)
    rng = np.random.default_rng(5)
    void = rng.random((2, T, H, W)) < 0.3
    segments = np.where(void, 255, batch["segments"].numpy()).astype(np.int32)
    video = np.where(void[..., None], 0.3, batch["video"].numpy()).astype(np.float32)  # Slot of segment 3.
    marked = make_batch(segments=segments, video=video, object_visible=VISIBLE)
    for index, clip in enumerate(ClipMeasures(Reader(), ignore_label=255)(marked)):
        for name in (*SCORES, *OVERLAP_SCORES):
            assert clip[name] == 1.0, name
        np.testing.assert_array_equal(clip["object_slots"], ORDER[1:])
        assert clip["ignored_share"] == pytest.approx(void[index].mean())
    for clip in ClipMeasures(Reader())(marked):
        assert clip["video_ari"] < 1.0
        np.testing.assert_array_equal(clip["object_slots"], [-1] * N)
        assert "ignored_share" not in clip
