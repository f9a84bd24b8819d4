import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.clip import check_known_fields
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.tfrecords.faults import explain_data_error, feature_names
from simone_tf.errors import UserError


class NumberReader(ClipReader):
    """One-pixel clips whose colour is the record's `number`, and a `camera` of one number; `length` frames."""

    fields = ("video", "camera")
    features = ("number", "length")
    source = "the number office"
    file_pattern = "numbers-NNNNN-of-NNNNN"

    @property
    def folders(self):
        return (self.data_dir, f"{self.data_dir}/below")

    def _decode(self, serialized, fields):
        spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in self.features}
        record = tf.io.parse_single_example(serialized, spec)
        clip = {
            "video": tf.fill([record["length"], 1, 1, 3], tf.cast(record["number"], tf.uint8)),
            "camera": tf.fill([record["length"], 1], tf.cast(record["number"], tf.float32)),
        }
        return {name: clip[name] for name in fields}


def record(handmade, number, length=2):
    return handmade.frame(handmade.example({"number": [number], "length": [length]}))


@pytest.fixture
def folder(tmp_path, handmade):
    """Three shards, each in another compression, with the numbers 0-2, 10-13 and 20."""
    for shard, (compression, numbers) in enumerate((("", range(3)), ("GZIP", range(10, 14)), ("ZLIB", range(20, 21)))):
        content = b"".join(record(handmade, number) for number in numbers)
        (tmp_path / f"numbers-{shard:05d}-of-00003").write_bytes(handmade.compress(content, compression))
    return tmp_path


def numbers(reader, dataset):
    return [int(reader.parse(r, ["video"])["video"][0, 0, 0, 0]) for r in dataset]


def test_shards_of_mixed_compression_are_read_in_order(folder):
    reader = NumberReader(folder, "train")
    shards = reader.shards()
    assert [shard.rsplit("/", 1)[1] for shard in shards] == [f"numbers-{i:05d}-of-00003" for i in range(3)]
    assert numbers(reader, reader.serialized(shards)) == [0, 1, 2, 10, 11, 12, 13, 20]
    assert numbers(reader, reader.serialized(shards[::-1])) == [20, 10, 11, 12, 13, 0, 1, 2]
    assert [reader.count(shard) for shard in shards] == [3, 4, 1]
    assert reader.clip_shape() == (2, 1, 1)


def test_graph_code_may_choose_the_shards(folder):
    reader = NumberReader(folder, "train")
    chosen = tf.data.Dataset.range(2).flat_map(
        lambda i: reader.serialized(tf.gather(tf.constant(reader.shards()), [2 - i]))
    )
    assert numbers(reader, chosen) == [20, 10, 11, 12, 13]


def test_shards_in_the_second_folder_are_found(folder):
    (folder / "below").mkdir()
    for path in folder.glob("numbers-*"):
        path.rename(folder / "below" / path.name)
    assert len(NumberReader(folder, "train").shards()) == 3


def test_names_that_only_look_alike_are_not_shards(folder):
    for name in ("numbers-00000-of-00003.bak", "old-numbers-00000-of-00003", "numbers-a-of-00003", ".numbers.tmp"):
        (folder / name).write_bytes(b"")
    assert len(NumberReader(folder, "train").shards()) == 3


def test_brackets_in_a_folder_name_are_no_pattern(folder):
    odd = folder.rename(folder.with_name("set [1]*?"))
    assert len(NumberReader(odd, "train").shards()) == 3


@pytest.mark.parametrize("exists", [False, True])
def test_missing_files_are_told_with_where_what_and_the_stand_in(tmp_path, exists):
    data_dir = tmp_path / "data"
    if exists:
        data_dir.mkdir()
    with pytest.raises(UserError) as caught:
        NumberReader(data_dir, "train", stand_in="make_numbers --out={data_dir}").shards()
    message = str(caught.value)
    for word in (str(data_dir), "below", "numbers-NNNNN-of-NNNNN", "the number office"):
        assert word in message
    assert message.endswith(f"make_numbers --out={data_dir}")  # to be copied: the folder asked for, no full stop
    assert ("does not exist" in message) != exists
    assert "\n" not in message


def test_without_a_stand_in_none_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        NumberReader(tmp_path, "train").shards()
    assert "stand-in" not in str(caught.value)


def test_a_zero_byte_shard_is_refused(folder):
    (folder / "numbers-00001-of-00003").write_bytes(b"")
    with pytest.raises(UserError, match="numbers-00001-of-00003 is empty"):
        NumberReader(folder, "train").shards()


def test_shards_of_two_sets_are_refused(folder, handmade):
    (folder / "numbers-00000-of-00001").write_bytes(record(handmade, 1))
    with pytest.raises(UserError, match="2 different sets"):
        NumberReader(folder, "train").shards()


def test_a_field_that_is_not_there_is_told(folder):
    with pytest.raises(UserError, match="has no segments and no object_moving: it has video, camera"):
        NumberReader(folder, "train").first_clip(("video", "segments", "object_moving"))


def test_fields_that_do_not_exist_are_a_mistake_of_the_code():
    check_known_fields(("video", "object_moving"))
    with pytest.raises(ValueError, match="masks"):
        check_known_fields(("video", "masks"))


def test_feature_names_of_an_example_and_of_other_bytes(handmade):
    assert feature_names(handmade.example({"b": [1], "a": b"text"})) == ["a", "b"]
    assert feature_names(b"\x89\xff\xfe") is None


def foreign(handmade):
    return handmade.frame(handmade.example({"pixels": b"..", "label": [1]}))


FIRST_RECORDS = {
    "another schema": (foreign, "no feature number and no length, only label, pixels"),
    "no features": (lambda h: h.frame(b""), "only none at all"),
    "no example": (lambda h: h.frame(b"\x89\xff\xfe\x00garbage"), "it is not a tf.train.Example"),
    "wrong type": (lambda h: h.frame(h.example({"number": b"1", "length": [2]})), "record 0 is not a record of Number"),
    "bit flip": (lambda h: record(h, 1)[:-6] + b"?" + record(h, 1)[-5:], "is damaged"),
}


@pytest.mark.parametrize(("content", "words"), FIRST_RECORDS.values(), ids=FIRST_RECORDS.keys())
def test_a_first_record_of_another_kind_is_told_before_anything_starts(folder, handmade, content, words):
    (folder / "numbers-00000-of-00003").write_bytes(content(handmade))
    with pytest.raises(UserError, match=words) as caught:
        NumberReader(folder, "train").clip_shape()
    assert "numbers-00000-of-00003" in str(caught.value)
    assert "\n" not in str(caught.value)


def iterate(reader, fields=("video",)):
    dataset = reader.serialized(reader.shards()).map(lambda r: reader.parse(r, fields))
    return [clip["video"].numpy() for clip in dataset]


def flipped(handmade):
    good = record(handmade, 11)
    return good[:-6] + bytes([good[-6] ^ 1]) + good[-5:]


LATER_FAULTS = {
    "another schema": (foreign, "", "record 1 is not a record of NumberReader: it has no feature number"),
    "no example": (
        lambda h: h.frame(b"\x89\xff\xfe"),
        "",
        "record 1 is not a record of NumberReader: it is not a tf.tr",
    ),
    "bit flip": (flipped, "", "damaged at record 1"),
    "bit flip, ZLIB": (flipped, "ZLIB", "damaged at record 1"),
    "cut off": (lambda h: record(h, 11)[:-3], "", "damaged or cut off at record 1"),
    "cut off, GZIP": (lambda h: record(h, 11)[:-3], "GZIP", "damaged at record 1"),
}


@pytest.mark.parametrize(("content", "compression", "words"), LATER_FAULTS.values(), ids=LATER_FAULTS.keys())
def test_an_error_while_iterating_is_traced_to_its_file(folder, handmade, content, compression, words):
    faulty = folder / "numbers-00001-of-00003"
    faulty.write_bytes(handmade.compress(record(handmade, 10) + content(handmade), compression))
    reader = NumberReader(folder, "train")
    with pytest.raises((tf.errors.OpError, UnicodeDecodeError)) as raised:
        iterate(reader)
    explained = explain_data_error(raised.value, reader)
    assert isinstance(explained, UserError)
    assert str(faulty) in str(explained)
    assert words in str(explained)
    assert "\n" not in str(explained)


def test_a_file_that_vanishes_is_named(folder):
    reader = NumberReader(folder, "train")
    reader.shards()
    (folder / "numbers-00002-of-00003").unlink()
    with pytest.raises(tf.errors.NotFoundError) as raised:
        iterate(reader)
    assert "numbers-00002-of-00003 is gone" in str(explain_data_error(raised.value, reader))


def test_a_compressed_bit_flip_is_traced_to_its_file(folder):
    faulty = folder / "numbers-00001-of-00003"
    content = bytearray(faulty.read_bytes())
    content[-6] ^= 0xFF  # GZIP's own checksum.
    content[40] ^= 0xFF
    faulty.write_bytes(content)
    reader = NumberReader(folder, "train")
    with pytest.raises(tf.errors.OpError) as raised:
        iterate(reader)
    assert str(faulty) in str(explain_data_error(raised.value, reader))


def test_clips_of_different_length_are_a_fault_only_where_they_are_too_short(folder, handmade):
    (folder / "numbers-00001-of-00003").write_bytes(record(handmade, 1, length=2) + record(handmade, 1, length=3))
    reader = NumberReader(folder, "train")
    error = tf.errors.InvalidArgumentError(None, None, "shapes differ")
    assert "record 1 has shape [3, 1, 1, 3]" in str(explain_data_error(error, reader))
    assert explain_data_error(error, reader, num_frames=2) is None
    assert "at least 3 frames" in str(explain_data_error(error, reader, num_frames=3))


def test_errors_with_another_cause_are_left_alone(folder):
    reader = NumberReader(folder, "train")
    assert (
        explain_data_error(tf.errors.InvalidArgumentError(None, None, "loss is NaN"), reader, ("video", "camera"))
        is None
    )
    (folder / "numbers-00001-of-00003").write_bytes(b"")
    assert explain_data_error(tf.errors.ResourceExhaustedError(None, None, "memory"), reader) is None
    assert explain_data_error(ValueError("other"), reader) is None


def test_the_first_clip_is_the_first_record(folder):
    clip = NumberReader(folder, "train").first_clip(("camera",))
    assert list(clip) == ["camera"]
    np.testing.assert_array_equal(clip["camera"], np.zeros([2, 1]))
