"""Requests that TensorFlow Serving sends itself when it loads a model, so that no client waits for what is done once.

The file is `assets.extra/tf_serving_warmup_requests`: TFRecords of `tensorflow.serving.PredictionLog`. Of that message
and those in it few fields are needed, so that they are written here by their numbers (tensorflow/serving, apis/
prediction_log.proto, predict.proto and model.proto) and the package of its protos is not.
"""

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2

from simone_tf.serving.signatures import Signature, TensorText

FILE = "assets.extra/tf_serving_warmup_requests"
"""Where the server looks, relative to the export."""

MODEL_NAME = "simone"
"""What the requests call the model, whichever it is and whatever it is served as."""

_NUM_QUERIES = 16  # what stands for a free size other than the batch's


def write_warmup_requests(path: str, table: dict[str, Signature]) -> None:
    """Writes one request of a single clip for every signature.

    Raises:
        tf.errors.OpError: the file cannot be written.
    """
    with tf.io.TFRecordWriter(path) as writer:
        for name, signature in table.items():
            writer.write(prediction_log(name, signature))


def prediction_log(name: str, signature: Signature) -> bytes:
    """A `PredictionLog` of one request, serialized."""
    model_spec = _field(1, MODEL_NAME.encode()) + _field(3, name.encode())
    inputs = b"".join(
        _field(2, _field(1, key.encode()) + _field(2, _tensor(text).SerializeToString()))
        for key, text in signature.inputs.items()
    )
    predict_request = _field(1, model_spec) + inputs
    predict_log = _field(1, predict_request)
    return _field(6, predict_log)


def _tensor(text: TensorText) -> tensor_pb2.TensorProto:
    """A `TensorProto` of zeros; one value stands for all, which keeps the file small."""
    sizes = [1, *(_NUM_QUERIES if size is None else size for size in text.shape[1:])]
    dtype = tf.dtypes.as_dtype(text.dtype)
    values = {"float_val": [0.0]} if dtype.is_floating else {"int_val": [0]}
    shape = tensor_shape_pb2.TensorShapeProto(dim=[{"size": size} for size in sizes])
    return tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape, **values)


def _field(number: int, content: bytes) -> bytes:
    """A field of the wire type 2, a text or a message: its tag, its length, its bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
