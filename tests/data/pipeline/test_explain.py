import pytest
import tensorflow as tf

from simone_tf.data.pipeline.explain import data_faults_told, explain_data_error
from simone_tf.errors import UserError

from number_reader import NumberReader, foreign, record, write_numbers


@pytest.fixture
def folder(tmp_path, handmade):
    return write_numbers(tmp_path, handmade)


def iterate(reader, fields=("video",)):
    dataset = reader.files.serialized().map(lambda r: reader.parse(r, fields))
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
    reader.files.shards()
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


def test_a_fault_inside_is_told_in_one_sentence(folder, handmade):
    (folder / "numbers-00001-of-00003").write_bytes(record(handmade, 10) + flipped(handmade))
    reader = NumberReader(folder, "train")
    with pytest.raises(UserError, match="00001-of-00003 is damaged at record 1") as caught, data_faults_told(reader):
        iterate(reader)
    assert isinstance(caught.value.__cause__, tf.errors.DataLossError)


def test_what_the_data_does_not_explain_is_raised_as_it_is(folder):
    reader = NumberReader(folder, "train")
    for error in (tf.errors.InvalidArgumentError(None, None, "loss is NaN"), ValueError("other"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, data_faults_told(reader):
            raise error
        assert caught.value is error


def test_of_two_readers_the_faulty_one_is_named(folder, handmade, tmp_path_factory):
    other = write_numbers(tmp_path_factory.mktemp("other"), handmade)
    (other / "numbers-00002-of-00003").write_bytes(flipped(handmade))
    sound, faulty = NumberReader(folder, "train"), NumberReader(other, "train")
    for outer, inner in ((sound, faulty), (faulty, sound)):
        with pytest.raises(UserError, match=str(other)), data_faults_told(outer), data_faults_told(inner):
            iterate(faulty)
