import logging

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.tfrecords.split_files import NO_END, Listing, SplitFiles
from simone_tf.errors import UserError

NUMBERS = ((0, 1, 2), (10, 11, 12, 13), (20,))


def content(handmade, numbers):
    return b"".join(handmade.frame(str(number).encode()) for number in numbers)


@pytest.fixture
def folder(tmp_path, handmade):
    """Three shards, each in another compression."""
    for shard, (compression, numbers) in enumerate(zip(("", "GZIP", "ZLIB"), NUMBERS, strict=True)):
        (tmp_path / f"numbers-{shard:05d}-of-00003").write_bytes(
            handmade.compress(content(handmade, numbers), compression)
        )
    return tmp_path


def files_of(folder, **options):
    folders = (str(folder), f"{folder}/below")
    pattern = "numbers-NNNNN-of-NNNNN"
    return SplitFiles(str(folder), "train", folders=folders, file_pattern=pattern, reader="Numbers", **options)


def numbers(dataset):
    return [int(record) for record in dataset.as_numpy_iterator()]


def any_record(record):
    return True


def test_shards_of_mixed_compression_are_read_in_order(folder):
    files = files_of(folder)
    shards = files.shards()
    assert [shard.rsplit("/", 1)[1] for shard in shards] == [f"numbers-{i:05d}-of-00003" for i in range(3)]
    assert numbers(files.serialized()) == numbers(files.serialized(shards)) == [0, 1, 2, 10, 11, 12, 13, 20]
    assert numbers(files.serialized(shards[::-1])) == [20, 10, 11, 12, 13, 0, 1, 2]
    assert [files.count(shard) for shard in shards] == [3, 4, 1]
    assert files.first_record(any_record) == b"0"


def test_graph_code_may_choose_the_shards(folder):
    files = files_of(folder)
    chosen = tf.data.Dataset.range(2).flat_map(
        lambda i: files.serialized(tf.gather(tf.constant(files.shards()), [2 - i]))
    )
    assert numbers(chosen) == [20, 10, 11, 12, 13]


def test_shards_in_the_second_folder_are_found(folder):
    (folder / "below").mkdir()
    for path in folder.glob("numbers-*"):
        path.rename(folder / "below" / path.name)
    assert len(files_of(folder).shards()) == 3


def test_names_that_only_look_alike_are_not_shards(folder):
    for name in ("numbers-00000-of-00003.bak", "old-numbers-00000-of-00003", "numbers-a-of-00003", ".numbers.tmp"):
        (folder / name).write_bytes(b"")
    assert len(files_of(folder).shards()) == 3


def test_brackets_in_a_folder_name_are_no_pattern(folder):
    odd = folder.rename(folder.with_name("set [1]*?"))
    assert len(files_of(odd).shards()) == 3


def test_a_zero_byte_shard_is_refused(folder):
    (folder / "numbers-00001-of-00003").write_bytes(b"")
    with pytest.raises(UserError, match="numbers-00001-of-00003 is empty"):
        files_of(folder).shards()


def test_shards_of_two_sets_are_refused(folder, handmade):
    (folder / "numbers-00000-of-00001").write_bytes(content(handmade, [1]))
    with pytest.raises(UserError, match="2 different sets"):
        files_of(folder).shards()


@pytest.mark.parametrize("on_corrupt", ["raise", "skip"])
@pytest.mark.parametrize(("first", "stop"), [(0, 2), (1, NO_END), (1, 3), (3, 9)])
def test_a_range_is_of_each_shard(folder, on_corrupt, first, stop):
    files = files_of(folder, records=(first, stop), on_corrupt=on_corrupt)
    for shard, there in zip(files.shards(), NUMBERS, strict=True):
        assert numbers(files.serialized([shard])) == list(there[first:stop])
        assert files.count(shard) == len(there[first:stop])
    assert numbers(files.serialized()) == [number for there in NUMBERS for number in there[first:stop]]


def test_a_range_behind_the_first_shard_is_refused(folder):
    with pytest.raises(UserError, match=r"has no more than 3 records, and Numbers\.records starts at 3: choose"):
        files_of(folder, records=(3, NO_END)).first_record(any_record)


def test_what_the_format_knows_is_not_counted(folder):
    known = {"numbers-00000-of-00003": 70}

    def known_count(path):
        return known.get(path.rsplit("/", 1)[1])

    files = files_of(folder, known_count=known_count, records=(1, 50))
    assert [files.known_count(shard) for shard in files.shards()] == [49, None, None]
    assert [files.count(shard) for shard in files.shards()] == [49, 3, 0]


LISTING = Listing("list.json", {f"numbers-{shard:05d}-of-00003": 70 + shard for shard in range(3)})


def test_what_the_set_lists_is_not_counted(folder):
    files = files_of(folder, listing=LISTING)
    assert [files.known_count(shard) for shard in files.shards()] == [70, 71, 72]
    assert [files.count(shard) for shard in files.shards()] == [70, 71, 72]


def test_a_listed_shard_that_is_missing_is_an_error_or_left_out(folder, caplog):
    caplog.set_level(logging.WARNING)
    (folder / "numbers-00002-of-00003").unlink()
    with pytest.raises(UserError, match=r"lacks numbers-00002-of-00003, which its list\.json lists for split 'train'"):
        files_of(folder, listing=LISTING).shards()
    files = files_of(folder, listing=LISTING, on_corrupt="skip")
    assert len(files.shards()) == 2
    assert files.skipped == (0, 1)
    assert "numbers-00002-of-00003 is left out: list.json lists it, but it is not there." in caplog.text


def test_skip_mode_counts_and_gives_what_can_be_read(folder, handmade):
    damaged = bytearray(content(handmade, range(3)))
    damaged[len(damaged) // 2 - 3] ^= 1
    (folder / "numbers-00000-of-00003").write_bytes(damaged)
    (folder / "numbers-00001-of-00003").write_bytes(b"no records")
    files = files_of(folder, on_corrupt="skip")
    assert [shard[-14:] for shard in files.shards()] == ["00000-of-00003", "00002-of-00003"]
    assert numbers(files.serialized()) == [0, 2, 20]
    assert [files.count(shard) for shard in files.shards()] == [2, 1]
    assert files.skipped == (1, 1)
    assert files.first_record(lambda record: record != b"0") == b"2"
    with pytest.raises(UserError, match="has no record that can be used"):
        files.first_record(lambda record: False)


def test_a_damaged_first_record_is_told(folder, handmade):
    damaged = bytearray(content(handmade, [5]))
    damaged[-5] ^= 1
    (folder / "numbers-00000-of-00003").write_bytes(damaged)
    with pytest.raises(UserError, match="numbers-00000-of-00003 is damaged") as caught:
        files_of(folder).first_record(any_record)
    assert "\n" not in str(caught.value)


def test_lengths_that_lie_are_found_unless_the_dataset_is_for_another_process(folder, handmade):
    path = folder / "numbers-00000-of-00003"
    path.write_bytes(content(handmade, [5]) + handmade.frame(b"x" * 40)[:-20])
    files = files_of(folder)
    with pytest.raises(tf.errors.InvalidArgumentError, match="damaged or cut off at record 1"):
        numbers(files.serialized())
    portable = iter(files.serialized(portable=True).as_numpy_iterator())
    np.testing.assert_equal(next(portable), b"5")
    with pytest.raises(tf.errors.DataLossError):
        next(portable)


@pytest.mark.parametrize("on_corrupt", ["raise", "skip"])
def test_a_set_of_pointers_of_git_lfs_is_told_as_such(folder, on_corrupt):
    for path in folder.iterdir():
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    files = files_of(folder, on_corrupt=on_corrupt)
    with pytest.raises(UserError, match=r": it is a Git LFS pointer, not the file itself: run git lfs pull\.$"):
        files.shards()


def test_files_that_may_not_be_read_are_not_called_damaged_in_skip_mode(folder, monkeypatch):
    def withheld(path, mode):
        raise tf.errors.PermissionDeniedError(None, None, f"{path}; Permission denied")

    monkeypatch.setattr(tf.io.gfile, "GFile", withheld)
    with pytest.raises(UserError, match=r"it cannot be read \(Permission denied\)\.$"):
        files_of(folder, on_corrupt="skip").shards()
