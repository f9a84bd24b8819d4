"""Settings that must be in place before TensorFlow starts: quiet logs, and two logical CPUs to stand for replicas."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


pytest_plugins = ["tiny_run", "tiny_export", "colour_run"]


@pytest.fixture(autouse=True)
def _fresh_keras():
    """Every test starts with the default precision and the same seed."""
    import keras

    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
