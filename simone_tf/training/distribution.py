"""Which devices train: the one CPU or GPU, all GPUs of this machine, or a TPU."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from simone_tf.errors import UserError, first_line


def make_strategy(tpu: str | None = None, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Picks the distribution strategy.

    Args:
        tpu: name or address of a TPU (`--tpu`), `"local"` for the one this machine is attached to, None for none.
        devices: device names to mirror over, such as `["CPU:0", "CPU:1"]`; None picks all GPUs, or else the CPU.

    Returns:
        `tf.distribute.Strategy`: `TPUStrategy`, `MirroredStrategy` over several devices (one object in a process,
            so that several models can be trained one after the other), or the default one.

    Raises:
        UserError: if the TPU cannot be reached.
    """
    if tpu is not None:
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu)
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except (ValueError, RuntimeError, tf.errors.OpError) as error:
            reason = first_line(error)
            raise UserError(f"--tpu={tpu}: no TPU could be reached there ({reason}); check its name.") from error
        return tf.distribute.TPUStrategy(resolver)
    if devices is None:
        devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(devices) > 1:
        return _mirrored(tuple(devices))
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """The same strategy for the same devices: each object counts its all-reduces from the start again, and TensorFlow
    takes the first of a second one for the first of the first, which fails where another model is trained."""
    return tf.distribute.MirroredStrategy(list(devices))
