import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.data.tfrecords import tfrecord
from simone_tf.errors import UserError

RECORDS = [b"first", b"", b"x" * 9000]


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_compression_is_found_and_records_are_counted(tmp_path, handmade, compression):
    path = tmp_path / "shard"
    path.write_bytes(handmade.compress(b"".join(map(handmade.frame, RECORDS)), compression))
    assert tfrecord.sniff_compression(str(path)) == compression
    assert tfrecord.count_records(str(path), compression) == 3
    assert [r.numpy() for r in tf.data.TFRecordDataset(str(path), compression)] == RECORDS


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_what_tensorflow_writes_is_recognised(tmp_path, compression):
    path = str(tmp_path / "shard")
    with tf.io.TFRecordWriter(path, compression) as writer:
        writer.write(b"a record")
    assert tfrecord.sniff_compression(path) == compression


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"\x78\x9c"])
def test_a_plain_file_whose_length_looks_like_a_compression_magic_is_plain(tmp_path, handmade, magic):
    path = tmp_path / "shard"
    path.write_bytes(handmade.frame(bytes(int.from_bytes(magic, "little"))))
    assert path.read_bytes()[:2] == magic
    assert tfrecord.sniff_compression(str(path)) == ""


@given(st.binary(max_size=40))
@settings(max_examples=50, deadline=None)
def test_checksum_is_tensorflows(data):
    # The bits one at a time, as the polynomial division says.
    crc = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if (crc ^ byte >> bit) & 1 else 0)
    crc ^= 0xFFFFFFFF
    assert tfrecord.masked_crc32c(data) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_checksum_of_the_published_example():
    """CRC-32C of 32 zero bytes is 0x8a9136aa (RFC 3720, B.4)."""
    assert tfrecord.masked_crc32c(bytes(32)) == ((0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8) % 2**32


FAULTS = {
    "empty": (b"", "is empty"),
    "text": (b"this is a text file, not records", "not a TFRecord file"),
    "three bytes": (b"\x1f\x8b\x08", "not a TFRecord file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a TFRecord file"),
}


@pytest.mark.parametrize(("content", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_other_files_are_refused_by_name(tmp_path, content, words):
    path = tmp_path / "shard"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        tfrecord.sniff_compression(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_nothing_and_compressed_other_things_are_refused(tmp_path, handmade, compression):
    path = tmp_path / "shard"
    path.write_bytes(handmade.compress(b"", compression))
    with pytest.raises(UserError, match="is empty"):
        tfrecord.sniff_compression(str(path))
    path.write_bytes(handmade.compress(b"a text, compressed", compression))
    with pytest.raises(UserError, match="not a TFRecord file"):
        tfrecord.sniff_compression(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        tfrecord.sniff_compression(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("length", [100, 2**40, 2**61, 2**64 - 16])
def test_a_length_beyond_the_file_is_refused_before_tensorflow_allocates_it(tmp_path, handmade, length):
    header = struct.pack("<Q", length)
    header += handmade.masked(header)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(header + b"little")
    with pytest.raises(UserError, match="cut off"):
        tfrecord.sniff_compression(str(first))
    second.write_bytes(handmade.frame(b"good") + header + b"little")
    with pytest.raises(UserError, match="damaged or cut off at record 1 "):
        tfrecord.count_records(str(second), "")


def test_a_compressed_record_beyond_two_gigabytes_is_refused(tmp_path, handmade):
    header = struct.pack("<Q", 2**40)
    path = tmp_path / "shard"
    path.write_bytes(handmade.compress(header + handmade.masked(header) + b"little", "ZLIB"))
    with pytest.raises(UserError, match="not a TFRecord file"):
        tfrecord.sniff_compression(str(path))


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_counting_a_truncated_file_names_it(tmp_path, handmade, compression):
    path = tmp_path / "shard"
    noise = np.random.default_rng(0).bytes(2000)  # Does not compress, so that the cut is within a record.
    content = handmade.compress(b"".join(map(handmade.frame, [*RECORDS, noise])), compression)
    path.write_bytes(content[:-20])
    with pytest.raises(UserError, match="shard is damaged") as caught:
        tfrecord.count_records(str(path), compression)
    assert "\n" not in str(caught.value)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def test_a_pointer_of_git_lfs_is_called_one(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(POINTER)
    with pytest.raises(UserError) as raised:
        tfrecord.sniff_compression(str(path))
    assert str(raised.value) == f"{path}: it is a Git LFS pointer, not the file itself: run git lfs pull."


def test_what_cannot_be_opened_is_not_called_damaged(tmp_path, monkeypatch):
    folder = tmp_path / "folder.tfrecord"
    folder.mkdir()
    with pytest.raises(UserError) as raised:
        tfrecord.sniff_compression(str(folder))
    assert str(raised.value) == f"{folder} cannot be opened (Is a directory): check its name and permissions."
    path = tmp_path / "a.tfrecord"
    path.write_bytes(POINTER)

    def withheld(*arguments, **named):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", withheld)
    with pytest.raises(UserError) as raised:
        tfrecord.check_lengths(str(path))
    assert str(raised.value) == f"{path} cannot be read (Permission denied): check its name and permissions."
