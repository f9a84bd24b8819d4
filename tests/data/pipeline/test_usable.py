"""Every fault a file can have, met by every kind of reader, whether it is to raise or to skip."""

import collections
import itertools
import json
import logging
import os
import pathlib
import re
import zlib

import google_crc32c
import numpy as np
import pytest

from simone_tf.data.formats.cater import CaterWithMasks
from simone_tf.data.formats.movi import MOVi
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.data.tfrecords.faults import DATA_ERRORS
from simone_tf.errors import UserError

import movi_set

RECORDS_PER_SHARD = 3


def frame(record, length=None):
    """One TFRecord record, which may lie about its length."""

    def masked(data):
        crc = google_crc32c.value(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")

    header = (len(record) if length is None else length).to_bytes(8, "little")
    return header + masked(header) + record + masked(record)


class Project:
    """This project's own format, plain."""

    reader, compression, frames, lists_shards = ClipRecords, "", 2, False

    def name(self, index, total):
        return f"train-{index:05d}-of-{total:05d}.tfrecord"

    def record(self, handmade, number, **changes):
        picture = handmade.png(np.full((4, 2, 3), number, np.uint8))
        features = {"schema_version": [1], "shape": [2, 2, 2], "frames_per_image": [2], "video": [picture]}
        return handmade.example(features | changes)

    def hostile(self, handmade):
        return self.record(handmade, 0, shape=[2**31 - 1, 2**31 - 1, 2])


class Native:
    """DeepMind's CATER, ZLIB."""

    reader, compression, frames, lists_shards = CaterWithMasks, "ZLIB", 33, False

    def name(self, index, total):
        return f"cater_with_masks_train.tfrecords-{index:05d}-of-{total:05d}"

    def record(self, handmade, number, **changes):
        features = {
            "image": np.full((33, 64, 64, 3), number, np.uint8).tobytes(),
            "mask": b"",
            "camera_matrix": np.zeros(33 * 16, np.float32),
            "object_positions": np.zeros(11 * 33 * 3, np.float32),
        }
        return handmade.example(features | changes)

    def hostile(self, handmade):
        return self.record(handmade, 0, image=bytes(33 * 64 * 64 * 3 + 1))


class Tfds:
    """MOVi, as TensorFlow Datasets writes it: plain, with a list of its shards."""

    reader, compression, frames, lists_shards = MOVi, "", movi_set.FRAMES, True

    def name(self, index, total):
        return f"movi_a-train.tfrecord-{index:05d}-of-{total:05d}"

    def record(self, handmade, number, **changes):
        picture = handmade.png(np.full((16, 16, 3), number, np.uint8))
        features = {"video": [picture] * self.frames, "segmentations": [picture] * self.frames}
        return handmade.example(features | changes)

    def hostile(self, handmade):
        lie = handmade.png(np.zeros((16, 16, 3), np.uint8), claimed_size=(16, 2**27))
        return self.record(handmade, 0, video=[lie] * self.frames)


def write_metadata(folder, kind, total):
    """The files beside the shards."""
    if not kind.lists_shards:
        return
    made = movi_set.write(folder / "made", counts=(("train", 1),), layers=False)
    for path in pathlib.Path(made).iterdir():
        if "tfrecord" not in path.name:
            path.rename(folder / path.name)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["splits"][0]["shardLengths"] = [str(RECORDS_PER_SHARD)] * total
    (folder / "dataset_info.json").write_text(json.dumps(info))


FORMATS = (Project(), Native(), Tfds())


def flip(framed, position):
    return framed[:position] + bytes([framed[position] ^ 4]) + framed[position + 1 :]


def middle_changed(change):
    """A fault of the second of three records; the first and the third can be read."""
    return lambda kind, handmade, records: handmade.compress(
        frame(records[0]) + change(kind, handmade, records[1]) + frame(records[2]), kind.compression
    )


def lying_example(kind, handmade, record):
    del kind, handmade, record
    return frame(b"\x0a\xff\xff\xff\xff\x07" + b"\x0a\x05image")  # A feature map said to take 2**31 bytes.


# Name: what the second of three files holds, which of its records are left, and what the error says. A function of
# (format, handmade, records) gives the bytes; None is a file that is not there, a string what else stands there.
FAULTS = {
    "none": (lambda k, h, r: h.compress(b"".join(map(frame, r)), k.compression), (0, 1, 2), None),
    "another compression": (lambda k, h, r: h.compress(b"".join(map(frame, r)), "GZIP"), (0, 1, 2), None),
    "cut off": (
        lambda k, h, r: h.compress(b"".join(map(frame, r))[:-9], k.compression),
        (0, 1),
        "(damaged|cut off) at record 2",
    ),
    "damaged payload": (middle_changed(lambda k, h, r: flip(frame(r), 40)), (0, 2), "damaged at record 1"),
    "damaged length": (middle_changed(lambda k, h, r: flip(frame(r), 1)), (0, 2), "damaged (or cut off )?at record 1"),
    "hostile length": (
        middle_changed(lambda k, h, r: frame(r, 2**60)),
        (0, 2),
        "damaged (or cut off )?at record 1",
    ),
    "empty": (lambda k, h, r: b"", (), "is empty"),
    "no TFRecord": (lambda k, h, r: b"<html>not found</html>\n" * 40, (), "is not a TFRecord file"),
    "damaged GZIP header": (lambda k, h, r: flip(h.compress(frame(r[0]), "GZIP"), 2), (), "is not a TFRecord file"),
    "a folder in its place": ("folder", (), "cannot be opened"),
    "another schema": (
        middle_changed(lambda k, h, r: frame(h.example({"pixels": b"..", "label": [1]}))),
        (0, 2),
        "record 1 is not a record of",
    ),
    "hostile sizes": (middle_changed(lambda k, h, r: frame(k.hostile(h))), (0, 2), "record 1 is not a record of"),
    "hostile feature": (middle_changed(lying_example), (0, 2), "record 1 is not a record of"),
    "missing": (None, (), "lacks"),  # A set that does not list its shards may be a part of one.
}


def place(folder, kind, handmade, contents):
    """Writes the shards; returns their paths."""
    write_metadata(folder, kind, len(contents))
    paths = []
    for index, content in enumerate(contents):
        records = [kind.record(handmade, 10 * index + k) for k in range(RECORDS_PER_SHARD)]
        path = folder / kind.name(index, len(contents))
        paths.append(str(path))
        if content == "folder":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content(kind, handmade, records))
    return paths


SOUND = FAULTS["none"][0]


def numbers(batch):
    return np.rint(batch["video"].numpy()[:, 0, 0, 0, 0] * 255).astype(int).tolist()


def evaluated(reader, kind):
    found = []
    for batch in evaluation_batches(reader, batch_size=4, num_frames=kind.frames, fields=("video",)):
        found += [number for number, real in zip(numbers(batch), batch["clip_mask"], strict=True) if real]
    return found


def trained(reader, kind, count, **kwargs):
    batches = training_batches(reader, batch_size=1, num_frames=kind.frames, seed=0, **kwargs)
    return [numbers(batch)[0] for batch in batches.take(count)]


kinds = pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: type(kind).__name__)


@kinds
def test_skip_leaves_out_what_is_damaged_and_nothing_else(tmp_path, handmade, caplog, kind):
    """A set in which every shard has a fault of its own."""
    caplog.set_level(logging.WARNING)
    paths = place(tmp_path, kind, handmade, [content for content, _, _ in FAULTS.values()])
    expected = [10 * index + k for index, (_, left, _) in enumerate(FAULTS.values()) for k in left]
    reader = kind.reader(tmp_path, "train", on_corrupt="skip")
    assert evaluated(reader, kind) == expected
    size = len(expected)
    stream = trained(reader, kind, 2 * size)
    assert sorted(stream[:size]) == sorted(stream[size:]) == expected
    lost_files = [
        path
        for path, (content, left, _) in zip(paths, FAULTS.values(), strict=True)
        if not left and (content is not None or kind.lists_shards)
    ]
    lost_records = {
        path: RECORDS_PER_SHARD - len(left)
        for path, (_, left, _) in zip(paths, FAULTS.values(), strict=True)
        if left and len(left) < RECORDS_PER_SHARD
    }
    assert reader.files.skipped == (sum(lost_records.values()), len(lost_files))
    messages = [record.getMessage() for record in caplog.records if record.name == "simone_tf.data.tfrecords.left_out"]
    named = sorted(message.split(":")[0].split(" is left out")[0] for message in messages)
    assert named == sorted([*lost_files, *lost_records])  # Each once.
    # A fresh reader knows nothing of what the first one has met.
    fresh = kind.reader(tmp_path, "train", on_corrupt="skip")
    assert trained(fresh, kind, size - 5, start_step=size + 5) == stream[size + 5 :]


@kinds
@pytest.mark.parametrize("fault", FAULTS)
def test_raise_names_the_file_and_the_record(tmp_path, handmade, kind, fault):
    content, left, words = FAULTS[fault]
    path = place(tmp_path, kind, handmade, [SOUND, content])[1]
    reader = kind.reader(tmp_path, "train")
    if words is None or (content is None and not kind.lists_shards):
        assert evaluated(reader, kind) == [0, 1, 2, *(10 + k for k in left)]
        return
    with pytest.raises((UserError, *DATA_ERRORS)) as raised:
        trained(reader, kind, 13)
    error = raised.value
    if not isinstance(error, UserError):
        error = explain_data_error(error, reader, num_frames=kind.frames)
    assert isinstance(error, UserError)
    assert all(part in str(error) for part in os.path.split(path))
    assert "\n" not in str(error)
    assert re.search(words, str(error))


@kinds
@pytest.mark.parametrize("fault", ["no TFRecord", "another schema", "damaged payload"])
def test_a_split_without_one_good_record_is_one_error(tmp_path, handmade, kind, fault):
    bad = {
        "no TFRecord": b"text" * 30,
        "another schema": frame(handmade.example({"pixels": b".."})) * 3,
        "damaged payload": flip(frame(kind.record(handmade, 1)), 40),
    }[fault]
    place(tmp_path, kind, handmade, [lambda k, h, r: h.compress(bad, k.compression)] * 2)
    for read in (
        lambda r: evaluated(r, kind),
        lambda r: trained(r, kind, 3),
        lambda r: trained(r, kind, 3, start_step=2),
    ):
        with pytest.raises(UserError, match="no record that can be used") as caught:
            read(kind.reader(tmp_path, "train", on_corrupt="skip"))
        assert str(tmp_path) in str(caught.value)


@kinds
def test_a_compressed_file_that_is_cut_keeps_what_inflates(tmp_path, handmade, kind):
    rng = np.random.default_rng(0)
    records = [kind.record(handmade, k, noise=rng.bytes(2000 * (k == 1))) for k in range(3)]
    whole = handmade.compress(b"".join(map(frame, records)), "ZLIB")
    cut = whole[: whole.index(records[1][-1500:-1000]) + 400] if records[1][-1500:-1000] in whole else whole[:-60]
    inflated = zlib.decompressobj().decompress(cut)
    left = [k for k in range(3) if sum(len(r) + 16 for r in records[: k + 1]) <= len(inflated)]
    assert len(left) < 3
    place(tmp_path, kind, handmade, [lambda k, h, r: cut, SOUND])
    reader = kind.reader(tmp_path, "train", on_corrupt="skip")
    assert evaluated(reader, kind) == [*left, 10, 11, 12]
    assert sum(reader.files.skipped) == 1


def test_shards_that_vanish_do_not_hang_and_the_last_one_ends_it(tmp_path, handmade):
    kind = FORMATS[0]
    paths = place(tmp_path, kind, handmade, [SOUND] * 3)
    reader = kind.reader(tmp_path, "train", on_corrupt="skip")
    batches = iter(training_batches(reader, batch_size=1, num_frames=2, seed=0, shuffle_buffer=1))
    next(batches)
    os.remove(paths[0])
    for _ in range(30):
        next(batches)
    for path in paths[1:]:
        os.remove(path)
    with pytest.raises(DATA_ERRORS) as raised:
        collections.deque(itertools.islice(batches, 200), maxlen=0)
    assert "no record that can be used" in str(explain_data_error(raised.value, reader))


def test_clips_of_another_size_are_left_out(tmp_path, handmade):
    kind = FORMATS[0]
    small = handmade.png(np.full((2, 1, 3), 99, np.uint8))
    changed = kind.record(handmade, 99, shape=[2, 1, 1], video=[small])
    place(tmp_path, kind, handmade, [SOUND, middle_changed(lambda k, h, r: frame(changed))])
    reader = kind.reader(tmp_path, "train", on_corrupt="skip")
    assert evaluated(reader, kind) == [0, 1, 2, 10, 12]
    assert sorted(trained(reader, kind, 5, cache="memory")) == [0, 1, 2, 10, 12]
    assert reader.files.skipped == (1, 0)


@pytest.mark.parametrize("num_pipelines", [2, 4])
def test_pipelines_share_what_is_left(tmp_path, handmade, num_pipelines):
    kind = FORMATS[0]
    place(tmp_path, kind, handmade, [SOUND, FAULTS["damaged payload"][0], SOUND])
    found = []
    for pipeline in range(num_pipelines):
        reader = kind.reader(tmp_path, "train", on_corrupt="skip")
        found += set(trained(reader, kind, 24, num_input_pipelines=num_pipelines, input_pipeline_id=pipeline))
    assert sorted(found) == [0, 1, 2, 10, 12, 20, 21, 22]


def test_other_values_of_on_corrupt_are_refused(tmp_path):
    with pytest.raises(UserError, match='choose "raise" or "skip"'):
        ClipRecords(tmp_path, "train", on_corrupt="ignore")
