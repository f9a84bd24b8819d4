"""Everything that the evaluation keeps of one clip: scores, latents, and what the dataset says of its objects."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.scores.image_quality import image_quality
from simone_tf.evaluation.scores.matching import UNMATCHED, match_by_mask_error
from simone_tf.evaluation.scores.overlap import overlap_scores
from simone_tf.evaluation.scores.segmentation import SegmentationScores
from simone_tf.evaluation.scores.void import TrueSegments, without_label
from simone_tf.models.scene_model import Decomposition, SceneModel

IGNORED_SHARE = "ignored_share"
"""The measure that there is of a clip where a label is ignored."""

COPIED_FIELDS = ("camera", "object_positions", "object_visible", "object_moving", "object_attributes")


class ClipMeasures:
    """Measures clips batch by batch, decoding in chunks so that the memory is bounded.

    Args:
        model: built `SceneModel`.
        chunk_size: pixels of a clip decoded at a time; None for all at once.
        ignore_label: the true segment whose pixels are in no score; None for none.
    """

    def __init__(self, model: SceneModel, chunk_size: int | None = 4096, ignore_label: int | None = None):
        self._ignore_label = ignore_label
        self._inputs = model.inputs
        self._num_slots = model.num_slots

        @tf.function(autograph=False)
        def take_apart(batch: Mapping[str, tf.Tensor]) -> tuple[Decomposition, tf.Tensor | None]:
            decomposition = model.decompose(batch, chunk_size)
            nats = model.log_prob(batch["video"], decomposition)  # [B, T, H, W]
            return decomposition, None if nats is None else tf.reduce_mean(nats, axis=[1, 2, 3])

        self._take_apart = take_apart

    def __call__(self, batch: Mapping[str, tf.Tensor]) -> list[dict[str, np.ndarray]]:
        """Measures a batch.

        Args:
            batch: dict of the model's `inputs`, `video [B, T, H, W, 3]` in [0, 1] among them, `clip_mask [B]`, and any
                other clip fields.

        Returns:
            list of one dict of arrays for each real clip. Always: `mse`, `psnr`, the posterior of every latent as
            `<name>_mean` `[*axes, D]` and, of those that are no points, `<name>_log_scale`, and what the batch has of
            `COPIED_FIELDS`. Of a model with a likelihood: `nats_per_pixel` (at the posterior means, nats). With
            `segments`, of a model that divides clips into slots: the scores of `segmentation.SCORES` and
            `overlap.OVERLAP_SCORES`, and, if the number of objects is known, `object_slots` `[N]`
            (`matching.match_by_mask_error`), all `UNMATCHED` in a clip whose segments count more objects. With an
            `ignore_label`: `ignored_share`, the share of the pixels that have it.
        """
        decomposition, nats = self._take_apart({name: batch[name] for name in self._inputs})
        real = np.flatnonzero(batch["clip_mask"])
        latents = {
            f"{name}_{part}": values
            for name, posterior in decomposition.posteriors.items()
            for part, values in (("mean", posterior.mean), ("log_scale", posterior.log_scale))
            if values is not None
        }
        ari = None
        if "segments" in batch and self._num_slots > 1:
            true = without_label(batch["segments"].numpy(), self._ignore_label)
            scores = SegmentationScores()
            scores.update(true.segments, decomposition.segments.numpy(), batch["clip_mask"].numpy(), true.valid)
            ari = scores.per_clip()
        clips = []
        for number, index in enumerate(map(int, real)):
            clip: dict[str, Any] = image_quality(
                batch["video"][index].numpy(), decomposition.reconstruction[index].numpy()
            )
            if nats is not None:
                clip["nats_per_pixel"] = nats[index].numpy()
            clip |= {name: value[index].numpy() for name, value in latents.items()}
            clip |= {name: batch[name][index].numpy() for name in COPIED_FIELDS if name in batch}
            if ari is not None:
                clip |= {name: values[number] for name, values in ari.items()}
                clip |= self._overlaps(true, decomposition, index, clip)
            clips.append({name: np.asarray(value) for name, value in clip.items()})
        return clips

    def _overlaps(
        self, true: TrueSegments, decomposition: Decomposition, index: int, clip: Mapping[str, np.ndarray]
    ) -> dict[str, Any]:
        segments, valid = true.segments[index], None if true.valid is None else true.valid[index]
        predicted = decomposition.segments[index].numpy()
        measures: dict[str, Any] = overlap_scores(segments, predicted, self._num_slots, valid)
        if valid is not None:
            measures[IGNORED_SHARE] = 1.0 - valid.mean()
        counts = [clip[name].shape[axis] for name, axis in _OBJECT_AXES.items() if name in clip]
        if counts:
            measures["object_slots"] = np.full(counts[0], UNMATCHED, np.int64)
            if segments.max() <= counts[0]:
                masks = decomposition.slot_masks[index].numpy()
                measures["object_slots"] = match_by_mask_error(segments, masks, counts[0], valid=valid)
        return measures


_OBJECT_AXES = {"object_positions": 1, "object_visible": 1, "object_moving": 0, "object_attributes": 0}
