"""A checkpoint that was written once is read for ever, and the model still says the same of a clip."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from make_golden import EXPECTED, RUN, STEP, make_parts, outputs

from simone_tf.training.checkpoints import Checkpoints


@pytest.fixture
def expected():
    with np.load(EXPECTED, allow_pickle=False) as stored:
        return dict(stored)


def assert_outputs(model, expected):
    found = outputs(model)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(np.std(value)) > 1e-3, name
        np.testing.assert_allclose(found[name], value, atol=1e-4, err_msg=name)


def test_a_run_is_restored_and_says_the_same(tmp_path, expected):
    run_dir = tmp_path / "run"
    shutil.copytree(RUN, run_dir)
    parts = make_parts()
    assert Checkpoints(run_dir, parts).restore_latest() == str(run_dir / "checkpoints" / f"ckpt-{STEP}")
    assert int(parts["step"].numpy()) == STEP
    assert_outputs(parts["model"], expected)
    for variable, average in zip(parts["model"].trainable_variables, parts["average"].averages, strict=True):
        np.testing.assert_allclose(average.numpy(), variable.numpy() + 1.0, atol=1e-6)


def test_the_model_is_restored_by_its_attribute_names_alone(expected):
    """Without the optimizer, whose list of variables would hold the weights under their numbers."""
    model = make_parts()["model"]
    path = str(RUN / "checkpoints" / f"ckpt-{STEP}")
    tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched().expect_partial()
    assert_outputs(model, expected)


def test_the_golden_files_are_small():
    files = [path for path in (*RUN.rglob("*"), EXPECTED) if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 100_000
