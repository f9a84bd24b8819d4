"""Measures of a trained run on the clips of a dataset, in bounded memory and resumable, and their summary (Table 1)."""

import hashlib

import numpy as np
import tensorflow as tf

import simone_tf
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.tfrecords.faults import DATA_ERRORS, explain_data_error
from simone_tf.evaluation.clip_measures import COPIED_FIELDS, LATENTS, ClipMeasures
from simone_tf.evaluation.clip_store import ClipStore
from simone_tf.evaluation.scores.overlap import OVERLAP_SCORES
from simone_tf.evaluation.scores.segmentation import SCORES

RECONSTRUCTION = ("mse", "psnr", "nats_per_pixel")


def measure_clips(run, clips, store_dir, num_clips=None, batch_size=8, on_clips=lambda count: None):
    """Measures clips of a dataset with a trained model, going on where an earlier call was ended.

    Args:
        run: `Run`.
        clips: `ClipReader` of the split.
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
    store = ClipStore(store_dir, _key(run, clips))
    fields = tuple(name for name in ("video", "segments", *COPIED_FIELDS) if name in clips.fields)
    finished = store.count()
    on_clips(finished if num_clips is None else min(finished, num_clips))
    if num_clips is not None and finished >= num_clips:
        return store
    try:
        batches = evaluation_batches(
            clips,
            batch_size=batch_size,
            num_frames=settings.num_frames,
            frame_size=settings.frame_size,
            num_clips=num_clips,
            fields=fields,
        )
        measures = ClipMeasures(run.model, settings.evaluation_chunk_size)
        for number, batch in enumerate(batches.skip(finished // batch_size)):
            # Another batch size than before may leave a batch of which some clips are finished.
            done = finished % batch_size if number == 0 else 0
            if batch["clip_mask"].numpy().sum() > done:
                measured = measures(batch)[done:]
                store.append(measured)
                on_clips(len(measured))
    except DATA_ERRORS as error:
        raise explain_data_error(error, clips, fields, settings.num_frames) or error from error
    return store


def clip_scores(store, num_clips=None):
    """Everything that is one number per clip: name -> `[num_clips]` float64; the KLs are nats per object and frame."""
    return _go_through(store, num_clips)[0]


def summarize(run, clips, store, num_clips=None):
    """What is measured of a run on a split, as `metrics.json` holds it.

    Returns:
        dict: `run` (what was evaluated on what), `segmentation`, `reconstruction` and `latents` (each name ->
        {"mean", "std", "num"} over clips, in which it has a value), `not_computed` and `notes` (sentences).
    """
    values, nats = _go_through(store, num_clips)
    count = len(values["mse"])
    not_computed, notes = [], []
    empty = int(np.isnan(values["video_ari_foreground"]).sum()) if "video_ari_foreground" in values else 0
    if "segments" not in clips.fields:
        not_computed.append(
            "This dataset has no `segments`: ARI, mIoU and mBO need them; reconstruction metrics were computed."
        )
    elif empty == count:
        not_computed.append(
            "The `segments` of these clips are 0, background, everywhere: there are no foreground scores."
        )
    elif empty:
        notes.append(
            f"The `segments` of {empty} of {count} clips are 0, background, everywhere: foreground scores are those of "
            "the others."
        )
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
            "num_slots": run.model.encoder.num_slots,
            "version": simone_tf.__version__,
        },
        "segmentation": {name: _spread(values[name]) for name in (*SCORES, *OVERLAP_SCORES) if name in values},
        "reconstruction": {name: _spread(values[name]) for name in RECONSTRUCTION},
        "latents": {
            # nats per object and per frame, and the nats of each dimension
            "object_kl": _spread(values["object_kl"]),
            "frame_kl": _spread(values["frame_kl"]),
            "object_kl_per_dimension": nats["object"].tolist(),
            "frame_kl_per_dimension": nats["frame"].tolist(),
        },
        "not_computed": not_computed,
        "notes": notes,
    }


def without_nan(value):
    """JSON has no word for NaN: a score that does not exist is None. Goes through dicts and lists."""
    if isinstance(value, dict):
        return {name: without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


def kl_per_dimension(mean, log_scale):
    """KL(N(mean, exp(log_scale)) || N(0, 1)) in nats of every latent dimension; any shape, float64."""
    mean, log_scale = np.asarray(mean, np.float64), np.asarray(log_scale, np.float64)
    return 0.5 * (np.square(mean) + np.exp(2 * log_scale) - 1) - log_scale


def _go_through(store, num_clips):
    """Scores of each clip, and the mean KL of each latent dimension; latents are held of one file at a time."""
    scores, kl_sums = {}, {"object": 0.0, "frame": 0.0}
    for part in store.parts((*SCORES, *OVERLAP_SCORES, *RECONSTRUCTION, *LATENTS), num_clips):
        for kind, total in kl_sums.items():
            kl = kl_per_dimension(part.pop(f"{kind}_mean"), part.pop(f"{kind}_log_scale"))  # [n, K or T, D]
            kl_sums[kind] = total + kl.mean(axis=1).sum(axis=0)
            part[f"{kind}_kl"] = kl.sum(-1).mean(-1)
        for name, values in part.items():
            scores.setdefault(name, []).append(values.astype(np.float64))
    scores = {name: np.concatenate(values) for name, values in scores.items()}
    return scores, {kind: total / len(scores["mse"]) for kind, total in kl_sums.items()}


def _key(run, clips):
    """What measures of clips depend on. Names without their folder: a run that moved is still the same run."""
    files = [tf.io.gfile.stat(path) for path in clips.shards()]
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
            for path, file in zip(clips.shards(), files, strict=True)
        ],
        "fields": sorted(clips.fields),
        "num_frames": run.settings.num_frames,
        "frame_size": list(run.settings.frame_size),
        "version": simone_tf.__version__,
    }


def _spread(values):
    """Mean, population standard deviation and number of the values that are there."""
    there = values[~np.isnan(values)]
    if not len(there):
        return {"mean": None, "std": None, "num": 0}
    return {"mean": float(there.mean()), "std": float(there.std()), "num": len(there)}
