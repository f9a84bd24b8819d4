"""The warm-up requests, decoded by protocol buffers of other making than the bytes."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from simone_tf.serving import warmup
from simone_tf.serving.signatures import signature_table

TYPE = descriptor_pb2.FieldDescriptorProto


def _described_prediction_log():
    """The message class from a description of tensorflow/serving's protos, as far as they are used."""
    file = descriptor_pb2.FileDescriptorProto(name="described.proto", package="described", syntax="proto3")
    file.dependency.append("tensorflow/core/framework/tensor.proto")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, field, kind in fields:
            text = kind == "string"
            added.field.add(
                name=field,
                number=number,
                label=TYPE.LABEL_OPTIONAL,
                type=TYPE.TYPE_STRING if text else TYPE.TYPE_MESSAGE,
                type_name=None if text else kind,
            )
        return added

    message("ModelSpec", (1, "name", "string"), (3, "signature_name", "string"))
    request = message("PredictRequest", (1, "model_spec", ".described.ModelSpec"))
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=TYPE.LABEL_OPTIONAL, type=TYPE.TYPE_STRING)
    entry.field.add(
        name="value", number=2, label=TYPE.LABEL_OPTIONAL, type=TYPE.TYPE_MESSAGE, type_name=".tensorflow.TensorProto"
    )
    request.field.add(
        name="inputs",
        number=2,
        label=TYPE.LABEL_REPEATED,
        type=TYPE.TYPE_MESSAGE,
        type_name=".described.PredictRequest.InputsEntry",
    )
    message("PredictLog", (1, "request", ".described.PredictRequest"))
    message("PredictionLog", (6, "predict_log", ".described.PredictLog"))
    pool = descriptor_pool.DescriptorPool()
    for name in _with_dependencies(tensor_pb2.DESCRIPTOR):
        pool.AddSerializedFile(name)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("described.PredictionLog"))


def _with_dependencies(file):
    for dependency in file.dependencies:
        yield from _with_dependencies(dependency)
    yield file.serialized_pb


def _prediction_logs():
    yield _described_prediction_log()
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError:
        return
    yield prediction_log_pb2.PredictionLog


def _requests(path, message):
    return [message.FromString(record.numpy()).predict_log.request for record in tf.data.TFRecordDataset(str(path))]


def test_every_signature_is_asked_once_with_what_it_takes(tiny_export, tiny_sizes):
    table = signature_table(tiny_sizes)
    signatures = tf.saved_model.load(str(tiny_export)).signatures
    for number, message in enumerate(_prediction_logs()):
        requests = _requests(tiny_export / warmup.FILE, message)
        assert [request.model_spec.signature_name for request in requests] == list(table)
        for request in requests:
            assert request.model_spec.name == "simone"
            name = request.model_spec.signature_name
            # By way of bytes: the two pools have a TensorProto each.
            tensors = {
                key: tf.make_ndarray(tensor_pb2.TensorProto.FromString(value.SerializeToString()))
                for key, value in request.inputs.items()
            }
            assert {key: value.dtype for key, value in tensors.items()} == {
                key: text.dtype for key, text in table[name].inputs.items()
            }
            if number == 0:
                outputs = signatures[name](**{key: tf.constant(value) for key, value in tensors.items()})
                assert all(np.all(np.isfinite(value)) for value in outputs.values()), name


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300, 16383, 16384, 2_000_000])
def test_lengths_of_any_size(length, tiny_sizes):
    """A long name makes every length on the way long."""
    name = "x" * length
    log = _described_prediction_log().FromString(warmup.prediction_log(name, signature_table(tiny_sizes)["encode"]))
    assert log.predict_log.request.model_spec.signature_name == name
    assert set(log.predict_log.request.inputs) == {"video"}
