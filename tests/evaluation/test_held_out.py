"""Scoring and choosing held-out clips, with a model that takes a clip apart by its colours."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.evaluation.held_out import HeldOut
from simone_tf.models.simone.model import Decomposition

SHAPE = (2, 4, 4)


class ByColour:
    """Two slots: pixels of more or of less than half red. Its reconstruction is off by the red of the first pixel."""

    def decompose(self, video, chunk_size):
        assert chunk_size == 7
        return self._taken_apart(video, video[:, :1, :1, :1, :1])

    def recompose(self, object_video, frame_video, chunk_size):
        del chunk_size
        return self._taken_apart(object_video, frame_video - object_video)

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
