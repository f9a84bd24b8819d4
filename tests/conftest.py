"""Settings that must be in place before TensorFlow starts: quiet logs, and two logical CPUs to stand for replicas."""

import os
import pathlib
import signal
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from simone_tf import interrupts

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


# Under nohup the tests, and the processes that they start, would ignore it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

pytest_plugins = ["tiny_run", "tiny_export", "colour_run", "small_disk"]

TESTS = pathlib.Path(__file__).parent

# Folders, files and tests that train, render, export or start processes for long; single ones bear the marker.
SLOW = (
    "config/test_shipped_files.py::test_every_shipped_file_is_built",
    "config/test_shipped_files.py::test_the_operative_config",
    "config/test_shipped_files.py::test_the_paper_size_model",
    "config/test_registry.py::test_a_part_of_ones_own",
    "conformance/test_conformance.py::test_saved_model_round_trip",
    "conformance/test_conformance.py::test_two_replicas",
    "conformance/test_conformance.py::test_xla",
    "conformance/test_models.py::test_recomputation",
    "data/formats/test_extract.py",
    "data/formats/test_movi.py",
    "data/pipeline/test_augment.py",
    "data/pipeline/test_cache.py",
    "data/pipeline/test_service.py",
    "data/pipeline/test_stream.py",
    "data/pipeline/test_usable.py",
    "data/tfrecords/test_split_files.py::test_graph_code",
    "data/videos/test_video_clips.py::test_a_long_video",
    "evaluation/probes",
    "evaluation/report",
    "models/parts/test_flops.py",
    "runs/test_adaptation.py",
    "runs/test_continuation.py",
    "runs/test_initial_weights.py",
    "scenes",
    "serving",
    "test_decompose.py",
    "test_decompose_adapt.py",
    "test_decompose_camera.py",
    "test_disk_full.py",
    "test_evaluate.py",
    "test_evaluate_colours.py",
    "test_evaluate_faults.py",
    "test_evaluate_views.py",
    "test_export.py",
    "test_rate_sets.py",
    "test_train.py",
    "test_train_faults.py",
    "test_train_not_finite.py",
    "test_train_held.py",
    "test_train_mixture.py",
    "test_train_workers.py",
    "tools",
    "training/test_averaging.py",
    "training/test_constrained_step.py",
    "training/test_distribution.py",
    "training/test_step.py",
)


# Begun first: at the end no process is to have a long file before it while another has nothing left.
LONG = (
    "test_train_workers.py",
    "tools/test_crash_test.py",
    "tools/test_table1.py",
    "docs/test_commands.py",
    "config/test_shipped_files.py",
    "training/test_step.py",
    "conformance",
    "test_train_faults.py",
    "test_disk_full.py",
    "tools/test_lowered_step.py",
)


def _place(item):
    return f"{item.path.relative_to(TESTS).as_posix()}::{item.name}"


def pytest_collection_modifyitems(items):
    for item in items:
        if _place(item).startswith(SLOW):
            item.add_marker("slow")
    items.sort(key=lambda item: next((at for at, name in enumerate(LONG) if _place(item).startswith(name)), len(LONG)))


@pytest.fixture(autouse=True)
def _own_signals():
    """A test that runs a command to its end leaves Ctrl-C to the tests, and no interrupt to those after it."""
    before, hook = [(number, signal.getsignal(number)) for number in interrupts.SIGNALS], sys.unraisablehook
    yield
    for number, handler in before:
        signal.signal(number, handler)
    sys.unraisablehook = hook
    interrupts._state.update(interrupts._EMPTY)


@pytest.fixture(autouse=True)
def _no_graphs_of_before():
    """TensorFlow keeps every graph in which a custom gradient is defined, for good: gigabytes of those of all tests."""
    gradients = ops.gradient_registry._registry
    before = set(gradients)
    yield
    for name in set(gradients) - before:
        if name.startswith("CustomGradient-"):
            del gradients[name]


@pytest.fixture(autouse=True)
def _fresh_keras():
    """Every test starts with the default precision and the same seed."""
    import keras

    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
