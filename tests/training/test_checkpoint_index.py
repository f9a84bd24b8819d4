"""What an index says, held against what TensorFlow wrote beside it, and indexes that say nothing any more."""

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.training.checkpoint_index import NotWhole, check_whole, data_files

MAGIC = bytes.fromhex("57fb808b247547db")  # the last bytes of every index


def written(folder, num_variables, **options):
    parts = {
        f"a_variable_of_some_name_{number}": tf.Variable(np.arange(number % 7 + 1, dtype=np.float32))
        for number in range(num_variables)
    }
    return tf.train.Checkpoint(**parts).write(str(folder / "ckpt-1"), options=tf.train.CheckpointOptions(**options))


@pytest.mark.parametrize("num_variables", [1, 40, 500])  # entries of one block, and of many
def test_the_data_is_as_long_as_the_index_says(tmp_path, num_variables):
    prefix = written(tmp_path, num_variables)
    assert data_files(prefix) == {".data-00000-of-00001": (tmp_path / "ckpt-1.data-00000-of-00001").stat().st_size}
    check_whole(prefix)


def test_a_checkpoint_in_several_files(tmp_path):
    policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=400)
    prefix = written(tmp_path, 60, experimental_sharding_callback=policy)
    found = {path.name[6:]: path.stat().st_size for path in tmp_path.glob("ckpt-1.data-*")}
    assert len(found) > 2
    assert data_files(prefix) == found
    last = sorted(tmp_path.glob("ckpt-1.data-*"))[-1]
    last.unlink()
    with pytest.raises(NotWhole, match="its data file is missing"):
        check_whole(prefix)


def test_an_index_cut_anywhere_is_not_whole(tmp_path):
    prefix = written(tmp_path, 4)
    index = tmp_path / "ckpt-1.index"
    content = index.read_bytes()
    for length in range(len(content)):
        index.write_bytes(content[:length])
        with pytest.raises(NotWhole):
            data_files(prefix)
    for length in range(len(content)):  # as where the blocks of a file system are written in another order
        index.write_bytes(bytes(length) + content[length:])
        if any(content[:length]):
            with pytest.raises(NotWhole):
                data_files(prefix)


def test_any_other_byte_is_found_or_does_not_matter(tmp_path):
    prefix = written(tmp_path, 6)
    index = tmp_path / "ckpt-1.index"
    content, whole = index.read_bytes(), data_files(prefix)
    found = 0
    for position in range(len(content)):
        index.write_bytes(content[:position] + bytes([content[position] ^ 0x81]) + content[position + 1 :])
        try:
            assert data_files(prefix) == whole
        except NotWhole:
            found += 1
    assert found > 0.8 * len(content)


@pytest.mark.parametrize(
    "content", [b"", b"x", bytes(48), MAGIC, bytes(40) + MAGIC, b"\xff" * 40 + MAGIC, b"\x01" * 40 + MAGIC]
)
def test_what_is_no_index(tmp_path, content):
    (tmp_path / "ckpt-1.index").write_bytes(content)
    with pytest.raises(NotWhole, match="index file"):
        data_files(str(tmp_path / "ckpt-1"))


def test_a_file_that_cannot_be_read_is_another_error(tmp_path):
    with pytest.raises(NotWhole, match="its index file is missing"):
        data_files(str(tmp_path / "ckpt-1"))
    (tmp_path / "ckpt-2.index").mkdir()
    with pytest.raises(IsADirectoryError):
        data_files(str(tmp_path / "ckpt-2"))
