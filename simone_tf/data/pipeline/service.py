"""Batches made by a fleet of tf.data service workers.

https://www.tensorflow.org/api_docs/python/tf/data/experimental/service
"""

import grpc
import tensorflow as tf

from simone_tf.errors import UserError

PATIENCE_SECONDS = 10.0


def distributed(batches: tf.data.Dataset, address: str, name: str) -> tf.data.Dataset:
    """The same batches, made by the workers of a service, in no particular order.

    Every element of the dataset's source (an epoch, where the source counts epochs) is worked on by one worker. All
    consumers that ask for the same `name` share one stream: each batch goes to one of them.

    Args:
      batches: the dataset; its graph holds no Python, and the workers see its files under the same paths.
      address: of the dispatcher, "grpc://host:port".
      name: of the job.

    Raises:
      UserError: no dispatcher answers at the address.
    """
    _check_address(address)
    service = tf.data.experimental.service
    try:
        dataset_id = service.register_dataset(address, batches, dataset_id=name)
        return service.from_dataset_id(
            service.ShardingPolicy.DYNAMIC, address, dataset_id, batches.element_spec, job_name=name
        )
    except tf.errors.OpError as error:
        raise UserError(
            f"data_service = {address!r} does not answer as a tf.data service ({error.message.splitlines()[0][:150]}): "
            "name the address of its dispatcher."
        ) from error


def _check_address(address: str) -> None:
    """Asks for a connection: TensorFlow itself would ask without end."""
    protocol, _, target = address.partition("://")
    if protocol != "grpc" or not target.rpartition(":")[2].isdigit() or not target.rpartition(":")[0]:
        raise UserError(f"data_service is {address!r}: give the dispatcher's address as 'grpc://host:port'.")
    with grpc.insecure_channel(target) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE_SECONDS)
        except grpc.FutureTimeoutError:
            raise UserError(
                f"data_service = {address!r} does not answer within {PATIENCE_SECONDS:.0f} seconds: start the "
                "dispatcher there, or correct the address."
            ) from None
