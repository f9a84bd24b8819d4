"""Attribute probes on latents of which it is known what they tell."""

import math

import numpy as np
import pytest

from simone_tf.data.formats.reader import Attribute
from simone_tf.errors import UserError
from simone_tf.evaluation.probes.attribute_probes import attribute_probes
from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.regressors import MLPSettings

N, K, M = 200, 4, 2
ATTRIBUTES = (Attribute("shape", ("sphere", "cube", "cone")), Attribute("color", ("red", "blue")), Attribute("size"))
QUICK = ProbeSettings(
    num_decoders=2, num_controls=4, mlp=MLPSettings(hidden_sizes=(32,), max_epochs=60, learning_rate=1e-2)
)

ROUGH = ProbeSettings(num_decoders=2, num_controls=1, mlp=MLPSettings(hidden_sizes=(4,), max_epochs=2))


def world(seed=0):
    """Latents that hold shape as a one-hot code, colour as a product of two numbers, and nothing of the size."""
    rng = np.random.default_rng(seed)
    shape, color, size = rng.integers(0, 3, (N, M)), (rng.random((N, M)) < 0.5).astype(int), rng.normal(size=(N, M))
    slots = np.stack([rng.permutation(K)[:M] for _ in range(N)])
    latents = rng.normal(size=(N, K, 7))
    clips = np.arange(N)[:, np.newaxis]
    latents[clips, slots, :3] = np.eye(3)[shape] + 0.1 * rng.normal(size=(N, M, 3))
    sign = rng.choice([-1.0, 1.0], (N, M))
    latents[clips, slots, 3] = sign + 0.1 * rng.normal(size=(N, M))
    latents[clips, slots, 4] = sign * (2 * color - 1) + 0.1 * rng.normal(size=(N, M))
    return latents, np.stack([shape, color, size], axis=-1).astype(np.float32), slots


def by_key(rows):
    return {(row["target"], row["regressor"]): row for row in rows}


def test_what_the_latent_holds_is_read_and_what_not_is_not():
    latents, values, slots = world()
    rows = by_key(attribute_probes(latents, values, slots, ATTRIBUTES, settings=QUICK))
    assert list(rows) == [(name, kind) for name in ("shape", "color", "size") for kind in ("linear", "mlp")]
    assert rows["shape", "linear"]["score_mean"] > 0.97
    assert rows["shape", "mlp"]["score_mean"] > 0.97
    assert rows["shape", "mlp"]["num_classes"] == 3
    # Equal or opposite signs: no line tells them apart.
    assert rows["color", "linear"]["score_mean"] < 0.65
    assert rows["color", "mlp"]["score_mean"] > 0.95
    for kind in ("linear", "mlp"):
        assert rows["size", kind]["score"] == "r2"
        assert rows["size", kind]["score_mean"] < 0.05
        assert rows["size", kind]["score_baseline"] == pytest.approx(0.0, abs=0.05)
        assert rows["size", kind]["num_classes"] is None
        assert rows["size", kind]["score_shuffled_mean"] < 0.05
        assert rows["shape", kind]["score"] == "accuracy"
        assert abs(rows["shape", kind]["score_shuffled_mean"] - 1 / 3) < 0.2
        assert abs(rows["color", kind]["score_shuffled_mean"] - 1 / 2) < 0.2


def test_numbers_are_regressed():
    latents, values, slots = world()
    latents[np.arange(N)[:, np.newaxis], slots, 6] = 4 * values[..., 2] + 1
    rows = by_key(attribute_probes(latents, values[..., 2:], slots, ATTRIBUTES[2:], settings=QUICK))
    assert rows["size", "linear"]["score_mean"] == pytest.approx(1.0, abs=1e-5)
    assert rows["size", "linear"]["score_std"] == 0.0
    assert rows["size", "mlp"]["score_mean"] > 0.95


def test_baseline_is_the_most_frequent_class_of_training():
    latents, values, slots = world()
    values[..., 1] = np.random.default_rng(0).random((N, M)) < 0.2
    latents = np.zeros_like(latents)
    row = by_key(attribute_probes(latents, values, slots, ATTRIBUTES, settings=ROUGH))["color", "linear"]
    assert row["score_baseline"] == row["score_mean"] == row["score_shuffled_mean"]
    assert row["score_baseline"] == pytest.approx(0.8, abs=0.08)


def test_unmatched_and_unseen_objects_are_left_out():
    latents, values, slots = world()
    slots[:50, 0] = -1
    visible = np.ones((N, 3, M), bool)
    visible[100:130, :, 1] = False
    values[:50, 0] = np.nan
    for row in attribute_probes(latents, values, slots, ATTRIBUTES, object_visible=visible, settings=ROUGH):
        assert row["num_train_rows"] + row["num_test_rows"] == N * M - 80


def test_a_number_that_does_not_vary_has_no_score():
    latents, values, slots = world()
    values[..., 2] = 3.0
    row = by_key(attribute_probes(latents, values, slots, ATTRIBUTES, settings=ROUGH))["size", "mlp"]
    assert math.isnan(row["score_mean"])
    assert row["num_decoders"] == 0


def test_same_seed_same_rows():
    latents, values, slots = world()
    one, again = (attribute_probes(latents, values, slots, ATTRIBUTES, settings=ROUGH) for _ in range(2))
    assert one == again


def test_faults():
    latents, values, slots = world()
    with pytest.raises(ValueError, match="object_attributes must be"):
        attribute_probes(latents, values, slots, ATTRIBUTES[:2])
    with pytest.raises(ValueError, match="200 clips"):
        attribute_probes(latents, values[:-1], slots[:-1], ATTRIBUTES)
    values[3, 1, 2] = np.nan
    with pytest.raises(UserError, match="attribute size hold a number"):
        attribute_probes(latents, values, slots, ATTRIBUTES)
