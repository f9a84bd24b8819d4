"""Two readers of the same clips are found out, those of different clips are not."""

import os
import shutil

import pytest

from simone_tf.data.formats.objects_room import ObjectsRoom
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.evaluation.shared_clips import shared_file

from tiny_run import make_clips


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        write_shard(tmp_path / "set" / shard_name(split, 0, 1), make_clips(2, len(split)))
    return tmp_path / "set"


def test_splits_share_nothing(folder):
    assert shared_file(ClipRecords(str(folder), "train"), ClipRecords(str(folder), "test")) is None


def test_the_same_split_is_shared_however_it_is_read(folder, tmp_path):
    path = str(folder / shard_name("train", 0, 1))
    held_out = ClipRecords(str(folder), "train")
    for other in (
        ClipRecords(str(folder), "train", stand_in="make them"),
        ClipRecords(str(folder), "train", on_corrupt="skip", resize=(4, 4)),
        ClipRecords(os.path.relpath(folder), "train"),
    ):
        assert shared_file(held_out, other) == path
    (tmp_path / "link").symlink_to(folder)
    assert shared_file(held_out, ClipRecords(str(tmp_path / "link"), "train")) == path
    shutil.copytree(folder, tmp_path / "hard", copy_function=os.link)
    assert shared_file(held_out, ClipRecords(str(tmp_path / "hard"), "train")) == path


def test_one_file_in_common_is_enough(tmp_path):
    for name, clips in (("test-00000-of-00002", 0), ("test-00001-of-00002", 1), ("train-00000-of-00001", 2)):
        write_shard(tmp_path / f"{name}.tfrecord", make_clips(1, clips))
    os.link(tmp_path / "test-00001-of-00002.tfrecord", tmp_path / "other-00000-of-00001.tfrecord")
    found = shared_file(ClipRecords(str(tmp_path), "test"), ClipRecords(str(tmp_path), "other"))
    assert found == str(tmp_path / "test-00001-of-00002.tfrecord")


@pytest.mark.parametrize(
    ("records", "others", "shared"),
    [
        ((0, 320), (320, None), False),
        ((320, None), (0, 320), False),
        ((0, 320), (319, None), True),
        ((0, 320), None, True),
        (None, None, True),
        ((5, 6), (5, 6), True),
        ((5, 6), (6, 7), False),
    ],
)
def test_parts_of_one_file(tmp_path, records, others, shared):
    path = tmp_path / "objects_room_train.tfrecords"
    write_shard(path, make_clips(1, 0))
    readers = [ObjectsRoom(str(tmp_path), records=part) for part in (records, others)]
    assert shared_file(*readers) == (str(path) if shared else None)


def test_clips_that_are_not_there_are_not_shared(folder, tmp_path):
    there = ClipRecords(str(folder), "train")
    assert shared_file(there, ClipRecords(str(tmp_path / "nowhere"), "train")) is None
