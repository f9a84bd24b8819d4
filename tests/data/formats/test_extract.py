"""What of large records is kept while they are read: the tests of `ClipReader.extract` and of what goes on with it."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.movi import MOVi
from simone_tf.data.pipeline import order
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.pipeline.explain import explain_data_error

import movi_set

FIELDS = ("video", "segments", "camera", "object_positions", "object_visible", "object_moving", "object_attributes")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """movi_a of 3 + 2 clips in two shards per split, as TensorFlow Datasets writes it."""
    root = tmp_path_factory.mktemp("movi")
    movi_set.write(root, "movi_a", num_shards=2)
    return root


@pytest.fixture
def folder(root, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(root / "movi_a" / "16x16" / "1.0.0", tmp_path / "1.0.0")


def test_no_more_of_a_record_is_kept_than_the_fields_need(root):
    reader = MOVi(root, "train", name="movi_a", resolution="16x16")
    record = reader.first_record()
    kept = reader.extract(record, ("video", "camera"))
    assert set(kept) == {"video", "camera/positions", "camera/quaternions"}
    assert sum(map(len, kept["video"].numpy())) < len(record.numpy()) / 4
    for name, value in reader.parse(record, ("video", "camera")).items():
        np.testing.assert_array_equal(reader.decode(kept, ("video", "camera"))[name], value)


class WholeRecords(MOVi):
    """Keeps records whole until they are decoded."""

    def extract(self, serialized, fields):
        return serialized

    def _decode(self, record, fields):
        return super()._decode(super().extract(record, fields), fields)


@pytest.mark.parametrize("on_corrupt", ["raise", "skip"])
@pytest.mark.parametrize("start_step", [0, 2])
def test_what_is_left_behind_while_reading_changes_no_batch(folder, monkeypatch, on_corrupt, start_step):
    monkeypatch.setattr(order, "_BLOCK_BYTES", 0)  # As if the records were large.
    damaged = sorted(folder.glob("*train*"))[0]
    if on_corrupt == "skip":
        content = bytearray(damaged.read_bytes())
        content[100] ^= 1
        damaged.write_bytes(content)
    streams = []
    for kind in (MOVi, WholeRecords):
        reader = kind(folder, "train", on_corrupt=on_corrupt)
        options = {"batch_size": 2, "num_frames": 5, "seed": 3, "start_step": start_step, "fields": FIELDS}
        streams.append(list(training_batches(reader, **options).take(4)))
    for kept, whole in zip(*streams, strict=True):
        assert set(kept) == set(FIELDS)
        for name, value in whole.items():
            np.testing.assert_array_equal(kept[name], value)


def test_where_nothing_can_be_used_the_stream_ends_also_with_parts_of_records(folder, monkeypatch):
    monkeypatch.setattr(order, "_BLOCK_BYTES", 0)
    reader = MOVi(folder, "train", on_corrupt="skip")
    batches = training_batches(reader, batch_size=2, num_frames=5, seed=0, fields=("video", "object_positions"))
    for path in folder.glob("*train*"):
        path.write_bytes(b"")
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        next(iter(batches))
    assert "has no record that can be used" in str(explain_data_error(error.value, reader))


def test_workers_of_a_data_service_extract_and_decode(root, monkeypatch):
    monkeypatch.setattr(order, "_BLOCK_BYTES", 0)
    made = tf.data.experimental.service
    dispatcher = made.DispatchServer(made.DispatcherConfig(port=0))
    worker = made.WorkerServer(made.WorkerConfig(dispatcher_address=dispatcher.target.removeprefix("grpc://")))
    reader = MOVi(root, "train", name="movi_a", resolution="16x16")
    options = {"batch_size": 1, "num_frames": 24, "seed": 0, "fields": ("video", "object_positions")}
    there = training_batches(reader, data_service=dispatcher.target, **options).take(3)
    here = {
        clip["video"].numpy().tobytes(): clip["object_positions"]
        for clip in training_batches(reader, **options).take(3)
    }
    taken = {clip["video"].numpy().tobytes(): clip["object_positions"] for clip in there}
    assert set(taken) == set(here)
    assert len(here) == 3
    for video, positions in here.items():
        np.testing.assert_array_equal(taken[video], positions)
    del there, worker
