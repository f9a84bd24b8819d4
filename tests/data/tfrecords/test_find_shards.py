import logging

import pytest
import tensorflow as tf

from simone_tf.data.tfrecords.find_shards import find_shards
from simone_tf.errors import UserError

PATTERN = "train-NNNNN-of-NNNNN.tfrecord"


def put(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder)


def test_the_first_folder_that_holds_a_shard_is_the_one(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    empty = put(tmp_path / "a", "test-00000-of-00001.tfrecord", "train-00000-of-00002.tfrecord.tmp")
    full = put(tmp_path / "b", "train-00001-of-00002.tfrecord", "train-00000-of-00002.tfrecord")
    put(tmp_path / "c", "train-00000-of-00001.tfrecord")
    found = find_shards([str(tmp_path / "none"), empty, full, str(tmp_path / "c")], PATTERN, split="train")
    assert found == [f"{full}/train-0000{i}-of-00002.tfrecord" for i in range(2)]
    assert not caplog.records


def test_a_set_that_is_there_in_part_is_told(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    folder = put(tmp_path, "train-00003-of-00100.tfrecord", "train-00005-of-00100.tfrecord")
    assert len(find_shards([folder], PATTERN, split="train")) == 2
    (record,) = caplog.records
    assert f"{folder}: 2 of 100 shards of split 'train'" in record.getMessage()


def test_shards_of_two_sets_are_refused(tmp_path):
    folder = put(tmp_path, "train-00000-of-00001.tfrecord", "train-00000-of-00002.tfrecord")
    with pytest.raises(UserError, match="2 different sets"):
        find_shards([folder], PATTERN, split="train")


def test_a_name_without_numbers_is_one_file(tmp_path):
    folder = put(tmp_path, "images.tfrecords")
    assert find_shards([folder], "images.tfrecords", split="train") == [f"{folder}/images.tfrecords"]


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_there_says_where_and_what_to_do(tmp_path, exists):
    folder = tmp_path / "data"
    if exists:
        folder.mkdir()
    with pytest.raises(UserError) as caught:
        find_shards([str(folder)], PATTERN, split="train", source="its shop", stand_in="make --out={data_dir}")
    found = "holds no such file" if exists else "does not exist"
    assert str(caught.value) == (
        f"No {PATTERN} in {folder}, which {found}: put the files of its shop there, or make a stand-in with: "
        f"make --out={folder}"
    )


def test_a_folder_that_may_not_be_listed_is_not_called_empty(tmp_path, monkeypatch):
    def withheld(folder):
        raise tf.errors.PermissionDeniedError(None, None, f"{folder}; Permission denied")

    monkeypatch.setattr(tf.io.gfile, "listdir", withheld)
    with pytest.raises(UserError) as raised:
        find_shards([str(tmp_path)], PATTERN, split="train")
    assert str(raised.value) == f"{tmp_path} cannot be looked into (Permission denied): check its name and permissions."
