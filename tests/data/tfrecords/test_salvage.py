import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.data.tfrecords.salvage import Damage, salvage


def records_and_damage(path, content):
    path.write_bytes(content)
    damage = Damage()
    return list(salvage(str(path), damage)), damage


@pytest.fixture
def records():
    """Records of many sizes, the first empty, one that ends in zeros, and one that holds framed records itself."""
    rng = random.Random(0)
    made = [b"", b"\0" * 50, b"x\0\0"] + [rng.randbytes(size) for size in (1, 700, 3, 5000, 12, 13)]
    return made


everyhow = pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])


@everyhow
def test_a_sound_file_is_read_whole(tmp_path, handmade, records, compression):
    content = handmade.compress(b"".join(map(handmade.frame, records)), compression)
    assert records_and_damage(tmp_path / "f", content) == (records, Damage())


def joined(handmade, records, change=None):
    """The framed records, those in `change` (number -> function of the framed bytes) changed."""
    return b"".join((change or {}).get(i, bytes)(handmade.frame(record)) for i, record in enumerate(records))


def flipped(position, bit=0):
    def change(framed):
        framed = bytearray(framed)
        framed[position] ^= 1 << bit
        return bytes(framed)

    return change


DAMAGED_FRAMES = {
    "payload": flipped(12 + 350),
    "checksum of the payload": flipped(-1),
    "length": flipped(0, 3),
    "length, high byte": flipped(7, 7),
    "checksum of the length": flipped(9),
    "bytes gone": lambda framed: framed[:300] + framed[310:],
    "bytes more": lambda framed: framed[:300] + b"new" + framed[300:],
    "gone but for its start": lambda framed: framed[:40],
    "junk": lambda framed: b"\x07" * len(framed),
}


@everyhow
@pytest.mark.parametrize("change", DAMAGED_FRAMES.values(), ids=DAMAGED_FRAMES.keys())
def test_one_damaged_record_costs_one_record(tmp_path, handmade, records, compression, change):
    content = handmade.compress(joined(handmade, records, {4: change}), compression)
    found, damage = records_and_damage(tmp_path / "f", content)
    assert found == records[:4] + records[5:]
    assert damage == Damage(lost_records=1)


@pytest.mark.parametrize("length", [2**60, 2**40, 2**64 - 1, 2**31 - 1, 10**6])
@everyhow
def test_a_hostile_length_costs_one_record(tmp_path, handmade, records, compression, length):
    header = length.to_bytes(8, "little")
    lie = header + handmade.masked(header) + b"y" * 30
    content = joined(handmade, records, {4: lambda _: lie})
    found, damage = records_and_damage(tmp_path / "f", handmade.compress(content, compression))
    assert found == records[:4] + records[5:]
    assert damage == Damage(lost_records=1)


def test_a_file_whose_first_record_is_damaged_is_read_from_the_second_on(tmp_path, handmade, records):
    found, damage = records_and_damage(tmp_path / "f", joined(handmade, records[3:], {0: flipped(0)}))
    assert found == records[4:]
    assert damage.lost_records == 1


def test_a_record_beyond_the_look_ahead_is_found_again(tmp_path, handmade):
    junk = random.Random(1).randbytes(2**18 - 7)  # A header that straddles two pieces of the file.
    content = handmade.frame(b"a") + junk + handmade.frame(b"b") + bytes(2**19) + handmade.frame(b"c")
    found, damage = records_and_damage(tmp_path / "f", content)
    assert found == [b"a", b"b", b"c"]
    assert damage.lost_records == 2


@everyhow
def test_a_file_cut_off_keeps_its_whole_records(tmp_path, handmade, records, compression):
    rng = random.Random(2)
    records = [rng.randbytes(400) for _ in range(5)]
    content = joined(handmade, records)
    cut = content[: 3 * 416 + 100] if not compression else handmade.compress(content, compression)[: 3 * 416 + 150]
    found, damage = records_and_damage(tmp_path / "f", cut)
    assert found == records[:3]
    assert damage.lost_records == 1
    assert damage.end == ("it is cut off" if compression else None)


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_damaged_compression_costs_what_stands_behind(tmp_path, handmade, compression):
    """Text deflates to Huffman codes, in which a changed byte is soon met."""
    rng = random.Random(3)
    records = [bytes(rng.choices(b"abcdefghij", range(1, 11), k=5000)) for _ in range(20)]
    content = bytearray(handmade.compress(joined(handmade, records), compression))
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    found, damage = records_and_damage(tmp_path / "f", bytes(content))
    assert len(found) >= 9
    assert found == [record for record in records if record in found]
    assert damage.lost_records >= 1


def test_joined_gzip_files_are_one(tmp_path, handmade):
    content = b"".join(handmade.compress(handmade.frame(record), "GZIP") for record in (b"a", b"b", b"c"))
    assert records_and_damage(tmp_path / "f", content) == ([b"a", b"b", b"c"], Damage())


FOREIGN = {
    "empty": b"",
    "text": b"not a record\n" * 9,
    "zeros": bytes(3000),
    "GZIP of text": None,
    "magic": b"\x1f\x8b",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_yield_nothing(tmp_path, handmade, name):
    content = handmade.compress(b"text", "GZIP") if FOREIGN[name] is None else FOREIGN[name]
    found, damage = records_and_damage(tmp_path / "f", content)
    assert found == []
    assert damage.end if name in ("empty", "magic") else damage.lost_records


def test_what_cannot_be_opened_is_damage_not_an_exception(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        damage = Damage()
        assert list(salvage(str(path), damage)) == []
        assert "cannot be read" in damage.end


def test_many_lengths_without_data_end_in_time(tmp_path, handmade, monkeypatch):
    monkeypatch.setattr("simone_tf.data.tfrecords.salvage._MAX_WASTED_BYTES", 10**6)
    header = (10**5).to_bytes(8, "little")
    content = (header + handmade.masked(header)) * 20_000
    found, damage = records_and_damage(tmp_path / "f", content)
    assert found == []
    assert "too many lengths" in damage.end


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=8),
    st.sampled_from(["", "GZIP", "ZLIB"]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
    st.floats(0, 1),
)
def test_no_damage_yields_a_record_that_was_not_there(tmp_path_factory, handmade, records, compression, changes, end):
    content = bytearray(handmade.compress(b"".join(map(handmade.frame, records)), compression))
    changes = [(int(place * len(content)), byte) for place, byte in changes]
    for place, byte in changes:
        content[place] = byte
    kept = bytes(content[: len(content) - int(end * 10)])
    found, _ = records_and_damage(tmp_path_factory.getbasetemp() / "damaged", kept)
    # Damage in deflated bytes may well inflate to a sound record once more.
    assert set(found) <= set(records)
    if not compression:
        left = iter(records)
        assert all(record in left for record in found)  # A subsequence.
        assert len(found) >= len(records) - len(changes) - 1
