"""Decoders of the probes on functions that are known, and against scikit-learn's plain ones."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

from simone_tf.errors import UserError
from simone_tf.evaluation.probes import regressors
from simone_tf.evaluation.probes.regressors import MLPSettings, Rows, fit_classifier, fit_regressor

SMALL = MLPSettings(hidden_sizes=(32, 32), max_epochs=60)


def made(function, num_rows=900, width=4, seed=0):
    """Training, validation and test rows of a function of features that are far from standardised."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num_rows, width)) * [1e-3, 1.0, 50.0, 7.0][:width] + [5.0, -900.0, 0.0, 3.0][:width]
    unit = (features - features.mean(0)) / features.std(0)
    rows = Rows(features, function(unit))
    return [Rows(rows.features[part], rows.targets[part]) for part in np.split(np.arange(num_rows), [500, 600])]


def curved(unit):
    return 1000.0 + 20.0 * np.stack([unit[:, 0] * unit[:, 1], np.abs(unit[:, 2])], axis=1)


def test_linear_equals_least_squares_on_train_and_validation():
    train, validation, test = made(lambda unit: unit @ np.random.default_rng(1).normal(size=(4, 3)) + unit[:, :1] ** 2)
    plain = LinearRegression().fit(*map(np.concatenate, zip(train, validation, strict=True)))
    predicted = fit_regressor("linear", train, validation, 0)(test.features)
    np.testing.assert_allclose(predicted, plain.predict(test.features), atol=1e-8)


def test_mlp_learns_what_no_line_can():
    train, validation, test = made(curved)
    linear = fit_regressor("linear", train, validation, 0)(test.features)
    mlp = fit_regressor("mlp", train, validation, 0, SMALL)(test.features)
    assert r2_score(test.targets, linear) < 0.1
    assert r2_score(test.targets, mlp) > 0.8


def test_mlp_takes_a_single_target():
    train, validation, test = made(lambda unit: curved(unit)[:, 1:])
    predicted = fit_regressor("mlp", train, validation, 0, SMALL)(test.features)
    assert predicted.shape == test.targets.shape
    assert r2_score(test.targets, predicted) > 0.8


def test_same_seed_same_decoder_and_other_seed_another():
    train, validation, test = made(curved)
    one, again, other = (fit_regressor("mlp", train, validation, seed, SMALL)(test.features) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_mlp_stops_by_the_validation_rows():
    # Validation targets that contradict the training ones: the first epochs are the best, and are what is kept.
    train, validation, test = made(curved)
    contrary = Rows(train.features, 2 * train.targets.mean(0) - train.targets)
    stopped = fit_regressor("mlp", train, contrary, 0, SMALL)(test.features)
    trained = fit_regressor("mlp", train, validation, 0, SMALL)(test.features)
    assert r2_score(test.targets, stopped) < 0.3 < r2_score(test.targets, trained)


def test_scalers_see_training_rows_alone(monkeypatch):
    from sklearn.preprocessing import StandardScaler

    seen = []
    fit = StandardScaler.fit
    monkeypatch.setattr(
        StandardScaler, "fit", lambda self, rows, *rest, **named: (seen.append(len(rows)), fit(self, rows))[1]
    )
    train, validation, test = made(curved)
    fit_regressor("mlp", train, validation, 0, SMALL)(test.features)
    assert seen == [500, 500]


def classes_of(unit):
    """Three classes, of which two differ by a product of features."""
    return np.where(unit[:, 2] > 0.7, 4, np.where(unit[:, 0] * unit[:, 1] > 0, 0, 2))


def test_linear_classifier_equals_logistic_regression():
    train, validation, test = made(lambda unit: np.where(unit[:, 0] + unit[:, 1] > 0, 5, 1))
    together = [np.concatenate(parts) for parts in zip(train, validation, strict=True)]
    mean, std = together[0].mean(0), together[0].std(0)
    plain = LogisticRegression(max_iter=1000).fit((together[0] - mean) / std, together[1])
    predicted = fit_classifier("linear", train, validation, 0)(test.features)
    assert np.mean(predicted == plain.predict((test.features - mean) / std)) > 0.99


def test_mlp_classifier_learns_what_no_line_can():
    train, validation, test = made(classes_of)
    linear = fit_classifier("linear", train, validation, 0)(test.features)
    mlp = fit_classifier("mlp", train, validation, 0, SMALL)(test.features)
    assert set(mlp) <= {0, 2, 4}
    assert np.mean(linear == test.targets) < 0.75
    assert np.mean(mlp == test.targets) > 0.85


def test_a_class_that_only_validation_has_and_a_single_class():
    train, validation, test = made(classes_of)
    without = Rows(train.features[train.targets != 4], train.targets[train.targets != 4])
    predicted = fit_classifier("mlp", without, validation, 0, SMALL)(test.features)
    assert set(predicted) <= {0, 2, 4}
    constant = Rows(train.features, np.full(len(train.targets), 7))
    for kind in regressors.REGRESSORS:
        predicted = fit_classifier(kind, constant, constant, 0, SMALL)(test.features)
        np.testing.assert_array_equal(predicted, np.full(len(test.features), 7))


def test_missing_scikit_learn_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UserError, match=r"pip install 'simone_tf\[evaluate\]'"):
        fit_regressor("linear", *made(curved)[:2], 0)
