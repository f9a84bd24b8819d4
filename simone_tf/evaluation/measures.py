"""Measures of a trained run on the clips of a dataset, in bounded memory and resumable, and their summary (Table 1)."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

import simone_tf
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.data.pipeline.window import can_be_told
from simone_tf.evaluation.clip_measures import COPIED_FIELDS, IGNORED_SHARE, ClipMeasures
from simone_tf.evaluation.clip_store import ClipStore
from simone_tf.evaluation.evaluated_run import EvaluatedRun, ignored_label
from simone_tf.evaluation.model_inputs import check_inputs
from simone_tf.evaluation.scores.overlap import OVERLAP_SCORES
from simone_tf.evaluation.scores.segmentation import SCORES
from simone_tf.models.scene_model import SceneModel

RECONSTRUCTION = ("mse", "psnr", "nats_per_pixel")


def measure_clips(
    run: EvaluatedRun,
    clips: ClipReader,
    store_dir: str,
    num_clips: int | None = None,
    batch_size: int = 8,
    on_clips: Callable[[int], object] = lambda count: None,
) -> ClipStore:
    """Measures clips of a dataset with a trained model, going on where an earlier call was ended.

    Args:
        run: the trained run.
        clips: the clips of the split.
        store_dir: folder of the measures.
        num_clips: the first clips of the split; None for all.
        batch_size: clips measured at a time.
        on_clips: called with a number of finished clips whenever there are more.

    Returns:
        `ClipStore` with the measures.

    Raises:
        UserError: the data cannot be read or does not fit the model, or the folder cannot be written.
    """
    settings = run.settings
    check_inputs(run.model, clips)
    store = ClipStore(store_dir, measures_key(run, clips))
    wanted = (*run.model.inputs, "segments", *COPIED_FIELDS)
    fields = can_be_told(clips, tuple(dict.fromkeys(wanted)), settings.num_frames)
    finished = store.count()
    on_clips(finished if num_clips is None else min(finished, num_clips))
    if num_clips is not None and finished >= num_clips:
        return store
    with data_faults_told(clips, fields, settings.num_frames):
        batches = evaluation_batches(
            clips,
            batch_size=batch_size,
            num_frames=settings.num_frames,
            frame_size=settings.frame_size,
            num_clips=num_clips,
            fields=fields,
        )
        measures = ClipMeasures(run.model, settings.evaluation_chunk_size, ignored_label(run))
        for number, batch in enumerate(batches.skip(finished // batch_size)):
            # Another batch size than before may leave a batch of which some clips are finished.
            done = finished % batch_size if number == 0 else 0
            if batch["clip_mask"].numpy().sum() > done:
                measured = measures(batch)[done:]
                store.append(measured)
                on_clips(len(measured))
    return store


def clip_scores(model: SceneModel, store: ClipStore, num_clips: int | None = None) -> dict[str, np.ndarray]:
    """Everything that is one number per clip: name -> `[num_clips]` float64.

    `<name>_kl` is the mean over a clip's latents of one kind, in nats: per object, per frame.
    """
    return _go_through(model.latents, store, num_clips)[0]


def summarize(run: EvaluatedRun, clips: ClipReader, store: ClipStore, num_clips: int | None = None) -> dict[str, Any]:
    """What is measured of a run on a split, as `metrics.json` holds it.

    Returns:
        dict: `run` (what was evaluated on what), `segmentation`, `reconstruction` and `latents` (each name ->
        {"mean", "std", "num"} over clips, in which it has a value; and `<name>_kl_per_dimension`, a list of nats),
        `not_computed` and `notes` (sentences).
    """
    model = run.model
    values, nats = _go_through(model.latents, store, num_clips)
    count = len(values["mse"])
    not_computed, notes = [], []
    label = ignored_label(run)
    besides = "" if label is None else f" but for the ignored {label}"
    empty = int(np.isnan(values["video_ari_foreground"]).sum()) if "video_ari_foreground" in values else 0
    if model.num_slots == 1:
        not_computed.append(
            "This model does not divide a scene into slots: ARI, mIoU and mBO need them; reconstruction metrics were "
            "computed."
        )
    elif "segments" not in clips.fields:
        not_computed.append(
            "This dataset has no `segments`: ARI, mIoU and mBO need them; reconstruction metrics were computed."
        )
    elif empty == count:
        not_computed.append(
            f"The `segments` of these clips are 0, background, everywhere{besides}: there are no foreground scores."
        )
    elif empty:
        notes.append(
            f"The `segments` of {empty} of {count} clips are 0, background, everywhere{besides}: foreground scores are "
            "those of the others."
        )
    if label is not None and IGNORED_SHARE in values:
        notes.append(_ignored(label, values[IGNORED_SHARE]))
    if "nats_per_pixel" not in values:
        not_computed.append("This model has no likelihood: no nats per pixel.")
    if points := [f"`{name}`" for name in model.latents if name not in nats]:
        not_computed.append(f"This model has no distribution over its latents {' and '.join(points)}: no KL of them.")
    return {
        "run": {
            "run_dir": run.run_dir,
            "checkpoint": run.checkpoint,
            "step": run.step,
            "seed": run.settings.seed,
            "dataset": clips.data_dir,
            "split": clips.split,
            "num_clips": count,
            "frames": run.settings.num_frames,
            "resolution": list(run.settings.frame_size),
            "num_slots": model.num_slots,
            "version": simone_tf.__version__,
        }
        | ({} if label is None else {"ignore_label": label}),
        "segmentation": {name: spread(values[name]) for name in (*SCORES, *OVERLAP_SCORES) if name in values},
        "reconstruction": {name: spread(values[name]) for name in RECONSTRUCTION if name in values},
        # nats of a latent (per object, per frame), and the nats of each of its dimensions
        "latents": {f"{name}_kl": spread(values[f"{name}_kl"]) for name in nats}
        | {f"{name}_kl_per_dimension": dimensions.tolist() for name, dimensions in nats.items()},
        "not_computed": not_computed,
        "notes": notes,
    }


def kl_per_dimension(mean: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """KL(N(mean, exp(log_scale)) || N(0, 1)) in nats of every latent dimension; any shape, float64."""
    mean, log_scale = np.asarray(mean, np.float64), np.asarray(log_scale, np.float64)
    return 0.5 * (np.square(mean) + np.exp(2 * log_scale) - 1) - log_scale


def _go_through(
    latents: Iterable[str], store: ClipStore, num_clips: int | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Scores of each clip, and the mean KL of each latent dimension; latents are held of one file at a time."""
    posteriors = {name: (f"{name}_mean", f"{name}_log_scale") for name in latents}
    kept = (
        *SCORES,
        *OVERLAP_SCORES,
        *RECONSTRUCTION,
        IGNORED_SHARE,
        *(part for parts in posteriors.values() for part in parts),
    )
    gathered: dict[str, list[np.ndarray]] = {}
    kl_sums: dict[str, np.ndarray] = {}
    for part in store.parts(kept, num_clips):
        for name, (mean, log_scale) in posteriors.items():
            means, log_scales = part.pop(mean), part.pop(log_scale, None)
            if log_scales is None:
                continue
            kl = kl_per_dimension(means, log_scales)  # [n, *axes, D]
            others = tuple(range(1, kl.ndim - 1))
            kl_sums[name] = kl_sums.get(name, 0.0) + kl.mean(axis=others).sum(axis=0)
            part[f"{name}_kl"] = kl.sum(-1).mean(axis=others)
        for name, values in part.items():
            gathered.setdefault(name, []).append(values.astype(np.float64))
    scores = {name: np.concatenate(values) for name, values in gathered.items()}
    return scores, {name: total / len(scores["mse"]) for name, total in kl_sums.items()}


def measures_key(run: EvaluatedRun, clips: ClipReader) -> dict[str, Any]:
    """What measures of clips depend on. Names without their folder: a run that moved is still the same run."""
    files = [tf.io.gfile.stat(path) for path in clips.files.shards()]
    settings = {name: value for name, value in clips.settings().items() if name != "data_dir"}
    # The index holds a checksum of every weight.
    with open(f"{run.checkpoint}.index", "rb") as file:
        weights = hashlib.sha256(file.read()).hexdigest()
    return {
        "step": run.step,
        "weights": weights,
        "config": hashlib.sha256(run.config.encode()).hexdigest(),
        "data": repr(sorted(settings.items(), key=str)),
        "shards": [
            [path.rpartition("/")[2], file.length, file.mtime_nsec]
            for path, file in zip(clips.files.shards(), files, strict=True)
        ],
        "fields": sorted(clips.fields),
        "num_frames": run.settings.num_frames,
        "frame_size": list(run.settings.frame_size),
        "version": simone_tf.__version__,
    } | _key_of_choices(run, clips)


def _key_of_choices(run: EvaluatedRun, clips: ClipReader) -> dict[str, Any]:
    """What measures depend on in some evaluations only; nothing of it in the others, whose measures stay theirs."""
    choices: dict[str, Any] = {}
    if ignored_label(run) is not None:
        choices["ignore_label"] = ignored_label(run)
    if "object_moving" in clips.fields and clips.clip_shape()[0] > run.settings.num_frames:
        choices["object_moving"] = "of the window"
    return choices


def _ignored(label: int, shares: np.ndarray) -> str:
    if not shares.any():
        return f"No pixel of the `segments` has the label {label}: nothing was left out of the scores."
    return f"{shares.mean():.2%} of the pixels have the label {label} in the `segments`: they are in no score."


def spread(values: np.ndarray) -> dict[str, float | int | None]:
    """Mean, population standard deviation and number of the values that are there."""
    there = values[~np.isnan(values)]
    if not len(there):
        return {"mean": None, "std": None, "num": 0}
    return {"mean": float(there.mean()), "std": float(there.std()), "num": len(there)}
