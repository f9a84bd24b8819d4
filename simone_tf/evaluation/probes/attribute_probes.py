"""Attribute probes: what an object is (colour, shape, size, ...) from the latent of the slot matched to it.

The paper has no such table; users of slot models expect one. One row per attribute and regressor:

| column                              | meaning                                                                     |
|-------------------------------------|-----------------------------------------------------------------------------|
| `probe`, `target`, `input`,         | "attribute", the attribute's name, "o_k", "linear" or "mlp"                 |
| `regressor`                         |                                                                             |
| `score`                             | "accuracy" for categories, "r2" for numbers                                 |
| `score_mean`, `score_std`           | on the clips held out, over the decoders (population s.d.)                  |
| `score_shuffled_mean`               | control: trained on shuffled labels, tested on true ones; near the baseline |
| `score_baseline`                    | of always answering the most frequent class, or the mean, of the training   |
|                                     | rows                                                                        |
| `num_classes`                       | classes among the training rows; None for numbers                           |
| `num_decoders`                      | trained decoders; 0 where there are too few clips, all scores being NaN     |
| `num_train_clips`, ...              | as in `probe_scores`                                                        |
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from simone_tf.evaluation.probes.probe_data import (
    ClipSplit,
    ProbeSettings,
    ProbeTable,
    RowSplit,
    choose_rows,
    enough_rows,
    matched_objects,
    varying_components,
)
from simone_tf.evaluation.probes.probe_latents import over_frames
from simone_tf.evaluation.probes.probe_scores import ProbeRow, as_finite, count_rows, prepare, train_and_predict
from simone_tf.evaluation.probes.regressors import REGRESSORS, Predict, Rows, fit_classifier, fit_regressor

_NO_SCORES = dict.fromkeys(("score_mean", "score_std", "score_shuffled_mean", "score_baseline"), float("nan"))


class NamedAttribute(Protocol):
    """A column of `object_attributes`: its name and, where it is a category, those of its values (`formats.reader`)."""

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> tuple[str, ...]: ...


def attribute_probes(
    object_latents: np.ndarray,
    object_attributes: np.ndarray,
    slots: np.ndarray,
    attributes: Sequence[NamedAttribute],
    *,
    object_visible: np.ndarray | None = None,
    split: ClipSplit | None = None,
    settings: ProbeSettings | None = None,
) -> list[ProbeRow]:
    """Every attribute from the latent of the slot matched to the object, by linear and MLP decoders.

    Args:
      object_latents: `[N, K, Do]` float, of N clips; or `[N, K, T, Do]`, of which the mean over the frames is taken.
      object_attributes: `[N, M, A]` float; categories are codes 0, 1, ...
      slots: `[N, M]` int, the slot of each object or `matching.UNMATCHED`; objects without one are left out.
      attributes: the A columns, as from `ClipReader.attributes`.
      object_visible: `[N, T, M]` bool; objects that are never visible are left out. All are by default.
      split, settings: as in `camera_probes`.

    Returns:
      Rows, see the module.

    Raises:
      UserError: too few clips, numbers that are not finite, or scikit-learn is missing.
      ValueError: shapes that do not fit.
    """
    object_latents = over_frames(as_finite(object_latents, "latents"))
    values, slots = np.asarray(object_attributes), np.asarray(slots)
    if object_latents.ndim != 3 or slots.ndim != 2 or values.shape != (*slots.shape, len(attributes)):
        raise ValueError(
            f"object_attributes must be [N, M, {len(attributes)}] and slots [N, M], got {values.shape} and "
            f"{slots.shape}."
        )
    if len(object_latents) != len(slots):
        raise ValueError(f"object_latents are of {len(object_latents)} clips, slots of {len(slots)}.")
    settings, split = prepare(settings, split, len(slots))
    clips, objects = matched_objects(slots, object_latents.shape[1], object_visible)
    matched = slots[clips, objects]
    inputs = {"o_k": lambda rows: object_latents[clips[rows], matched[rows]]}
    columns = [
        as_finite(values[clips, objects, column], f"values of attribute {attribute.name}")
        for column, attribute in enumerate(attributes)
    ]
    results = []
    for targets, attribute in zip(columns, attributes, strict=True):
        if attribute.values:
            table = ProbeTable(clips, np.rint(targets).astype(np.int64), inputs)
        else:
            table = ProbeTable(clips, targets[:, np.newaxis].astype(np.float64), inputs)
        rows = choose_rows(table, split, settings)
        for regressor in REGRESSORS:
            scores = _scores(table, rows, regressor, settings, bool(attribute.values))
            names = {"probe": "attribute", "target": attribute.name, "input": "o_k", "regressor": regressor}
            results.append({**names, **scores})
    return results


def _scores(table: ProbeTable, rows: RowSplit, regressor: str, settings: ProbeSettings, categories: bool) -> ProbeRow:
    num_decoders = 1 if regressor == "linear" else settings.num_decoders
    train_targets, true = table.targets[rows.train], table.targets[rows.test]
    names = {
        "score": "accuracy" if categories else "r2",
        "num_classes": len(np.unique(train_targets)) if categories else None,
        **count_rows(table, rows),
    }
    scorable = enough_rows(table, rows) and (categories or bool(varying_components(true).all()))
    if not scorable:
        return {**names, **_NO_SCORES, "num_decoders": 0}

    def fit(train: Rows, validation: Rows, seed: int) -> Predict:
        kind = fit_classifier if categories else fit_regressor
        return kind(regressor, train, validation, seed, settings.mlp)

    def score(predicted: np.ndarray) -> float:
        from sklearn.metrics import accuracy_score, r2_score

        return float(accuracy_score(true, predicted) if categories else r2_score(true, predicted))

    decoded, controls = train_and_predict(fit, table, rows, "o_k", settings, num_decoders)
    if categories:
        classes, counts = np.unique(train_targets, return_counts=True)
        baseline = np.full(len(true), classes[counts.argmax()])
    else:
        baseline = np.broadcast_to(train_targets.mean(axis=0), true.shape)
    scores = [score(predicted) for predicted in decoded]
    return {
        **names,
        "score_mean": float(np.mean(scores)),
        "score_std": float(np.std(scores)),
        "score_shuffled_mean": float(np.mean([score(predicted) for predicted in controls])) if controls else np.nan,
        "score_baseline": score(baseline),
        "num_decoders": num_decoders,
    }
