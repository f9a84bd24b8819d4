"""Which strategy is picked."""

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


def test_a_tpu_that_is_not_there_is_told_in_one_sentence(monkeypatch):
    def refuse(tpu):
        raise ValueError(f"Could not lookup TPU metadata for {tpu}.\nSecond line.")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", refuse)
    with pytest.raises(UserError, match="--tpu=my-tpu: no TPU could be reached") as caught:
        make_strategy(tpu="my-tpu")
    assert "\n" not in str(caught.value)
