"""Records parsed a batch at a time: the same videos as one by one, the same errors."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats import png
from simone_tf.data.formats.clevr import ClevrWithMasks
from simone_tf.data.formats.multi_dsprites import MultiDSprites
from simone_tf.data.formats.objects_room import ObjectsRoom
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.tetrominoes import Tetrominoes
from simone_tf.data.formats.write_records import encode_clip, write_shard
from simone_tf.data.pipeline import service
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.data.tfrecords.faults import DATA_ERRORS

import image_sets

FRAMES, SIZE = 4, 12
SETS = {
    "objects_room_train": (ObjectsRoom, {}),
    "multi_dsprites_binarized": (MultiDSprites, {"variant": "binarized"}),  # one channel
    "clevr_with_masks_train": (ClevrWithMasks, {"crop": (29, 64, 192, 192), "resize": (64, 64)}),
    "tetrominoes_train": (Tetrominoes, {"resize": (32, 32)}),
}


def clip(seed, frames=FRAMES, size=SIZE):
    video = np.random.default_rng(seed).integers(0, 256, [frames, size, size, 3], np.uint8)
    return {"video": video, "segments": video[..., 0] % 3}


@pytest.fixture(params=[*SETS, "one picture per clip", "one picture per frame"])
def reader(request, tmp_path, monkeypatch):
    if request.param in SETS:
        kind, options = SETS[request.param]
        image_sets.write_set(tmp_path, request.param, 6)
        return kind(tmp_path, "train", **options)
    if request.param == "one picture per frame":
        monkeypatch.setattr(png, "MAX_HEIGHT", SIZE)
    write_shard(tmp_path / "train-00000-of-00001.tfrecord", map(clip, range(6)))
    return ClipRecords(tmp_path, "train", crop=(1, 2, 9, 8), resize=(5, 4))


def test_a_batch_of_records_holds_what_its_records_hold(reader):
    records = list(reader.files.serialized())
    num_frames = reader.clip_shape()[0]
    videos = tf.function(lambda batch: reader.parse_videos(batch, num_frames))(tf.stack(records))
    one_by_one = [reader.parse(record, ("video",))["video"] for record in records]
    assert videos.dtype == tf.uint8
    np.testing.assert_array_equal(videos, one_by_one)
    assert len(np.unique(np.reshape(videos, [6, -1]), axis=0)) == 6


def test_training_sees_the_same_batches_either_way(reader, monkeypatch):
    def batches():
        options = {"batch_size": 4, "num_frames": reader.clip_shape()[0], "seed": 3, "shuffle_buffer": 4}
        return [batch["video"].numpy() for batch in training_batches(reader, **options).take(4)]

    at_once = batches()
    called = []
    monkeypatch.setattr(type(reader), "parses_batches", False)
    monkeypatch.setattr(type(reader), "parse_videos", lambda *arguments: called.append(arguments))
    np.testing.assert_array_equal(at_once, batches())
    assert not called


@pytest.mark.parametrize(("side", "at_once"), [(12, True), (600, False)])
def test_only_small_records_are_parsed_a_batch_at_a_time(tmp_path, monkeypatch, side, at_once):
    called = []
    parse_videos = ClipRecords.parse_videos
    monkeypatch.setattr(ClipRecords, "parse_videos", lambda *given: called.append(given) or parse_videos(*given))
    write_shard(tmp_path / "train-00000-of-00001.tfrecord", [clip(0, frames=1, size=side)])  # 600: a record of 1.1 MB
    batches = training_batches(ClipRecords(tmp_path, "train"), batch_size=2, num_frames=1, seed=0)
    np.testing.assert_allclose(next(iter(batches))["video"][1], clip(0, frames=1, size=side)["video"] / 255, atol=1e-6)
    assert bool(called) == at_once


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 1), (8, 7)])
def test_what_reads_a_file_of_pixels_has_a_core_of_its_own(tmp_path, monkeypatch, cores, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    def threads_of(reader, **options):
        batches = training_batches(reader, batch_size=2, num_frames=1, seed=0, **options)
        return batches.options().threading.private_threadpool_size

    image_sets.write_set(tmp_path, "objects_room_train", 3)
    assert threads_of(ObjectsRoom(tmp_path, "train")) == threads
    # Not where clips are worked on one by one, pictures are decoded, or several files are read at a time.
    assert threads_of(ObjectsRoom(tmp_path, "train"), mirror=True) is None
    write_shard(tmp_path / "train-00000-of-00001.tfrecord", [clip(0, frames=1)])
    assert threads_of(ClipRecords(tmp_path, "train")) is None
    # Nor where the work is done elsewhere.
    monkeypatch.setattr(service, "distributed", lambda batches, address, name: batches)
    assert threads_of(ObjectsRoom(tmp_path, "train"), data_service="grpc://localhost:1") is None
    monkeypatch.setattr(ObjectsRoom, "file_pattern", "NNNNN-of-NNNNN.tfrecords")
    for index in range(2):
        shutil.copy(tmp_path / "objects_room_train.tfrecords", tmp_path / f"{index:05d}-of-00002.tfrecords")
    assert threads_of(ObjectsRoom(tmp_path, "train")) is None


def damaged_records():
    sound = encode_clip(clip(0))
    example = tf.train.Example.FromString(sound)
    example.features.feature["schema_version"].int64_list.value[0] = 2
    newer = example.SerializeToString()
    example = tf.train.Example.FromString(sound)
    picture = example.features.feature["video"].bytes_list.value
    picture[0] = picture[0][:60]
    return {
        "longer": (encode_clip(clip(1, frames=FRAMES + 2)), "record 2 has shape"),
        "shorter": (encode_clip(clip(1, frames=FRAMES - 1)), "record 2 has shape"),
        "larger": (encode_clip(clip(1, size=SIZE + 1)), "record 2 has shape"),
        "newer": (newer, "record 2 has schema_version 2"),
        "picture cut off": (example.SerializeToString(), "record 2 is not a record of ClipRecords"),
        "no example": (b"\xff" * 9, "record 2 is not a record of ClipRecords"),
    }


@pytest.mark.parametrize("fault", damaged_records())
def test_a_fault_among_the_records_of_a_batch_is_told_by_file_and_record(tmp_path, fault):
    record, sentence = damaged_records()[fault]
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in (encode_clip(clip(0)), encode_clip(clip(1)), record, encode_clip(clip(2))):
            writer.write(one)
    reader = ClipRecords(tmp_path, "train")
    with pytest.raises(DATA_ERRORS) as caught:
        for _ in training_batches(reader, batch_size=4, num_frames=FRAMES, seed=0).take(1):
            pass
    explained = explain_data_error(caught.value, reader, num_frames=FRAMES)
    assert str(path) in str(explained)
    assert sentence in str(explained)
