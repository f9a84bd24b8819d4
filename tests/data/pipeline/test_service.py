import collections
import socket
import time

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline import order, service
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.pipeline.share import Share
from simone_tf.data.pipeline.usable import UsableRecords
from simone_tf.errors import UserError

NUM_CLIPS = 23


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    for index in range(2):
        numbers = range(12 * index, min(12 * index + 12, NUM_CLIPS))
        clips = ({"video": np.full((3, 2, 2, 3), number, np.uint8)} for number in numbers)
        write_shard(folder / shard_name("train", index, 2), clips)
    return folder


@pytest.fixture
def fleet():
    """The address of a dispatcher with two workers, all in this process."""
    made = tf.data.experimental.service
    dispatcher = made.DispatchServer(made.DispatcherConfig(port=0))
    address = dispatcher.target.removeprefix("grpc://")
    workers = [made.WorkerServer(made.WorkerConfig(dispatcher_address=address)) for _ in range(2)]
    yield dispatcher.target
    del workers, dispatcher


def batches(data, address, **kwargs):
    kwargs = {"batch_size": 4, "num_frames": 2, "seed": 0, **kwargs}
    return training_batches(ClipRecords(data, "train"), data_service=address, **kwargs)


def numbers(batch):
    return np.rint(batch["video"].numpy()[:, 0, 0, 0, 0] * 255).astype(int).tolist()


def test_two_consumers_share_epochs_in_which_every_clip_comes_once(data, fleet):
    reader = ClipRecords(data, "train")
    share = Share(UsableRecords(reader.files, None, "key"))
    consumers = []
    for _ in range(2):
        stream = order.shuffled_epochs(share, tf.constant([0, 0], tf.int64), 100, order.block_size(reader))
        stream = stream.map(lambda position, record: (position, reader.parse(record, ("video",))["video"][0, 0, 0, 0]))
        consumers.append(iter(service.distributed(stream, fleet, "test")))
    epochs = collections.defaultdict(list)
    for _ in range(400):
        for consumer in consumers:
            position, number = next(consumer)
            epochs[int(position) // 2**40].append(int(number))
    assert all(len(set(epoch)) == len(epoch) for epoch in epochs.values())  # None twice.
    whole = [epoch for epoch in epochs.values() if sorted(epoch) == list(range(NUM_CLIPS))]
    assert len(whole) >= len(epochs) - 4  # What the workers have in hand is not whole yet.
    assert len(whole) > 25


def test_consumers_with_the_same_arguments_ask_for_the_same_job(data, fleet, monkeypatch):
    names, distributed = [], service.distributed

    def noted(made, address, name):
        names.append(name)
        return distributed(made, address, name)

    monkeypatch.setattr(service, "distributed", noted)
    changes = ({}, {"num_input_pipelines": 2, "input_pipeline_id": 1}, {"seed": 1}, {"start_step": 1}, {"mirror": True})
    streams = [iter(batches(data, fleet, **change)) for change in changes]
    assert names[0] == names[1]
    assert len(set(names)) == 4
    for stream in streams:
        taken = [number for _ in range(10) for number in numbers(next(stream))]
        assert set(taken) <= set(range(NUM_CLIPS))


# Whole clips are parsed by the batch, windows of them one by one.
@pytest.mark.parametrize("num_frames", [2, 3])
def test_bytes_go_over_the_wire_and_batches_are_as_those_made_here(data, fleet, monkeypatch, num_frames):
    sent, distributed = [], service.distributed

    def noted(made, address, name):
        sent.append(made.element_spec["video"].dtype)
        return distributed(made, address, name)

    monkeypatch.setattr(service, "distributed", noted)
    here = training_batches(ClipRecords(data, "train"), batch_size=4, num_frames=num_frames, seed=0)
    there = batches(data, fleet, num_frames=num_frames)
    assert there.element_spec == here.element_spec
    assert there.element_spec["video"].dtype == tf.float32
    assert sent == [tf.uint8]
    for made in (here, there):
        (batch,) = made.take(1)
        assert set(numbers(batch)) <= set(range(NUM_CLIPS))


def test_one_worker_gives_whole_epochs_in_another_order_each(data):
    made = tf.data.experimental.service
    dispatcher = made.DispatchServer(made.DispatcherConfig(port=0))
    worker = made.WorkerServer(made.WorkerConfig(dispatcher_address=dispatcher.target.removeprefix("grpc://")))
    stream = iter(batches(data, dispatcher.target, batch_size=1))
    taken = [numbers(next(stream))[0] for _ in range(3 * NUM_CLIPS)]
    epochs = [taken[i * NUM_CLIPS : (i + 1) * NUM_CLIPS] for i in range(3)]
    assert all(sorted(epoch) == list(range(NUM_CLIPS)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 3
    resumed = iter(batches(data, dispatcher.target, batch_size=1, start_step=5))
    assert [numbers(next(resumed))[0] for _ in range(NUM_CLIPS)] not in epochs
    del stream, resumed, worker


def test_what_cannot_go_with_a_service_is_told(data, tmp_path):
    for kwargs in ({"cache": "memory"}, {"cache": str(tmp_path)}):
        with pytest.raises(UserError, match="data_service and cache do not go together"):
            batches(data, "grpc://localhost:1", **kwargs)
    reader = ClipRecords(data, "train", on_corrupt="skip")
    with pytest.raises(UserError, match='data_service and on_corrupt = "skip" do not go together'):
        training_batches(reader, batch_size=1, num_frames=2, seed=0, data_service="grpc://localhost:1")


@pytest.mark.parametrize("address", ["localhost:5000", "grpc://localhost", "http://localhost:1", "grpc://:5", ""])
def test_what_is_no_address_is_told(data, address):
    with pytest.raises(UserError, match="give the dispatcher's address as 'grpc://host:port'"):
        batches(data, address)


def test_an_address_where_nobody_answers_is_told_in_time(data, monkeypatch):
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 1.0)
    with socket.socket() as deaf:
        deaf.bind(("localhost", 0))
        deaf.listen()
        begin = time.monotonic()
        with pytest.raises(UserError, match="does not answer within 1 seconds"):
            batches(data, f"grpc://localhost:{deaf.getsockname()[1]}")
        assert time.monotonic() - begin < 60


def test_another_kind_of_server_is_told(data):
    """A worker answers, but not as a dispatcher."""
    made = tf.data.experimental.service
    dispatcher = made.DispatchServer(made.DispatcherConfig(port=0))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    worker = made.WorkerServer(
        made.WorkerConfig(dispatcher_address=dispatcher.target.removeprefix("grpc://"), port=port)
    )
    with pytest.raises(UserError, match=r"does not answer as a tf\.data service"):
        batches(data, f"grpc://localhost:{port}")
    del worker
