"""Linear and MLP decoders of the probes: fitted on training rows, never on what they are tested on.

Both are scikit-learn's, behind one call. Features (and the targets of an MLP regressor) are standardised with the
statistics of the training rows alone. An MLP stops early by validation rows, which the caller takes from clips of their
own: scikit-learn itself would draw them row by row, and frames of one clip are too much alike to be both fitted and
validated on.
"""

import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simone_tf.errors import UserError

REGRESSORS: tuple[str, ...] = ("linear", "mlp")

Predict = Callable[[np.ndarray], np.ndarray]


class Rows(NamedTuple):
    """Features `[R, D]` and targets: `[R, C]` float to regress, or `[R]` integers to classify."""

    features: np.ndarray
    targets: np.ndarray


@dataclasses.dataclass(frozen=True)
class MLPSettings:
    """Size and training of the MLP decoders (Adam on mini-batches, best weights by validation loss).

    Attributes:
      hidden_sizes: units of each hidden ReLU layer.
      learning_rate, batch_size, weight_decay: of the optimiser; the last is scikit-learn's `alpha`.
      max_epochs: passes over the training rows at most.
      patience: passes without a better validation loss after which training ends.
    """

    hidden_sizes: tuple[int, ...] = (128, 128)
    learning_rate: float = 3e-3
    batch_size: int = 256
    weight_decay: float = 1e-4
    max_epochs: int = 60
    patience: int = 6


def require_scikit_learn() -> None:
    """Raises UserError with the command to run if scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise UserError(
            "The probes need scikit-learn, which is not installed: pip install 'simone_tf[evaluate]'"
        ) from error


def fit_regressor(kind: str, train: Rows, validation: Rows, seed: int, settings: MLPSettings | None = None) -> Predict:
    """Fits a regressor of one of `REGRESSORS`.

    A linear one (least squares, deterministic) has nothing to stop early, so that it is fitted on `train` and
    `validation` together.

    Args:
      kind: "linear" or "mlp".
      train, validation: rows of disjoint clips; targets `[R, C]` float.
      seed: of initial weights and of the order of the rows.
      settings: of the MLP.

    Returns:
      A function from features `[R, D]` to predictions `[R, C]`.
    """
    require_scikit_learn()
    from sklearn.linear_model import LinearRegression
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "linear":
        together = _joined(train, validation)
        linear = make_pipeline(StandardScaler(), LinearRegression()).fit(together.features, together.targets)
        return linear.predict
    scaler, target_scaler = StandardScaler().fit(train.features), StandardScaler().fit(train.targets)
    features, held_features = _narrow(scaler, train.features), _narrow(scaler, validation.features)
    targets, held_targets = _narrow(target_scaler, train.targets), _narrow(target_scaler, validation.targets)
    width = targets.shape[1]
    # scikit-learn wants a single target as [R] and answers in kind.
    fitted_targets = targets[:, 0] if width == 1 else targets
    model = _mlp(MLPRegressor, seed, settings or MLPSettings())

    def predict(rows: np.ndarray) -> np.ndarray:
        return model.predict(rows).reshape(-1, width)

    _train(
        model,
        lambda: model.partial_fit(features, fitted_targets),
        lambda: float(np.mean(np.square(predict(held_features) - held_targets))),
        settings or MLPSettings(),
    )
    return lambda rows: target_scaler.inverse_transform(predict(_narrow(scaler, rows)))


def fit_classifier(kind: str, train: Rows, validation: Rows, seed: int, settings: MLPSettings | None = None) -> Predict:
    """Fits a classifier of one of `REGRESSORS` (linear: multinomial logistic regression), see `fit_regressor`.

    Targets are `[R]` integers. Classes that occur in neither `train` nor `validation` are never predicted.
    """
    require_scikit_learn()
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    together = _joined(train, validation)
    classes = np.unique(together.targets)
    if len(classes) == 1:
        return lambda rows: np.full(len(rows), classes[0])
    if kind == "linear":
        with warnings.catch_warnings():
            # A solution that is not exact to the last digit is good enough to be scored.
            warnings.filterwarnings("ignore", message="lbfgs failed to converge")
            linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
            return linear.fit(together.features, together.targets).predict
    scaler = StandardScaler().fit(train.features)
    features, held_features = _narrow(scaler, train.features), _narrow(scaler, validation.features)
    model = _mlp(MLPClassifier, seed, settings or MLPSettings())
    held_classes = np.searchsorted(classes, validation.targets)

    def cross_entropy() -> float:
        chances = model.predict_proba(held_features)[np.arange(len(held_classes)), held_classes]
        return float(-np.mean(np.log(np.maximum(chances, 1e-12))))

    _train(
        model,
        lambda: model.partial_fit(features, train.targets, classes=classes),
        cross_entropy,
        settings or MLPSettings(),
    )
    return lambda rows: model.predict(_narrow(scaler, rows))


def _joined(train: Rows, validation: Rows) -> Rows:
    return Rows(*map(np.concatenate, zip(train, validation, strict=True)))


def _narrow(scaler: Any, values: np.ndarray) -> np.ndarray:
    """Standardised in float64, then float32, which halves the time of an MLP."""
    return scaler.transform(values.astype(np.float64)).astype(np.float32)


def _mlp(kind: type, seed: int, settings: MLPSettings) -> Any:
    return kind(
        hidden_layer_sizes=settings.hidden_sizes,
        solver="adam",
        alpha=settings.weight_decay,
        batch_size=settings.batch_size,
        learning_rate_init=settings.learning_rate,
        # Above what is ever run, so that nothing is said about convergence.
        max_iter=settings.max_epochs + 1,
        # An object, not a number, which every call would start from anew: epochs differ in their order.
        random_state=np.random.RandomState(seed),
    )


def _train(model: Any, epoch: Callable[[], object], loss: Callable[[], float], settings: MLPSettings) -> None:
    """Runs epochs until the validation loss stays, then puts the best weights back."""
    import sklearn
    from threadpoolctl import threadpool_limits

    best_loss, best_weights, waited = np.inf, None, 0
    # One thread: matrices this small gain nothing from more, and the sums come out the same on every machine.
    # What is checked once need not be checked again in every epoch.
    unchecked = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(1, "blas"), unchecked, warnings.catch_warnings():
        # Fewer rows than a mini-batch are one mini-batch.
        warnings.filterwarnings("ignore", message="Got `batch_size` less than 1 or larger than sample size")
        for _ in range(settings.max_epochs):
            epoch()
            current = loss()
            if current < best_loss:
                best_loss, best_weights, waited = current, copy.deepcopy((model.coefs_, model.intercepts_)), 0
            else:
                waited += 1
                if waited >= settings.patience:
                    break
    if best_weights is not None:
        model.coefs_, model.intercepts_ = best_weights
