"""The unseen views of a dataset's clips, measured in bounded memory and resumable, and their summary."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.evaluation.clip_store import ClipStore
from simone_tf.evaluation.evaluated_run import EvaluatedRun, ignored_label
from simone_tf.evaluation.measures import measures_key, spread
from simone_tf.evaluation.views.clip_views import ARI, BASELINES, DRAWN, QUALITY, ViewMeasures
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.tasks import ViewTask

WHAT = (*DRAWN, "all", *BASELINES)
"""What scores are of: views that a model drew, seen, unseen and both together, and the baselines of the unseen ones."""


def measure_views(
    run: EvaluatedRun,
    scenes: SceneClips,
    store_dir: str,
    tasks: Sequence[ViewTask],
    mean_image: np.ndarray,
    num_clips: int | None = None,
    batch_size: int = 8,
    on_clips: Callable[[int], object] = lambda count: None,
) -> ClipStore:
    """Measures the tasks on clips of a dataset, going on where an earlier call was ended.

    Args:
        run: the trained run, whose model draws unseen views.
        scenes: the clips of the split.
        store_dir: folder of the measures.
        tasks: which frames are seen and which not, at least one.
        mean_image: `[H, W, 3]` float32, that of the training's clips.
        num_clips: the first clips of the split; None for all.
        batch_size: clips measured at a time.
        on_clips: called with a number of finished clips whenever there are more.

    Raises:
        UserError: the data cannot be read or do not fit the model, or the folder cannot be written.
    """
    settings = run.settings
    key = measures_key(run, scenes.clips) | {
        "sweep": None if scenes.sweep is None else measures_key(run, scenes.sweep),
        "tasks": [[task.name, list(task.context), list(task.unseen)] for task in tasks],
        "mean_image": float(mean_image.mean(dtype=np.float64)),
    }
    store = ClipStore(store_dir, key)
    finished = store.count()
    on_clips(finished if num_clips is None else min(finished, num_clips))
    if num_clips is not None and finished >= num_clips:
        return store
    fields = scenes.fields((*run.model.inputs, "camera", "segments"))
    num_frames = 1 + max(max(task.context + task.unseen) for task in tasks)
    with data_faults_told(scenes.clips, fields, min(num_frames, scenes.num_frames)):
        batches = scenes.batches(
            num_frames,
            batch_size=batch_size,
            frame_size=settings.frame_size,
            num_clips=num_clips,
            fields=fields,
        )
        measures = ViewMeasures(
            run.model,
            tasks,
            mean_image,
            scenes.clips.camera_convention,
            settings.evaluation_chunk_size,
            ignored_label(run),
        )
        for number, batch in enumerate(batches.skip(finished // batch_size)):
            # Another batch size than before may leave a batch of which some clips are finished.
            done = finished % batch_size if number == 0 else 0
            if batch["clip_mask"].numpy().sum() > done:
                measured = measures(batch)[done:]
                store.append(measured)
                on_clips(len(measured))
    return store


def view_scores(store: ClipStore, num_clips: int | None = None) -> dict[str, np.ndarray]:
    """Everything that was measured, one number per clip: `<task>_<what>_<score>` -> `[num_clips]` float64."""
    return {name: values.astype(np.float64) for name, values in store.load(None, num_clips).items()}


def summarize_views(tasks: Sequence[ViewTask], scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What is measured of a run's unseen views, as `metrics.json` holds it under `views`.

    Returns:
        By name of the task: `context_frames` and `unseen_frames`, their numbers; for each of `WHAT` that there is,
        score -> {"mean", "std", "num"} over clips; `latents`, the same of `<latent>_kl` in nats; and
        `rate_distortion`: `rate` in nats of a scene, and `context` and `unseen`, the distortions in nats per pixel
        (the negative log-likelihood), where there are any.
    """
    return {task.name: _summary(task, _of_task(task, scores)) for task in tasks}


def _of_task(task: ViewTask, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = f"{task.name}_"
    return {name.removeprefix(prefix): values for name, values in scores.items() if name.startswith(prefix)}


def _summary(task: ViewTask, scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    summary: dict[str, Any] = {"context_frames": len(task.context), "unseen_frames": len(task.unseen)}
    for what in WHAT:
        names = {score: f"{what}_{score}" for score in (*QUALITY, "nats_per_pixel", *ARI)}
        found = {score: spread(scores[name]) for score, name in names.items() if name in scores}
        summary |= {what: found} if found else {}
    summary["latents"] = {name: spread(values) for name, values in scores.items() if name.endswith("_kl")}
    nats = {what: scores[f"{what}_nats_per_pixel"] for what in DRAWN if f"{what}_nats_per_pixel" in scores}
    if "rate" in scores and nats:
        summary["rate_distortion"] = {"rate": spread(scores["rate"])}
        summary["rate_distortion"] |= {what: spread(-values) for what, values in nats.items()}
    return summary
