import json
import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.data.clip import DTYPES, FIELDS
from simone_tf.data.formats import records
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.sidecar import read_sidecar, write_sidecar
from simone_tf.data.formats.write_records import encode_clip, shard_name, write_shard
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError, first_line

from random_clips import make_clip


def assert_same(parsed, clip):
    assert set(parsed) == set(clip)
    for name, value in clip.items():
        assert parsed[name].dtype == (tf.uint8 if name == "video" else DTYPES[name])
        np.testing.assert_array_equal(parsed[name], value.astype(parsed[name].dtype.as_numpy_dtype), err_msg=name)


@given(
    frames=st.integers(1, 5),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    objects=st.integers(0, 4),
    cameras=st.integers(1, 8),
    highest=st.sampled_from([0, 1, 255, 256, 65535]),
    optional=st.sets(st.sampled_from(FIELDS[1:])),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_round_trip_of_any_fields(frames, height, width, objects, cameras, highest, optional, seed):
    fields = ("video", *sorted(optional))
    clip = make_clip(np.random.default_rng(seed), frames, height, width, objects, cameras, fields, highest)
    parsed = ClipRecords("unused", "train").parse(tf.constant(encode_clip(clip)), fields)
    assert_same(parsed, clip)


def test_graph_code_parses_only_what_is_asked():
    clip = make_clip(np.random.default_rng(0))
    example = tf.train.Example.FromString(encode_clip(clip))
    example.features.feature["segments"].bytes_list.value[0] = b"damaged"
    reader = ClipRecords("unused", "train")
    dataset = tf.data.Dataset.from_tensors(example.SerializeToString())
    (parsed,) = dataset.map(lambda record: reader.parse(record, ("video", "camera")))
    assert_same(parsed, {name: clip[name] for name in ("video", "camera")})
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(dataset.map(lambda record: reader.parse(record, ("segments",))))


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_shards_on_disk(tmp_path, compression):
    rng = np.random.default_rng(1)
    clips = [make_clip(rng) for _ in range(5)]
    assert write_shard(tmp_path / "set" / shard_name("train", 0, 2), clips[:3], compression) == 3
    assert write_shard(tmp_path / "set" / shard_name("train", 1, 2), iter(clips[3:]), compression) == 2
    assert sorted(os.listdir(tmp_path / "set")) == ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    reader = ClipRecords(tmp_path / "set", "train")
    assert reader.fields == FIELDS
    assert reader.clip_shape() == (4, 6, 5)
    assert [reader.files.count(shard) for shard in reader.files.shards()] == [3, 2]
    for record, clip in zip(reader.files.serialized(), clips, strict=True):
        assert_same(reader.parse(record, FIELDS), clip)


def handmade_features(handmade, frames_per_image=2):
    video = np.arange(4 * 3 * 2 * 3, dtype=np.uint8).reshape(4, 3, 2, 3)
    segments = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)
    tall = frames_per_image * 3
    features = {
        "schema_version": [1],
        "shape": [4, 3, 2],
        "frames_per_image": [frames_per_image],
        "video": [handmade.png(strip) for strip in video.reshape(-1, tall, 2, 3)],
        "segments": [handmade.png(strip) for strip in segments.reshape(-1, tall, 2)],
        "camera_width": [2],
        "camera": np.arange(8, dtype=np.float32),
        "num_objects": [1],
        "object_positions": np.arange(12, dtype=np.float32),
        "object_visible": [1, 0, 0, 1],
        "object_moving": [1],
        "attribute_width": [2],
        "object_attributes": np.array([5, 0.25], np.float32),
    }
    clip = {
        "video": video,
        "segments": segments,
        "camera": np.arange(8).reshape(4, 2),
        "object_positions": np.arange(12).reshape(4, 1, 3),
        "object_visible": np.array([[True], [False], [False], [True]]),
        "object_moving": np.array([True]),
        "object_attributes": np.array([[5, 0.25]]),
    }
    return features, clip


@pytest.mark.parametrize("frames_per_image", [1, 2, 4])
def test_a_file_written_byte_by_byte_after_the_documentation_is_read(tmp_path, handmade, frames_per_image):
    features, clip = handmade_features(handmade, frames_per_image)
    (tmp_path / "test-00000-of-00001.tfrecord").write_bytes(handmade.frame(handmade.example(features)))
    reader = ClipRecords(tmp_path, "test")
    assert reader.fields == FIELDS
    assert_same(reader.first_clip(FIELDS), clip)


HOSTILE = {
    "2^31 elements": {"shape": [2**10, 2**11, 2**10]},
    "product beyond 64 bits": {"shape": [2**27, 2**27, 2**27]},
    "product wraps to its truth": {"shape": [2**32 + 4, 3, 2]},
    "greatest numbers": {"shape": [2**63 - 1, 2**63 - 1, 2**63 - 1]},
    "zero": {"shape": [0, 3, 2]},
    "negative": {"shape": [-4, -3, 2]},
    "two numbers": {"shape": [4, 3]},
    "frames per image": {"frames_per_image": [3]},
    "huge frames per image": {"frames_per_image": [2**62]},
    "zero frames per image": {"frames_per_image": [0]},
    "other picture size": {"shape": [4, 2, 3]},
    "bytes for a number": {"shape": b"4"},
    "camera width": {"camera_width": [2**31]},
    "negative camera width": {"camera_width": [-3]},
    "objects": {"num_objects": [2**40]},
    "camera too short": {"camera": np.zeros(7, np.float32)},
    "no pictures": {"video": []},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_sizes_are_refused_with_the_files_name(tmp_path, handmade, change):
    features, _ = handmade_features(handmade)
    path = tmp_path / "test-00000-of-00001.tfrecord"
    path.write_bytes(handmade.frame(handmade.example(features | change)))
    with pytest.raises(
        UserError, match=r"test-00000-of-00001\.tfrecord: record 0 is not a record of ClipRecords"
    ) as caught:
        ClipRecords(tmp_path, "test").first_clip(FIELDS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [[1, 2**14, 2**14], [2**13, 2**7, 2**8], [2**28, 1, 1]])
def test_more_pixels_than_a_clip_may_have_are_refused_before_decoding(tmp_path, handmade, shape):
    """Also where picture and `shape` agree: a few bytes of a PNG can claim gigabytes."""
    frames, height, width = shape
    picture = handmade.png(np.zeros((2, 2, 3), np.uint8), claimed_size=(width, frames * height))
    features = {"schema_version": [1], "shape": shape, "frames_per_image": [frames], "video": [picture]}
    path = tmp_path / "test-00000-of-00001.tfrecord"
    path.write_bytes(handmade.frame(handmade.example(features)))
    with pytest.raises(UserError, match="shape is beyond what can be read"):
        ClipRecords(tmp_path, "test").clip_shape()


def test_hostile_sizes_in_a_later_record_are_traced_to_the_file(tmp_path, handmade):
    features, _ = handmade_features(handmade)
    bad = features | {"shape": [2**10, 2**11, 2**10]}
    path = tmp_path / "test-00000-of-00001.tfrecord"
    path.write_bytes(handmade.frame(handmade.example(features)) + handmade.frame(handmade.example(bad)))
    reader = ClipRecords(tmp_path, "test")
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        list(reader.files.serialized().map(lambda record: reader.parse(record, ("video",))))
    explained = str(explain_data_error(raised.value, reader))
    assert f"{path}: record 1 is not a record of ClipRecords" in explained


def test_a_newer_schema_is_refused(tmp_path, handmade):
    features, _ = handmade_features(handmade)
    path = tmp_path / "test-00000-of-00001.tfrecord"
    path.write_bytes(handmade.frame(handmade.example(features | {"schema_version": [2]})))
    for ask in (lambda r: r.fields, lambda r: r.clip_shape(), lambda r: r.first_clip(("camera",))):
        with pytest.raises(UserError, match="has schema_version 2, this program reads up to 1") as caught:
            ask(ClipRecords(tmp_path, "test"))
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["tetrominoes_mini.tfrecords", "sketchy_without_pictures.tfrecords"])
def test_real_files_of_another_schema_are_refused(tmp_path, name):
    foreign = os.path.join(os.path.dirname(os.path.dirname(__file__)), "files", name)
    os.symlink(foreign, tmp_path / "train-00000-of-00001.tfrecord")
    with pytest.raises(UserError, match="has no feature schema_version") as caught:
        ClipRecords(tmp_path, "train").clip_shape()
    assert "train-00000-of-00001.tfrecord" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clip_without_segments_says_so(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [make_clip(np.random.default_rng(0), fields=("video",))])
    reader = ClipRecords(tmp_path, "train")
    assert reader.fields == ("video",)
    with pytest.raises(UserError, match="has no segments: it has video"):
        reader.first_clip(("video", "segments"))


def test_sidecar_merges_splits_and_tells_counts(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 1), [make_clip(np.random.default_rng(0))])
    write_sidecar(tmp_path, "test", {"num_clips": 1})
    write_sidecar(tmp_path, "train", {"num_clips": 9})
    write_sidecar(tmp_path, "train", {"num_clips": 1, "shards": {shard_name("train", 0, 1): 77}})
    assert read_sidecar(tmp_path) == {
        "schema_version": 1,
        "splits": {
            "test": {"num_clips": 1},
            "train": {"num_clips": 1, "shards": {"train-00000-of-00001.tfrecord": 77}},
        },
    }
    reader = ClipRecords(tmp_path, "train")
    assert reader.files.count(reader.files.shards()[0]) == 77  # Told, not counted.
    assert sorted(os.listdir(tmp_path)) == ["dataset.json", "train-00000-of-00001.tfrecord"]


def test_a_shard_that_the_sidecar_lists_and_the_folder_lacks_is_named(tmp_path):
    write_shard(tmp_path / shard_name("train", 0, 2), [make_clip(np.random.default_rng(0))])
    write_sidecar(tmp_path, "train", {"shards": {shard_name("train", i, 2): 1 for i in range(2)}})
    with pytest.raises(UserError, match=r"lacks train-00001-of-00002\.tfrecord"):
        ClipRecords(tmp_path, "train").files.shards()


WRONG_SIDECARS = {
    "no JSON": ("{", "not readable JSON"),
    "no object": ("[]", "no object 'splits'"),
    "no splits": ('{"schema_version": 1}', "no object 'splits'"),
    "split is a list": ('{"schema_version": 1, "splits": {"train": []}}', "no object 'splits'"),
    "newer": ('{"schema_version": 2, "splits": {}}', "schema_version 2"),
    "no version": ('{"splits": {}}', "schema_version None"),
    "too deep": ("[" * 100_000, "not readable JSON"),
    "not text": ("\x00\ud800", "not readable JSON"),
    "too long": (" " * 2**24 + "{}", "more than"),
}


@pytest.mark.parametrize(("content", "words"), WRONG_SIDECARS.values(), ids=WRONG_SIDECARS.keys())
def test_a_wrong_sidecar_is_refused_and_kept(tmp_path, content, words):
    path = tmp_path / "dataset.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    before = path.read_bytes()
    with pytest.raises(UserError, match=words) as caught:
        write_sidecar(tmp_path, "train", {})
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["d[1]", "back\\slash", "st*r?", "{a,b}/below"])
def test_a_set_in_a_folder_of_any_name(tmp_path, name):
    """Its neighbour, which the name would mean if it were a pattern, holds another clip."""
    clips = [make_clip(np.random.default_rng(seed)) for seed in (0, 1)]
    for folder, clip in zip((tmp_path / name, tmp_path / "d1"), clips, strict=True):
        write_shard(folder / shard_name("train", 0, 1), [clip])
        write_sidecar(folder, "train", {"num_clips": 1, "shards": {shard_name("train", 0, 1): 1}})
    reader = ClipRecords(str(tmp_path / name), "train")
    assert list(reader.files.shards()) == [str(tmp_path / name / shard_name("train", 0, 1))]
    assert [reader.files.count(shard) for shard in reader.files.shards()] == [1]
    (record,) = reader.files.serialized()
    np.testing.assert_array_equal(reader.parse(record, ("video",))["video"], clips[0]["video"])


def test_a_sidecar_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    write_sidecar(tmp_path, "train", {})

    def refuse(file, size):
        raise tf.errors.PermissionDeniedError(None, None, f"{file.name}; Permission denied")

    monkeypatch.setattr(tf.io.gfile.GFile, "read", refuse)
    with pytest.raises(UserError, match=r"dataset\.json cannot be read \(.*Permission denied\): check its permissions"):
        read_sidecar(tmp_path)


@pytest.mark.parametrize("shards", [[], {"a": "many"}, {"a": -1}])
def test_wrong_counts_in_a_sidecar_are_refused(tmp_path, shards):
    write_shard(tmp_path / shard_name("train", 0, 1), [make_clip(np.random.default_rng(0))])
    write_sidecar(tmp_path, "train", {"shards": shards})
    if shards == []:
        assert json.loads((tmp_path / "dataset.json").read_text())["splits"]["train"]["shards"] == []
    with pytest.raises(UserError, match="clip counts"):
        ClipRecords(tmp_path, "train").files.shards()


def test_a_shipped_set_is_found_in_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "__file__", str(tmp_path / "formats" / "records.py"))
    write_shard(tmp_path / "embedded" / "tiny" / shard_name("train", 0, 1), [make_clip(np.random.default_rng(0))])
    assert ClipRecords("package:tiny", "train").clip_shape() == (4, 6, 5)
    for name in ("other", "../tiny", ""):
        with pytest.raises(UserError, match="use one of package:tiny"):
            ClipRecords(f"package:{name}", "train")


@pytest.mark.parametrize("name", ["num_objects", "camera_width", "attribute_width"])
def test_a_negative_size_is_refused(name):
    example = tf.train.Example.FromString(encode_clip(make_clip(np.random.default_rng(0))))
    example.features.feature[name].int64_list.value[0] = -1
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} is negative"):
        ClipRecords("unused", "train").parse(tf.constant(example.SerializeToString()), FIELDS)


SENTENCES = {
    "too few camera numbers": ("camera", "float_list", 7, "camera has another number of values than its sizes say"),
    "one flag too many": ("object_moving", "int64_list", 2, "found, and wanted: 2, 1"),
    "no positions": ("object_positions", "float_list", 0, "found, and wanted: 0, 12"),
    "no frames in a picture": (
        "frames_per_image",
        "int64_list",
        0,
        "video has other pictures than its frames need; pictures, frames in each, and frames found: 1, 0, 4",
    ),
    "more frames than there are": ("frames_per_image", "int64_list", 8, "frames found: 1, 8, 4"),
    "a newer shape": ("shape", "int64_list", -4, "shape is beyond what can be read: 1, -4 6 5"),
}


@pytest.mark.parametrize(("name", "kind", "wrong", "words"), SENTENCES.values(), ids=SENTENCES.keys())
def test_what_is_wrong_with_a_record_is_told_with_what_was_found(tmp_path, name, kind, wrong, words):
    example = tf.train.Example.FromString(encode_clip(make_clip(np.random.default_rng(0), objects=1)))
    values = getattr(example.features.feature[name], kind).value
    if name in ("frames_per_image", "shape"):
        values[0] = wrong
    else:
        kept = [*values, 0][:wrong]
        del values[:]
        values.extend(kept)
    path = tmp_path / shard_name("train", 0, 1)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    reader = ClipRecords(tmp_path, "train")
    with pytest.raises(UserError) as outside:
        reader.first_clip(FIELDS)
    with pytest.raises(tf.errors.InvalidArgumentError) as inside:
        tf.function(lambda record: reader.parse(record, FIELDS))(tf.constant(example.SerializeToString()))
    assert str(outside.value).startswith(f"{path}: record 0 is not a record of ClipRecords (")
    for sentence in (str(outside.value), first_line(inside.value)):
        assert words in sentence.replace("[", "").replace("]", "")
        assert "tf.Tensor" not in sentence
        assert "Expected" not in sentence


def test_a_sidecar_that_is_not_there_itself_is_not_called_broken(tmp_path, monkeypatch):
    path = tmp_path / "dataset.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    with pytest.raises(UserError) as raised:
        read_sidecar(tmp_path)
    assert str(raised.value) == f"{path}: it is a Git LFS pointer, not the file itself: run git lfs pull."
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError) as raised:
        read_sidecar(tmp_path)
    assert str(raised.value) == f"{path} cannot be read (Is a directory): check its permissions."
