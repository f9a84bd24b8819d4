"""Scores of the probes: what can be read off frozen latents by decoders trained on some clips, tested on others.

Camera and trajectory probes give rows, one for every target, input, regressor and choice of training objects, with the
same columns:

| column                                 | meaning                                                                     |
|----------------------------------------|-----------------------------------------------------------------------------|
| `probe`, `target`, `input`, `regressor`| what is predicted from what, and how                                        |
| `coordinates`                          | "world", "camera of frame r", or "middle camera"                            |
| `trained_on`, `tested_on`              | which objects: "all" or "moving"; None for the camera                       |
| `r2_mean`, `r2_std`                    | test R^2 over the decoders (population s.d.)                                |
| `r2_variance_weighted`                 | the same mean, components weighted by their variance                        |
| `r2_x`, `r2_y`, `r2_z`                 | mean test R^2 of each component; NaN where the component does not vary      |
| `r2_shuffled_mean`                     | control, see below                                                          |
| `r2_clock`                             | test R^2 of the mean of the training rows of the same frame number          |
| `num_decoders`                         | trained decoders; 0 where there are too few clips, all scores being NaN     |
| `num_train_clips`, `num_test_clips`,   | clips and rows in use                                                       |
| `num_train_rows`, `num_test_rows`      |                                                                             |

R^2 is scikit-learn's `r2_score` on the clips held out, averaged evenly over the components that vary (the paper does
not say how; this is scikit-learn's default). It is 1 for perfect predictions, 0 for the mean of the test targets, and
negative for worse.

The control trains the same decoder after the targets of the training rows were shuffled over all rows, hence between
scenes and frames, and tests it on the true targets: nothing is left to be learnt, so that anything clearly above 0
would mean that test targets leak. `r2_clock` is the other baseline: what a decoder gets by knowing only which frame of
the clip it looks at, which the shuffle takes away too.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.camera_pose import MIDDLE, Reference
from simone_tf.evaluation.probes.probe_data import (
    ClipSplit,
    ProbeSettings,
    ProbeTable,
    RowSplit,
    check_split,
    clock_prediction,
    decoder_seeds,
    enough_rows,
    split_clips,
    split_training,
    varying_components,
)
from simone_tf.evaluation.probes.regressors import Predict, Rows, fit_regressor, require_scikit_learn

ProbeRow = dict[str, Any]
"""Column -> text, number or None."""

_NAN = float("nan")
_NO_SCORES = {
    name: _NAN
    for name in ("r2_mean", "r2_std", "r2_variance_weighted", "r2_x", "r2_y", "r2_z", "r2_shuffled_mean", "r2_clock")
}


def prepare(settings: ProbeSettings | None, split: ClipSplit | None, num_clips: int) -> tuple[ProbeSettings, ClipSplit]:
    """Fills in what was not given and checks the rest.

    Raises:
      UserError: too few clips, or scikit-learn is missing.
      ValueError: a split of other clips.
    """
    require_scikit_learn()
    settings = settings or ProbeSettings()
    if split is None:
        return settings, split_clips(num_clips, settings.test_share, settings.seed)
    check_split(split, num_clips)
    return settings, split


def count_rows(table: ProbeTable, rows: RowSplit) -> ProbeRow:
    """The counts that every row of scores has."""
    return {
        "num_train_clips": len(np.unique(table.clips[rows.train])),
        "num_test_clips": len(np.unique(table.clips[rows.test])),
        "num_train_rows": len(rows.train),
        "num_test_rows": len(rows.test),
    }


def train_and_predict(
    fit: Callable[[Rows, Rows, int], Predict],
    table: ProbeTable,
    rows: RowSplit,
    name: str,
    settings: ProbeSettings,
    num_decoders: int,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Trains all decoders and all controls of one input.

    Args:
      fit: function of rows to fit, rows to stop by and a seed.

    Returns:
      The predictions of each decoder, and of each control, for the test rows.
    """
    features, test_features = table.inputs[name](rows.train), table.inputs[name](rows.test)
    clips, targets = table.clips[rows.train], table.targets[rows.train]
    seeds = decoder_seeds(settings.seed, num_decoders + settings.num_controls)

    def predict(seed: int, labels: np.ndarray) -> np.ndarray:
        return fit(*split_training(clips, features, labels, seed), seed)(test_features)

    decoded = [predict(seed, targets) for seed in seeds[:num_decoders]]
    shuffles = [(seed, np.random.default_rng([seed, 3]).permutation(targets)) for seed in seeds[num_decoders:]]
    return decoded, [predict(seed, labels) for seed, labels in shuffles]


def regression_scores(
    table: ProbeTable,
    rows: RowSplit,
    name: str,
    regressor: str,
    settings: ProbeSettings,
    parts: Mapping[str, slice],
) -> dict[str, ProbeRow]:
    """The scores of one input and regressor, for each part of the targets: name -> columns, of three at most."""
    num_decoders = 1 if regressor == "linear" else settings.num_decoders
    counts = {"num_decoders": num_decoders, **count_rows(table, rows)}
    if not enough_rows(table, rows):
        return {part: {**_NO_SCORES, **counts, "num_decoders": 0} for part in parts}

    def fit(train: Rows, validation: Rows, seed: int) -> Predict:
        return fit_regressor(regressor, train, validation, seed, settings.mlp)

    decoded, controls = train_and_predict(fit, table, rows, name, settings, num_decoders)
    clock = clock_prediction(table, rows)
    results = {}
    for part, columns in parts.items():
        varying = varying_components(table.targets[rows.train, columns])
        varying &= varying_components(table.targets[rows.test, columns])
        true = table.targets[rows.test, columns][:, varying]
        scores = dict(_NO_SCORES)
        if varying.any():
            raw = _r2(true, [predicted[:, columns][:, varying] for predicted in decoded])  # [decoders, components]
            controlled = _r2(true, [predicted[:, columns][:, varying] for predicted in controls])
            components = np.full(len(varying), _NAN)
            components[varying] = raw.mean(axis=0)
            scores |= {
                "r2_mean": float(raw.mean()),
                "r2_std": float(raw.mean(axis=1).std()),
                "r2_variance_weighted": float(np.average(raw.mean(axis=0), weights=true.var(axis=0))),
                "r2_shuffled_mean": float(controlled.mean()) if len(controls) else _NAN,
                "r2_clock": float(_r2(true, [clock[:, columns][:, varying]]).mean()),
            }
            scores |= {f"r2_{axis}": float(value) for axis, value in zip("xyz", components, strict=False)}
        results[part] = {**scores, **counts}
    return results


def coordinates_name(reference: Reference | None) -> str:
    """How the rows name the coordinates."""
    if reference is None:
        return "world"
    return "middle camera" if reference == MIDDLE else f"camera of frame {reference}"


def side_by_side(*parts: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """An input that is several inputs one after the other."""
    return lambda rows: np.concatenate([part(rows) for part in parts], axis=1)


def as_finite(values: np.ndarray, what: str) -> np.ndarray:
    """An array of floats, finite or refused.

    Raises:
      UserError: a number is not finite.
    """
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"The {what} hold a number that is not finite: the probes need a model and data without any.")
    return values


def check_reference(reference: Reference | None, num_frames: int) -> None:
    """Raises UserError for a frame that the clips do not have."""
    if reference not in (None, MIDDLE, *range(num_frames)):
        raise UserError(f"reference is {reference!r}: choose None, {MIDDLE!r} or a frame in [0, {num_frames}).")


def _r2(true: np.ndarray, predictions: list[np.ndarray]) -> np.ndarray:
    """R^2 of each component, `[predictions, components]`."""
    from sklearn.metrics import r2_score

    return np.array([r2_score(true, predicted, multioutput="raw_values") for predicted in predictions])
