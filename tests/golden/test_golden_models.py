"""The weights of every model that were written once are read for ever, and the model still says the same of a clip."""

import numpy as np
import pytest
import tensorflow as tf
from make_golden_models import FOLDER, NAMES, make_model, outputs


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_restored_by_their_attribute_names_and_say_the_same(name):
    model = make_model(name)
    restored = tf.train.Checkpoint(model=model).read(str(FOLDER / name / "weights"))
    restored.assert_consumed()
    restored.assert_existing_objects_matched()
    with np.load(FOLDER / name / "expected.npz", allow_pickle=False) as stored:
        expected = dict(stored)
    found = outputs(model)
    assert set(found) == set(expected)
    for key, value in expected.items():
        if key != "slot_masks" or model.num_slots > 1:
            assert float(np.std(value)) > 1e-3, key
        np.testing.assert_allclose(found[key], value, atol=1e-4, err_msg=key)


def test_the_golden_weights_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 500_000
