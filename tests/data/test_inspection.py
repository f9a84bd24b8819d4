import json
import os

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.sidecar import write_sidecar
from simone_tf.data.formats.write_records import encode_clip, shard_name, write_shard
from simone_tf.data.inspection import find_sets, inspect_set
from simone_tf.errors import UserError


def clip(seed, objects=2, frames=2):
    rng = np.random.default_rng(seed)
    segments = np.zeros((frames, 4, 4), np.int32)
    segments[:, 0, :objects] = np.arange(1, objects + 1)
    return {
        "video": rng.integers(10, 200, (frames, 4, 4, 3), np.uint8),
        "segments": segments,
        "camera": np.full((frames, 2), seed, np.float32),
    }


def write(path, clips, compression=""):
    """Writes clips and returns where each record begins, of the content before compression."""
    starts, position = [], 0
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for each in clips:
            record = each if isinstance(each, bytes) else encode_clip(each)
            writer.write(record)
            starts.append(position)
            position += len(record) + 16
    return [*starts, position]


def inspect(path, **options):
    ((name, paths),) = find_sets(str(path)).items()
    return inspect_set(name, paths, **options)


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_a_whole_set(tmp_path, compression):
    clips = [clip(seed, objects) for seed, objects in enumerate((2, 0, 3))]
    for index in range(2):
        write(tmp_path / shard_name("train", index, 2), clips, compression)
    report = inspect(tmp_path)
    assert (report.format, report.split) == ("ClipRecords", "train")
    assert [(file.records, file.is_complete, file.compression) for file in report.files] == [(3, True, compression)] * 2
    assert report.clips == 6
    video = np.stack([each["video"] for each in clips])
    assert report.fields["video"].shapes == [[2, 4, 4, 3]]
    assert (report.fields["video"].least, report.fields["video"].greatest) == (video.min(), video.max())
    assert (report.fields["camera"].least, report.fields["camera"].greatest) == (0, 2)
    assert report.objects == (0, 3)
    assert report.absent_fields == ["object_positions", "object_visible", "object_moving", "object_attributes"]
    assert report.all_faults() == []
    assert len(report.samples) == 4
    np.testing.assert_array_equal(report.samples[2]["segments"], clips[2]["segments"])
    assert json.loads(json.dumps(report.to_json()))["features"]["video"]["kind"] == "bytes"


@pytest.mark.parametrize("compression", ["", "ZLIB"])
@pytest.mark.parametrize("damaged", [1, 2])
def test_the_first_damaged_record_is_told(tmp_path, compression, damaged):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    starts = write(path, [clip(seed) for seed in range(4)])
    content = bytearray(path.read_bytes())
    content[starts[damaged] + 20] ^= 1
    if compression:
        import zlib

        content = zlib.compress(bytes(content))
    path.write_bytes(content)
    report = inspect(path)
    (file,) = report.files
    assert file.first_corrupt == {"record": damaged, "byte": starts[damaged]}
    assert (file.records, file.lost_records, report.clips) == (3, 1, 3)
    (fault,) = report.all_faults()
    assert f"damaged at record {damaged} (byte {starts[damaged]} " in fault
    assert ("inflated" in fault) == bool(compression)


def test_a_file_that_is_cut_off(tmp_path):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    starts = write(path, [clip(seed) for seed in range(3)])
    path.write_bytes(path.read_bytes()[: starts[2] + 30])
    (file,) = inspect(path).files
    assert file.records == 2
    assert file.first_corrupt == {"record": 2, "byte": starts[2]}
    # Also when reading ends before it.
    (file,) = inspect(path, max_records=1).files
    assert "record 2" in file.fault


def test_reading_ends_where_it_is_told(tmp_path):
    for index in range(3):
        write(tmp_path / shard_name("train", index, 3), [clip(seed) for seed in range(5)], "GZIP" if index else "")
    report = inspect(tmp_path, max_records=2, max_files=2, samples=1)
    assert report.clips == 4
    assert [(file.records, file.is_complete) for file in report.files] == [(5, True), (2, False)]
    assert report.unread_files == 1
    assert len(report.samples) == 1


def test_foreign_records_and_records_that_do_not_parse(tmp_path):
    foreign = tf.train.Example(
        features=tf.train.Features(feature={"a": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))})
    )
    path = tmp_path / "x.tfrecord"
    write(path, [foreign.SerializeToString()])
    report = inspect(path)
    assert report.format is None
    assert report.features["a"][:2] == ("int64", 2)
    write(path, [b"\xff\xfe no example"])
    report = inspect(path)
    assert (report.format, report.features, report.files[0].records) == (None, None, 1)
    write(path, [clip(0), foreign.SerializeToString(), b"\xff\xfe", clip(1)])
    report = inspect(path)
    assert report.clips == 2
    (fault,) = report.faults
    assert "record 1 is not a record of ClipRecords" in fault


def test_shapes_that_differ_and_numbers_that_are_none(tmp_path):
    odd = clip(0, frames=3)
    odd["camera"][0], odd["camera"][1:] = np.nan, 7
    write(tmp_path / "x.tfrecord", [clip(0), odd, odd])
    report = inspect(tmp_path)
    assert report.fields["video"].shapes == [[2, 4, 4, 3], [3, 4, 4, 3]]
    assert (report.fields["camera"].least, report.fields["camera"].greatest) == (0, 7)
    assert report.faults == [f"camera holds numbers that are not finite, first in {tmp_path / 'x.tfrecord'}, record 1."]


def test_the_sidecar_is_compared(tmp_path):
    path = tmp_path / shard_name("train", 0, 2)
    write(path, [clip(0)])
    write_sidecar(tmp_path, "train", {"shards": {path.name: 2}})
    (fault,) = inspect(tmp_path).all_faults()
    assert "has 1 records, dataset.json lists 2" in fault
    write_sidecar(tmp_path, "train", {"shards": {path.name: 1, shard_name("train", 1, 2): 1}})
    (fault,) = inspect(tmp_path).all_faults()
    assert f"lacks {shard_name('train', 1, 2)}" in fault


def test_bad_files_beside_good_ones(tmp_path):
    write(tmp_path / shard_name("train", 0, 3), [clip(0)])
    (tmp_path / shard_name("train", 1, 3)).write_bytes(b"")
    (tmp_path / shard_name("train", 2, 3)).write_bytes(b"no TFRecord at all")
    write_sidecar(tmp_path, "train", {"shards": {shard_name("train", 0, 3): 1}})
    report = inspect(tmp_path)
    assert [file.compression for file in report.files] == ["", None, None]
    assert report.clips == 1
    empty, foreign = (
        report.all_faults()
    )  # each once, though the reader that goes by dataset.json, too, ends at the first
    assert "empty (0 bytes)" in empty
    assert "not a TFRecord file" in foreign


def test_find_sets(tmp_path):
    names = [
        "a-00000-of-00002.tfrecord",
        "a-00001-of-00002.tfrecord",
        "sub/b.tfrecords-00000-of-00100",
        "sub/c.tfrecords",
        "sub/deep/001-of-240.tfrecord",
    ]
    for name in [*names, "readme.txt", ".hidden.tfrecord", ".git/x.tfrecord"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    sets = {os.path.relpath(name, tmp_path): len(paths) for name, paths in find_sets(str(tmp_path)).items()}
    assert sets == {
        "a-NNNNN-of-NNNNN.tfrecord": 2,
        "sub/b.tfrecords-NNNNN-of-NNNNN": 1,
        "sub/c.tfrecords": 1,
        "sub/deep/NNN-of-NNN.tfrecord": 1,
    }
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="holds no TFRecord file"):
        find_sets(str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="does not exist"):
        find_sets(str(tmp_path / "nowhere"))


def test_a_field_without_any_number_is_null_in_json(tmp_path):
    odd = clip(0)
    odd["camera"][:] = np.inf
    write(tmp_path / "x.tfrecord", [odd])
    camera = inspect(tmp_path).to_json()["fields"]["camera"]
    assert (camera["least"], camera["greatest"]) == (None, None)


def test_a_file_whose_first_record_is_damaged_is_read_on(tmp_path):
    path = tmp_path / shard_name("train", 0, 1)
    write_shard(path, [{"video": np.full((2, 4, 4, 3), number, np.uint8)} for number in range(3)])
    content = bytearray(path.read_bytes())
    content[1] ^= 4
    path.write_bytes(content)
    ((name, paths),) = find_sets(str(tmp_path)).items()
    report = inspect_set(name, paths)
    assert report.files[0].records == 2
    assert "damaged at record 0" in report.files[0].fault


def test_a_video_is_sent_to_the_tool_that_imports_it(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_bytes(b"GIF89a" + bytes(50))
    assert "tools/import_video.py" in inspect_set("clip", [str(path)]).files[0].fault


def names_of(total, *numbers):
    return [shard_name("train", number, total) for number in numbers]


def test_missing_shards_are_named(tmp_path):
    for name in names_of(5, 0, 1, 3, 4):
        write(tmp_path / name, [clip(0)])
    report = inspect(tmp_path)
    assert report.missing_files == names_of(5, 2)
    assert report.all_faults() == []
    pattern = tmp_path / "train-NNNNN-of-NNNNN.tfrecord"
    assert report.missing_sentence() == f"{pattern} has 4 of 5 files: {names_of(5, 2)[0]} is missing."
    write(tmp_path / names_of(5, 2)[0], [clip(0)])
    assert (inspect(tmp_path).missing_files, inspect(tmp_path).missing_sentence()) == ([], None)
    # Of one file that was named by itself nobody asked for the others.
    assert inspect(tmp_path / names_of(5, 2)[0]).missing_files == []


def test_two_sets_in_a_folder_are_two_sets(tmp_path):
    for name in (*names_of(2, 0, 1), *names_of(3, 0, 2)):
        write(tmp_path / name, [clip(0)])
    sets = find_sets(str(tmp_path))
    assert {os.path.basename(name): list(map(os.path.basename, paths)) for name, paths in sets.items()} == {
        "train-NNNNN-of-00002.tfrecord": names_of(2, 0, 1),
        "train-NNNNN-of-00003.tfrecord": names_of(3, 0, 2),
    }
    reports = [inspect_set(name, paths) for name, paths in sets.items()]
    for report, lacking in zip(reports, ([], names_of(3, 1)), strict=True):
        assert report.all_faults() == [
            f"{tmp_path} holds shards of 2 different sets for split 'train' (-of-00002 and -of-00003): "
            "move all but one set away."
        ]
        assert report.missing_files == lacking


def test_a_pointer_of_git_lfs_is_called_one(tmp_path):
    path = tmp_path / names_of(1, 0)[0]
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    (fault,) = inspect(tmp_path).all_faults()
    assert fault == f"{path}: it is a Git LFS pointer, not the file itself: run git lfs pull."
