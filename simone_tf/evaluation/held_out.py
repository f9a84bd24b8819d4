"""Scores of a model on held-out clips, clip by clip in bounded memory."""

import logging
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.evaluation.scores.segmentation import SegmentationScores
from simone_tf.evaluation.scores.void import without_label
from simone_tf.models.scene_model import Decomposition, SceneModel
from simone_tf.pictures.colours import VOID_ID

RECONSTRUCTION_SCORES = ("nats_per_pixel", "psnr")
"""Scores of the reconstruction of which more is better: of a model with a likelihood, and of any."""

_LOG = logging.getLogger(__name__)

# Mean squared error of a reconstruction that is perfect, as `image_quality` has it: 100 dB.
_LEAST_ERROR = 1e-10


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
        further_score: one of `RECONSTRUCTION_SCORES` that is told as well; None for none.
    """

    def __init__(
        self,
        model: SceneModel,
        batches: tf.data.Dataset,
        chunk_size: int | None = 4096,
        ignore_label: int | None = None,
        further_score: str | None = None,
    ):
        self._further_score = further_score
        self._ignore_label = ignore_label
        self._told = ignore_label is None
        self._model = model
        self._batches = batches
        self._decompose = tf.function(lambda batch: model.decompose(batch, chunk_size), autograph=False)
        self._nats = tf.function(model.log_prob, autograph=False) if further_score == "nats_per_pixel" else None
        self._recompose = tf.function(lambda batch, other: model.recompose(batch, other, chunk_size), autograph=False)

    def evaluate(self) -> dict[str, float]:
        """Runs over all clips.

        Returns:
            dict with `reconstruction_mse` (mean over all values), `num_clips`, and with ground truth, of a model that
            divides clips into slots, the scores of `SegmentationScores.result()`. With a `further_score`:
            `nats_per_pixel` (mean log-likelihood at the posterior means), or `psnr` in dB, that of the mean error.

        Raises:
            UserError: the model has no likelihood to tell `nats_per_pixel` by.
        """
        scores = SegmentationScores()
        squared_error, nats, num_clips, has_scores, is_ignored = 0.0, 0.0, 0, False, False
        for batch in self._batches:
            clip_mask = batch["clip_mask"].numpy()
            decomposition = self._decompose(self._inputs_of(batch))
            errors = tf.square(decomposition.reconstruction - batch["video"])
            squared_error += float(np.sum(tf.reduce_mean(errors, axis=[1, 2, 3, 4]).numpy()[clip_mask]))
            if self._nats is not None:
                nats += float(np.sum(self._nats_of(batch["video"], decomposition)[clip_mask]))
            num_clips += int(clip_mask.sum())
            if "segments" in batch and self._model.num_slots > 1:
                has_scores = True
                segments, valid = without_label(batch["segments"].numpy(), self._ignore_label)
                is_ignored |= valid is not None and not valid[clip_mask].all()
                scores.update(segments, decomposition.segments.numpy(), clip_mask, valid)
        result = {"reconstruction_mse": squared_error / max(num_clips, 1), "num_clips": num_clips}
        if self._further_score == "psnr":
            result["psnr"] = -10.0 * math.log10(max(result["reconstruction_mse"], _LEAST_ERROR))
        elif self._nats is not None:
            result["nats_per_pixel"] = nats / max(num_clips, 1)
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

    def _nats_of(self, video: tf.Tensor, decomposition: Decomposition) -> np.ndarray:
        """Mean log-likelihood of the pixels of every clip, `[B]`."""
        nats = self._nats(video, decomposition._replace(posteriors=None)) if self._nats is not None else None
        if nats is None:
            raise UserError("train.best_metric = 'nats_per_pixel': the model has no likelihood, choose 'psnr'.")
        return np.asarray(tf.reduce_mean(nats, axis=[1, 2, 3]))

    def _inputs_of(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: batch[name] for name in self._model.inputs}


def _with_batch(clip: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value[None]) for name, value in clip.items()}


def _without_batch(decomposition: Decomposition) -> Decomposition:
    arrays = {name: getattr(decomposition, name)[0].numpy() for name in decomposition._fields if name != "posteriors"}
    return decomposition._replace(posteriors=None, **arrays)
