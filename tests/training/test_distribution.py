"""Which strategy is picked."""

import json
import urllib.error

import pytest
import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.training.distribution import make_strategy


def test_without_accelerators_the_default_strategy():
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("this machine has GPUs")
    strategy = make_strategy()
    assert strategy is tf.distribute.get_strategy()
    assert strategy.num_replicas_in_sync == 1


def test_several_devices_are_mirrored():
    strategy = make_strategy(devices=["CPU:0", "CPU:1"])
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2


def test_models_one_after_the_other_share_it():
    """TensorFlow confuses the all-reduces of two such objects, see test_constrained_step.py after test_step.py."""
    assert make_strategy(devices=["CPU:0", "CPU:1"]) is make_strategy(devices=("CPU:0", "CPU:1"))


def test_one_device_is_not_mirrored():
    assert not isinstance(make_strategy(devices=["CPU:1"]), tf.distribute.MirroredStrategy)


def test_all_gpus_are_used(monkeypatch):
    """Two CPUs stand in for them: the tests need no GPU."""
    gpus = [tf.config.LogicalDevice(f"/device:CPU:{index}", "CPU") for index in range(2)]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus if kind == "GPU" else [])
    assert make_strategy().num_replicas_in_sync == 2


def test_workers_are_told_to_tensorflow_before_anything_else(monkeypatch):
    """As it is not possible any more in this process."""
    config = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    tf.constant(1)
    with pytest.raises(UserError, match=r"TF_CONFIG names several workers, and TensorFlow was in use .*first\.$"):
        make_strategy()
    with pytest.raises(UserError, match="--tpu=local and the workers of TF_CONFIG do not go together"):
        make_strategy(tpu="local")
    assert make_strategy(devices=["CPU:0"]) is tf.distribute.get_strategy()


def test_what_is_wrong_in_tf_config_is_told(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    with pytest.raises(UserError, match="TF_CONFIG is no JSON"):
        make_strategy()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Could not lookup TPU metadata for my-tpu.\nSecond line."),
        urllib.error.URLError("Name or service not known"),  # of Google's metadata server, anywhere else
    ],
)
def test_a_tpu_that_is_not_there_is_told_in_one_sentence(monkeypatch, error):
    def refuse(tpu):
        raise error

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", refuse)
    with pytest.raises(UserError, match="--tpu=my-tpu: no TPU could be reached") as caught:
        make_strategy(tpu="my-tpu")
    assert "\n" not in str(caught.value)
