"""Settings that must be in place before TensorFlow starts: quiet logs, and two logical CPUs to stand for replicas."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


pytest_plugins = ["tiny_run", "tiny_export", "colour_run"]

TESTS = pathlib.Path(__file__).parent

# Folders, files and tests that train, render, export or start processes for long; single ones bear the marker.
SLOW = (
    "config/test_gin_files.py::test_every_shipped_file_is_built",
    "config/test_gin_files.py::test_the_operative_config",
    "config/test_gin_files.py::test_the_paper_size_model",
    "data/formats/test_movi.py",
    "data/pipeline/test_service.py",
    "evaluation/probes",
    "evaluation/report",
    "scenes",
    "serving",
    "test_decompose.py",
    "test_evaluate.py",
    "test_evaluate_colours.py",
    "test_export.py",
    "test_train.py",
    "test_train_faults.py",
    "tools",
    "training/test_distribution.py",
)


def pytest_collection_modifyitems(items):
    for item in items:
        place = f"{item.path.relative_to(TESTS).as_posix()}::{item.name}"
        if place.startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _fresh_keras():
    """Every test starts with the default precision and the same seed."""
    import keras

    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
