import numpy as np
import pytest

from simone_tf.data.clip import check_known_fields
from simone_tf.errors import UserError

from number_reader import NumberReader, foreign, record, write_numbers


@pytest.fixture
def folder(tmp_path, handmade):
    return write_numbers(tmp_path, handmade)


@pytest.mark.parametrize("exists", [False, True])
def test_missing_files_are_told_with_where_what_and_the_stand_in(tmp_path, exists):
    data_dir = tmp_path / "data"
    if exists:
        data_dir.mkdir()
    with pytest.raises(UserError) as caught:
        NumberReader(data_dir, "train", stand_in="make_numbers --out={data_dir}").files.shards()
    message = str(caught.value)
    for word in (str(data_dir), "below", "numbers-NNNNN-of-NNNNN", "the number office"):
        assert word in message
    assert message.endswith(f"make_numbers --out={data_dir}")  # to be copied: the folder asked for, no full stop
    assert ("does not exist" in message) != exists
    assert "\n" not in message


def test_without_a_stand_in_none_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        NumberReader(tmp_path, "train").files.shards()
    assert "stand-in" not in str(caught.value)


def test_a_field_that_is_not_there_is_told(folder):
    with pytest.raises(UserError, match="has no segments and no object_moving: it has video, camera"):
        NumberReader(folder, "train").first_clip(("video", "segments", "object_moving"))


def test_fields_that_do_not_exist_are_a_mistake_of_the_code():
    check_known_fields(("video", "object_moving"))
    with pytest.raises(ValueError, match="masks"):
        check_known_fields(("video", "masks"))


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


def test_the_first_clip_is_the_first_record(folder):
    clip = NumberReader(folder, "train").first_clip(("camera",))
    assert list(clip) == ["camera"]
    np.testing.assert_array_equal(clip["camera"], np.zeros([2, 1]))


def test_the_first_record_is_parsed_once_for_the_same_fields(folder, monkeypatch):
    reader = NumberReader(folder, "train")
    parse, parsed = reader._parse, []
    monkeypatch.setattr(reader, "_parse", lambda record, fields: parsed.append(fields) or parse(record, fields))
    first = reader.first_clip(("camera",))
    first.pop("camera")  # What a caller does with it is its own affair.
    np.testing.assert_array_equal(reader.first_clip(["camera"])["camera"], np.zeros([2, 1]))
    assert len(parsed) == 1
