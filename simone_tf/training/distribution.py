"""Which devices train: the one CPU or GPU, all GPUs of this machine, a TPU, or several machines (`TF_CONFIG`)."""

import functools
import os
from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended
from tensorflow.python.eager import context

from simone_tf.errors import UserError, first_line
from simone_tf.training.tf_config import Cluster, read_tf_config


def make_strategy(tpu: str | None = None, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """Picks the distribution strategy; several workers have to be told to TensorFlow before it does anything else.

    Args:
        tpu: name or address of a TPU (`--tpu`), `"local"` for the one this machine is attached to, None for none.
        devices: device names to mirror over, such as `["CPU:0", "CPU:1"]`; None picks the workers that the environment
            variable `TF_CONFIG` names, where it names several, or else all GPUs, or else the CPU.

    Returns:
        `tf.distribute.Strategy`: `TPUStrategy`, `MultiWorkerMirroredStrategy`, `MirroredStrategy` over several devices
            (one object in a process, so that several models can be trained one after the other), or the default one.

    Raises:
        UserError: if the TPU cannot be reached, `TF_CONFIG` is wrong, or this worker cannot listen at its address.
    """
    cluster = read_tf_config(os.environ) if devices is None else None
    if tpu is not None:
        if cluster is not None:
            raise UserError(f"--tpu={tpu} and the workers of TF_CONFIG do not go together: leave one out.")
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu)
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        # Of a name that is no address Google's metadata server is asked, which only its machines have: `URLError`.
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            reason = first_line(error)
            raise UserError(f"--tpu={tpu}: no TPU could be reached there ({reason}); check its name.") from error
        return tf.distribute.TPUStrategy(resolver)
    if cluster is not None:
        return _of_workers(cluster)
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


@functools.cache
def _of_workers(cluster: Cluster) -> tf.distribute.Strategy:
    """The strategy of this worker, whose server listens from now on; the others need not be there yet."""
    # TensorFlow's own watch over the workers starts by waiting for all of them without end and tells nobody who is
    # missing; `PeerWatch` has its place. An empty type of service is the only way to have neither of its two kinds.
    context.context().configure_coordination_service(service_type="")
    CollectiveAllReduceExtended._enable_check_health = False
    kinds = tf.distribute.experimental.CommunicationImplementation
    has_gpus = bool(tf.config.list_physical_devices("GPU"))
    options = tf.distribute.experimental.CommunicationOptions(implementation=kinds.AUTO if has_gpus else kinds.RING)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except RuntimeError as error:
        raise UserError(
            f"TF_CONFIG names several workers, and TensorFlow was in use before they were told to it "
            f"({first_line(error)}): call make_strategy() first."
        ) from error
    except tf.errors.OpError as error:
        address = cluster.addresses[cluster.number]
        raise UserError(
            f"TF_CONFIG: worker {cluster.number} cannot listen at {address} ({first_line(error)}): free the port, or "
            "name another."
        ) from error
