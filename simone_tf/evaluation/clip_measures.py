"""Everything that the evaluation keeps of one clip: scores, latents, and what the dataset says of its objects."""

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.scores.image_quality import image_quality
from simone_tf.evaluation.scores.matching import UNMATCHED, match_by_mask_error
from simone_tf.evaluation.scores.overlap import overlap_scores
from simone_tf.evaluation.scores.segmentation import SegmentationScores

LATENTS = ("object_mean", "object_log_scale", "frame_mean", "frame_log_scale")
COPIED_FIELDS = ("camera", "object_positions", "object_visible", "object_moving", "object_attributes")


class ClipMeasures:
    """Measures clips batch by batch, decoding in chunks so that the memory is bounded.

    Args:
        model: built `SIMONe`.
        chunk_size: queries decoded at a time.
    """

    def __init__(self, model, chunk_size=4096):
        self._num_slots = model.encoder.num_slots

        @tf.function
        def take_apart(video):
            decomposition = model.decompose(video, chunk_size)
            rgb, masks = decomposition.slot_rgb, decomposition.slot_masks
            batch, slots, points = masks.shape[0], masks.shape[1], np.prod(masks.shape[2:])
            # The masks are normalised already: their logarithms are logits of the same mixture.
            nats = model.likelihood.log_prob(
                tf.reshape(video, [batch, points, 3]),
                tf.reshape(rgb, [batch, slots, points, 3]),
                tf.reshape(tf.math.log(tf.maximum(masks, 1e-30)), [batch, slots, points]),
            )
            return decomposition, tf.reduce_mean(nats, axis=1)

        self._take_apart = take_apart

    def __call__(self, batch):
        """Measures a batch.

        Args:
            batch: dict of `video [B, T, H, W, 3]` in [0, 1], `clip_mask [B]`, and any other clip fields.

        Returns:
            list of one dict of NumPy arrays for each real clip. Always: `mse`, `psnr`, `nats_per_pixel` (log-likelihood
            at the posterior means, nats), the posteriors `object_mean`, `object_log_scale` `[K, Do]`, `frame_mean`,
            `frame_log_scale` `[T, Df]`, and what the batch has of `COPIED_FIELDS`. With `segments`: the scores of
            `segmentation.SCORES` and `overlap.OVERLAP_SCORES`, and, if the number of objects is known, `object_slots`
            `[N]` (`matching.match_by_mask_error`), all `UNMATCHED` in a clip whose segments count more objects.
        """
        decomposition, nats = self._take_apart(batch["video"])
        real = np.flatnonzero(batch["clip_mask"])
        posteriors = decomposition.posteriors
        latents = dict(zip(LATENTS, (*posteriors.objects, *posteriors.frames), strict=True))
        ari = None
        if "segments" in batch:
            scores = SegmentationScores()
            scores.update(batch["segments"].numpy(), decomposition.segments.numpy(), batch["clip_mask"].numpy())
            ari = scores.per_clip()
        clips = []
        for number, index in enumerate(real):
            clip = image_quality(batch["video"][index].numpy(), decomposition.reconstruction[index].numpy())
            clip["nats_per_pixel"] = nats[index].numpy()
            clip |= {name: value[index].numpy() for name, value in latents.items()}
            clip |= {name: batch[name][index].numpy() for name in COPIED_FIELDS if name in batch}
            if ari is not None:
                clip |= {name: values[number] for name, values in ari.items()}
                clip |= self._overlaps(batch["segments"][index].numpy(), decomposition, index, clip)
            clips.append({name: np.asarray(value) for name, value in clip.items()})
        return clips

    def _overlaps(self, segments, decomposition, index, clip):
        measures = overlap_scores(segments, decomposition.segments[index].numpy(), self._num_slots)
        counts = [clip[name].shape[axis] for name, axis in _OBJECT_AXES.items() if name in clip]
        if counts:
            measures["object_slots"] = np.full(counts[0], UNMATCHED, np.int64)
            if segments.max() <= counts[0]:
                masks = decomposition.slot_masks[index].numpy()
                measures["object_slots"] = match_by_mask_error(segments, masks, counts[0])
        return measures


_OBJECT_AXES = {"object_positions": 1, "object_visible": 1, "object_moving": 0, "object_attributes": 0}
