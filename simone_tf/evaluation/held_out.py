"""Scores of a model on held-out clips, clip by clip in bounded memory."""

import logging
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.scores.segmentation import SegmentationScores
from simone_tf.evaluation.scores.void import without_label
from simone_tf.models.scene_model import Decomposition, SceneModel
from simone_tf.pictures.colours import VOID_ID

_LOG = logging.getLogger(__name__)


class TakenApart(NamedTuple):
    """A clip and what a model made of it, NumPy arrays without batch axis."""

    clip: dict[str, np.ndarray]
    decomposition: Decomposition  # posteriors left out
    next_clip: dict[str, np.ndarray]  # the one after it; after the very last one the first
    recomposition: Decomposition | None  # from the viewpoint of the next; None of a model that cannot


class HeldOut:
    """Evaluates a model on a finite set of clips.

    Args:
        model: built `SceneModel`.
        batches: re-iterable dataset of dicts with the model's `inputs`, `video [B, T, H, W, 3]` among them,
            `clip_mask [B]` and, where the dataset has them, `segments [B, T, H, W]`.
        chunk_size: pixels of a clip decoded at a time, which bounds the memory; None for all at once.
        ignore_label: the true segment whose pixels are in no score, and drawn black; None for none.
    """

    def __init__(
        self,
        model: SceneModel,
        batches: tf.data.Dataset,
        chunk_size: int | None = 4096,
        ignore_label: int | None = None,
    ):
        self._ignore_label = ignore_label
        self._told = ignore_label is None
        self._model = model
        self._batches = batches
        self._decompose = tf.function(lambda batch: model.decompose(batch, chunk_size))
        self._recompose = tf.function(lambda batch, other: model.recompose(batch, other, chunk_size))

    def evaluate(self) -> dict[str, float]:
        """Runs over all clips.

        Returns:
            dict with `reconstruction_mse` (mean over all values), `num_clips`, and with ground truth, of a model that
            divides clips into slots, the scores of `SegmentationScores.result()`.
        """
        scores = SegmentationScores()
        squared_error, num_clips, has_scores, is_ignored = 0.0, 0, False, False
        for batch in self._batches:
            clip_mask = batch["clip_mask"].numpy()
            decomposition = self._decompose(self._inputs_of(batch))
            errors = tf.square(decomposition.reconstruction - batch["video"])
            squared_error += float(np.sum(tf.reduce_mean(errors, axis=[1, 2, 3, 4]).numpy()[clip_mask]))
            num_clips += int(clip_mask.sum())
            if "segments" in batch and self._model.num_slots > 1:
                has_scores = True
                segments, valid = without_label(batch["segments"].numpy(), self._ignore_label)
                is_ignored |= valid is not None and not valid[clip_mask].all()
                scores.update(segments, decomposition.segments.numpy(), clip_mask, valid)
        result = {"reconstruction_mse": squared_error / max(num_clips, 1), "num_clips": num_clips}
        if has_scores:
            result = {**scores.result(), **result}
        if not self._told and not is_ignored:
            _LOG.warning("No true segment of the held-out clips is %s: nothing is ignored.", self._ignore_label)
        self._told = True
        return result

    def first_clips(self, count: int) -> list[TakenApart]:
        """The first `count` clips taken apart, and recomposed with the viewpoints of the clip after them."""
        clips: list[dict[str, np.ndarray]] = []
        for batch in self._batches:
            for real in np.flatnonzero(batch["clip_mask"]):
                clips.append({name: value[real].numpy() for name, value in batch.items()})
            if len(clips) > count:
                break
        taken_apart = []
        for index, clip in enumerate(clips[:count]):
            next_clip = clips[(index + 1) % len(clips)]
            if "segments" in clip and self._ignore_label is not None:
                true = clip["segments"].astype(np.int64)
                clip = clip | {"segments": np.where(true == self._ignore_label, VOID_ID, true)}
            inputs = self._inputs_of(_with_batch(clip))
            decomposition, recomposition = _without_batch(self._decompose(inputs)), None
            if self._model.recomposes:
                recomposition = _without_batch(self._recompose(inputs, self._inputs_of(_with_batch(next_clip))))
            taken_apart.append(TakenApart(clip, decomposition, next_clip, recomposition))
        return taken_apart

    def _inputs_of(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: batch[name] for name in self._model.inputs}


def _with_batch(clip: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value[None]) for name, value in clip.items()}


def _without_batch(decomposition: Decomposition) -> Decomposition:
    arrays = {name: getattr(decomposition, name)[0].numpy() for name in decomposition._fields if name != "posteriors"}
    return decomposition._replace(posteriors=None, **arrays)
