"""Scoring and choosing held-out clips, with a model that takes a clip apart by its colours."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.evaluation.held_out_pictures import sheets
from simone_tf.models.scene_model import Decomposition
from simone_tf.pictures import colours

SHAPE = (2, 4, 4)


class ByColour:
    """Two slots: pixels of more or of less than half red. Its reconstruction is off by the red of the first pixel."""

    inputs, num_slots, recomposes = ("video",), 2, True

    def decompose(self, batch, chunk_size):
        assert chunk_size == 7
        video = batch["video"]
        return self._taken_apart(video, video[:, :1, :1, :1, :1])

    def recompose(self, batch, other, chunk_size):
        del chunk_size
        return self._taken_apart(batch["video"], other["video"] - batch["video"])

    @staticmethod
    def _taken_apart(video, error):
        first = tf.cast(video[..., 0] > 0.5, tf.float32)
        masks = tf.stack([first, 1 - first], axis=1)
        rgb = tf.repeat(video[:, None], 2, axis=1)
        return Decomposition(video + error, tf.argmax(masks, axis=1, output_type=tf.int32), rgb, masks, None)


def make_batches(num_clips, batch_size, segments=True):
    """Clip n has the red n / 10 everywhere but in a corner, which is object 1 and wholly red."""
    video = np.zeros((num_clips, *SHAPE, 3), np.float32)
    video[..., 0] = np.arange(num_clips)[:, None, None, None] / 10
    video[:, :, 2:, 2:, 0] = 1
    clips = {"video": video, "clip_mask": np.ones(num_clips, bool)}
    if segments:
        clips["segments"] = np.zeros((num_clips, *SHAPE), np.int32)
        clips["segments"][:, :, 2:, 2:] = 1
        clips["segments"][:, :, 2:, 3:] = 2
    padding = -num_clips % batch_size
    padded = {name: np.concatenate([v, np.zeros((padding, *v.shape[1:]), v.dtype)]) for name, v in clips.items()}
    return tf.data.Dataset.from_tensor_slices(padded).batch(batch_size)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_measures_do_not_depend_on_the_batches(batch_size):
    result = HeldOut(ByColour(), make_batches(4, batch_size), 7).evaluate()
    # The error of clip n is n / 10 in all values.
    assert result["reconstruction_mse"] == pytest.approx(np.mean([0.0, 0.01, 0.04, 0.09]), rel=1e-5)
    assert result["num_clips"] == 4
    assert result["video_ari_foreground"] == pytest.approx(0.0, abs=1e-6)  # both objects lie in one slot
    assert 0 < result["video_ari"] < 1


def test_without_segments_only_the_reconstruction_is_scored():
    result = HeldOut(ByColour(), make_batches(3, 2, segments=False), 7).evaluate()
    assert set(result) == {"reconstruction_mse", "num_clips"}


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5])
def test_first_clips_are_recomposed_with_the_one_after_them(batch_size):
    held_out = HeldOut(ByColour(), make_batches(4, batch_size), 7)
    reds = np.float32([0.0, 0.1, 0.2, 0.3])
    for count, nexts in ((0, []), (1, [1]), (3, [1, 2, 3]), (4, [1, 2, 3, 0]), (9, [1, 2, 3, 0])):
        shown = held_out.first_clips(count)
        assert [float(clip["video"][0, 0, 0, 0]) for clip, *_ in shown] == pytest.approx(reds[: len(nexts)])
        for (clip, decomposition, next_clip, recomposition), number in zip(shown, nexts, strict=True):
            assert next_clip["video"][0, 0, 0, 0] == reds[number]
            np.testing.assert_allclose(recomposition.reconstruction, next_clip["video"], atol=1e-6)
            np.testing.assert_array_equal(recomposition.segments, decomposition.segments)
            np.testing.assert_array_equal(decomposition.segments == 0, clip["segments"] > 0)
            assert decomposition.slot_masks.shape == (2, *SHAPE)
            assert isinstance(decomposition.slot_rgb, np.ndarray)


def test_a_single_clip_is_recomposed_with_itself():
    ((clip, _, next_clip, _),) = HeldOut(ByColour(), make_batches(1, 2), 7).first_clips(3)
    np.testing.assert_array_equal(clip["video"], next_clip["video"])


def test_a_model_that_does_not_divide_a_clip_has_no_segmentation_scores():
    model = ByColour()
    model.num_slots = 1
    assert set(HeldOut(model, make_batches(3, 2), 7).evaluate()) == {"reconstruction_mse", "num_clips"}


def test_a_model_that_cannot_recompose_is_not_asked_to():
    model = ByColour()
    model.recomposes, model.recompose = False, None
    ((clip, decomposition, _, recomposition),) = HeldOut(model, make_batches(1, 2), 7).first_clips(3)
    assert recomposition is None
    np.testing.assert_array_equal(decomposition.segments == 0, clip["segments"] > 0)


def test_a_model_gets_all_that_it_is_given(colour_model):
    camera = np.arange(3, dtype=np.float32)[:, None, None] + np.zeros((3, SHAPE[0], 5), np.float32)
    batches = make_batches(3, 3).map(lambda batch: batch | {"camera": camera})
    held_out = HeldOut(colour_model, batches, None)
    assert "video_ari" in held_out.evaluate()
    batch = next(iter(batches))
    whole = colour_model.decompose(batch)
    # The clip after the first was filmed from elsewhere.
    rolled = {name: np.roll(batch[name], -1, axis=0) for name in ("video", "camera")}
    recomposed = colour_model.recompose(batch, rolled)
    for index, parts in enumerate(held_out.first_clips(3)):
        np.testing.assert_allclose(parts.decomposition.slot_masks, whole.slot_masks[index], atol=1e-6)
        np.testing.assert_allclose(parts.recomposition.slot_masks, recomposed.slot_masks[index], atol=1e-6)
        assert np.abs(parts.recomposition.slot_masks - parts.decomposition.slot_masks).max() > 1e-3


def test_an_ignored_label_is_in_no_score_and_drawn_as_such(caplog):
    batches = make_batches(4, 3)
    kept = HeldOut(ByColour(), batches, 7).evaluate()
    # A column of the first object becomes the label, whose pixels a model cannot know: it says anything there.
    held_out = HeldOut(ByColour(), batches.map(marked), 7, ignore_label=255)
    found = held_out.evaluate()
    assert found["video_ari_foreground"] == found["static_ari_foreground"] == 1.0
    assert kept["video_ari_foreground"] == 0.0
    assert not caplog.records
    (parts,) = held_out.first_clips(1)
    drawn = np.unique(colours.colour_segments(parts.clip["segments"]).reshape(-1, 3), axis=0)
    expected = [colours.VOID, colours.BACKGROUND, colours.PALETTE[0]]
    np.testing.assert_array_equal(drawn, np.unique(np.stack(expected), axis=0))
    sheet = sheets(parts)["decomposition"].reshape(-1, 3)
    assert (sheet == colours.VOID).all(axis=1).any()
    assert not (sheet == colours.PALETTE[(255 - 1) % len(colours.PALETTE)]).all(axis=1).any()


def marked(batch):
    return batch | {"segments": tf.where(batch["segments"] == 2, 255, batch["segments"])}


def test_a_label_that_no_clip_has_is_told_once(caplog):
    held_out = HeldOut(ByColour(), make_batches(4, 3), 7, ignore_label=9)
    assert held_out.evaluate() == HeldOut(ByColour(), make_batches(4, 3), 7).evaluate()
    held_out.evaluate()
    assert [record.getMessage() for record in caplog.records] == [
        "No true segment of the held-out clips is 9: nothing is ignored."
    ]


def test_the_likelihood_is_that_of_every_pixel_alike(colour_model):
    """Of batches that are not full, too; the reference computes all pixels of all clips in one go."""
    rng = np.random.default_rng(0)
    camera = tf.constant(rng.normal(size=(1, SHAPE[0], 5)).astype(np.float32))
    batches = make_batches(5, 3).map(lambda batch: batch | {"camera": tf.repeat(camera, 3, 0)})
    result = HeldOut(colour_model, batches, None, further_score="nats_per_pixel").evaluate()
    video = np.concatenate([batch["video"] for batch in batches])[:5]
    taken_apart = colour_model.decompose({"video": video, "camera": np.repeat(camera, 5, 0)})
    # A mixture of normal distributions, each of 3 colours, by hand.
    scale = colour_model.likelihood.pixel_scale
    errors = np.square(np.asarray(taken_apart.slot_rgb) - video[:, None]).sum(-1) / (2 * scale**2)
    densities = np.exp(-errors) / (scale * np.sqrt(2 * np.pi)) ** 3
    nats = np.log((np.asarray(taken_apart.slot_masks) * densities).sum(1)).mean()
    assert result["nats_per_pixel"] == pytest.approx(nats, rel=1e-4)


def test_a_model_without_a_likelihood_is_scored_by_its_error():
    held_out = HeldOut(ByColour(), make_batches(4, 3), 7, further_score="psnr")
    assert held_out.evaluate()["psnr"] == pytest.approx(-10 * np.log10(0.035), rel=1e-5)
    model = ByColour()
    model.log_prob = lambda video, rendering: None
    with pytest.raises(UserError, match=r"train\.best_metric = 'nats_per_pixel': the model has no likelihood"):
        HeldOut(model, make_batches(4, 3), 7, further_score="nats_per_pixel").evaluate()
