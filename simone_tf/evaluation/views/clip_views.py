"""Everything that is measured of the unseen views of one clip, and of the seen ones beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.scores.image_quality import image_quality
from simone_tf.evaluation.scores.segmentation import SegmentationScores
from simone_tf.evaluation.scores.structural_similarity import structural_similarity
from simone_tf.evaluation.scores.void import without_label
from simone_tf.evaluation.views.baselines import nearest_frames
from simone_tf.evaluation.views.synthesis import Views, ViewSynthesizer
from simone_tf.evaluation.views.tasks import ViewTask
from simone_tf.models.parts.latents import Posterior, kl_to_prior
from simone_tf.models.scene_model import SceneModel

DRAWN = ("context", "unseen")
"""What a model draws: the frames that it was shown, and those that it was not."""

BASELINES = ("nearest", "mean_image")
"""What stands in for the unseen frames without a model."""

QUALITY = ("psnr", "ssim", "mse")
ARI = ("video_ari_foreground", "video_ari")


class ViewMeasures:
    """Measures clips batch by batch.

    Args:
        model: built, one that draws unseen views.
        tasks: which frames are seen and which not.
        mean_image: `[H, W, 3]` float32.
        convention: what the numbers of `camera` are; None where nobody knows.
        chunk_size: pixels of a clip decoded at a time; None for all at once.
        ignore_label: the true segment whose pixels are in no score; None for none.
    """

    def __init__(
        self,
        model: SceneModel,
        tasks: Sequence[ViewTask],
        mean_image: np.ndarray,
        convention: str | None = None,
        chunk_size: int | None = 4096,
        ignore_label: int | None = None,
    ):
        self._num_slots = model.num_slots
        self._tasks = tasks
        self._mean_image = mean_image
        self._convention = convention
        self._ignore_label = ignore_label
        self._draw = ViewSynthesizer(model, chunk_size)

    def __call__(self, batch: Mapping[str, tf.Tensor]) -> list[dict[str, np.ndarray]]:
        """Measures a batch.

        Args:
            batch: dict of the model's `inputs` of whole clips, `video [B, F, H, W, 3]` in [0, 1] among them,
                `clip_mask [B]`, and `segments` and `camera` where there are any.

        Returns:
            list of one dict for each real clip, by `<task>_<what>_<score>`: for the views of `DRAWN` and the
            `BASELINES` the scores of `QUALITY`, means over frames; of `DRAWN`, of a model with a likelihood,
            `nats_per_pixel` at the posterior means; with `segments`, of a model that divides clips into slots, the
            scores of `ARI`, of both together too (`<task>_all_<score>`). `<task>_<latent>_kl` in nats of a latent,
            `<task>_rate` in nats of all latents of a clip together; neither of points.
        """
        clips: list[dict[str, float]] = [{} for _ in np.flatnonzero(batch["clip_mask"])]
        for task in self._tasks:
            views = self._draw(batch, task)
            for measured in (self._quality(batch, task, views), self._ari(batch, task, views), _nats(views)):
                for name, values in measured.items():
                    for clip, value in zip(clips, values, strict=False):  # What fills a batch up comes last.
                        clip[f"{task.name}_{name}"] = float(value)
        return [{name: np.asarray(value) for name, value in clip.items()} for clip in clips]

    def _quality(self, batch: Mapping[str, tf.Tensor], task: ViewTask, views: Views) -> dict[str, np.ndarray]:
        video = batch["video"].numpy()
        seen, unseen = video[:, task.context], video[:, task.unseen]
        camera = batch["camera"].numpy() if "camera" in batch else None
        if camera is not None and self._convention is not None:
            # What fills a batch up is no pose.
            camera = np.where(batch["clip_mask"].numpy()[:, None, None], camera, camera[:1])
        nearest = nearest_frames(task, camera, self._convention)
        pairs = {
            "context": (seen, views.context.reconstruction.numpy()),
            "unseen": (unseen, views.unseen.reconstruction.numpy()),
            "nearest": (unseen, video[np.arange(len(video))[:, np.newaxis], nearest]),
            "mean_image": (unseen, np.broadcast_to(self._mean_image, unseen.shape)),
        }
        measured: dict[str, np.ndarray] = {}
        for name, (true, drawn) in pairs.items():
            quality = [image_quality(*clip) for clip in zip(true, drawn, strict=True)]
            measured |= {f"{name}_{score}": np.array([clip[score] for clip in quality]) for score in ("psnr", "mse")}
            measured[f"{name}_ssim"] = structural_similarity(true, drawn).mean(axis=1)
        return measured

    def _ari(self, batch: Mapping[str, tf.Tensor], task: ViewTask, views: Views) -> dict[str, np.ndarray]:
        if "segments" not in batch or self._num_slots == 1:
            return {}
        true = without_label(batch["segments"].numpy(), self._ignore_label)
        context, unseen = (getattr(views, part).segments.numpy() for part in DRAWN)
        parts = {
            "context": (task.context, context),
            "unseen": (task.unseen, unseen),
            "all": (task.context + task.unseen, np.concatenate([context, unseen], axis=1)),
        }
        measured: dict[str, np.ndarray] = {}
        for name, (frames, predicted) in parts.items():
            scores = SegmentationScores()
            valid = None if true.valid is None else true.valid[:, frames]
            scores.update(true.segments[:, frames], predicted, batch["clip_mask"].numpy(), valid)
            measured |= {f"{name}_{score}": scores.per_clip()[score] for score in ARI}
        return measured


def _nats(views: Views) -> dict[str, np.ndarray]:
    measured = {}
    for name, nats in (("context", views.context_nats), ("unseen", views.unseen_nats)):
        if nats is not None:
            measured[f"{name}_nats_per_pixel"] = nats.numpy().mean(axis=1)
    return measured | _kl(views.posteriors)


def _kl(posteriors: Mapping[str, Posterior]) -> dict[str, np.ndarray]:
    """Of the latents that are no points, which follow from what is given and carry nothing more."""
    kl = {
        name: kl_to_prior(posterior).numpy()
        for name, posterior in posteriors.items()
        if posterior.log_scale is not None
    }
    by_clip = {name: values.reshape(len(values), -1) for name, values in kl.items()}
    measured = {f"{name}_kl": values.mean(axis=1) for name, values in by_clip.items()}
    if kl:
        measured["rate"] = np.sum([values.sum(axis=1) for values in by_clip.values()], axis=0)
    return measured
