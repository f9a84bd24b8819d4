"""Scores of a model on held-out clips, clip by clip in bounded memory."""

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.scores.segmentation import SegmentationScores


class HeldOut:
    """Evaluates a model on a finite set of clips.

    Args:
        model: built `SIMONe`.
        batches: re-iterable dataset of dicts with `video [B, T, H, W, 3]`, `clip_mask [B]` and, where the dataset has
            them, `segments [B, T, H, W]`.
        chunk_size: queries decoded at a time; bounds the memory.
    """

    def __init__(self, model, batches, chunk_size=4096):
        self._batches = batches
        self._decompose = tf.function(lambda video: model.decompose(video, chunk_size))
        self._recompose = tf.function(lambda objects, frames: model.recompose(objects, frames, chunk_size))

    def evaluate(self):
        """Runs over all clips.

        Returns:
            dict with `reconstruction_mse` (mean over all values), `num_clips`, and with ground truth the scores of
            `SegmentationScores.result()`.
        """
        scores = SegmentationScores()
        squared_error, num_clips, has_segments = 0.0, 0, False
        for batch in self._batches:
            clip_mask = batch["clip_mask"].numpy()
            decomposition = self._decompose(batch["video"])
            errors = tf.square(decomposition.reconstruction - batch["video"])
            squared_error += float(np.sum(tf.reduce_mean(errors, axis=[1, 2, 3, 4]).numpy()[clip_mask]))
            num_clips += int(clip_mask.sum())
            if "segments" in batch:
                has_segments = True
                scores.update(batch["segments"].numpy(), decomposition.segments.numpy(), clip_mask)
        result = {"reconstruction_mse": squared_error / max(num_clips, 1), "num_clips": num_clips}
        if has_segments:
            result = {**scores.result(), **result}
        return result

    def first_clips(self, count):
        """The first `count` clips taken apart, and recomposed with the frame latents of the clip after them.

        The clip after the very last one is the first.

        Returns:
            list of (clip, decomposition, next_clip, recomposition): clips are dicts of NumPy arrays without batch
            axis, the decompositions `Decomposition`s likewise (posteriors left out).
        """
        clips = []
        for batch in self._batches:
            for index in np.flatnonzero(batch["clip_mask"]):
                clips.append({name: value[index].numpy() for name, value in batch.items()})
            if len(clips) > count:
                break
        taken_apart = []
        for index, clip in enumerate(clips[:count]):
            next_clip = clips[(index + 1) % len(clips)]
            video, next_video = tf.constant(clip["video"][None]), tf.constant(next_clip["video"][None])
            decomposition, recomposition = self._decompose(video), self._recompose(video, next_video)
            taken_apart.append((clip, _without_batch(decomposition), next_clip, _without_batch(recomposition)))
        return taken_apart


def _without_batch(decomposition):
    arrays = {name: getattr(decomposition, name)[0].numpy() for name in decomposition._fields if name != "posteriors"}
    return decomposition._replace(posteriors=None, **arrays)
