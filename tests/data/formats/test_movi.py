import builtins
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from simone_tf.data.formats.movi import MOVi
from simone_tf.data.formats.reader import Attribute
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

import movi_set

FIELDS = (
    "video",
    "segments",
    "camera",
    "object_positions",
    "object_visible",
    "object_moving",
    "object_attributes",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """movi_a of 3 + 2 clips in two shards per split, movi_e of 2 clips, as TensorFlow Datasets writes them."""
    root = tmp_path_factory.mktemp("movi")
    movi_set.write(root, "movi_a", num_shards=2)
    movi_set.write(root, "movi_e", counts=(("train", 2),), most_objects=9)
    return root


@pytest.fixture
def folder(root, tmp_path):
    """A copy of movi_a that a test may damage."""
    return shutil.copytree(root / "movi_a" / "16x16" / "1.0.0", tmp_path / "1.0.0")


def clips(reader, fields=FIELDS):
    return list(reader.files.serialized().map(lambda record: reader.parse(record, fields)))


def original(root, variant, split):
    """The clips as TensorFlow Datasets itself reads them."""
    builder = tfds.builder_from_directory(root / variant / "16x16" / "1.0.0")
    return list(builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator())


@pytest.mark.parametrize(
    ("variant", "split", "most", "columns"),
    [
        ("movi_a", "train", 10, ("shape_label", "size_label", "color_label", "material_label")),
        ("movi_a", "validation", 10, ("shape_label", "size_label", "color_label", "material_label")),
        ("movi_e", "train", 23, ("category", "scale", "is_dynamic")),
    ],
)
def test_clips_are_those_that_tensorflow_datasets_reads(root, variant, split, most, columns):
    reader = MOVi(root, split, name=variant, resolution="16x16")
    assert reader.fields == FIELDS
    assert reader.max_objects == most
    assert tuple(column.name for column in reader.attributes) == columns
    expected = original(root, variant, split)
    found = clips(reader)
    assert len(found) == len(expected) == sum(reader.files.count(shard) for shard in reader.files.shards())
    moving = visible = hidden = 0
    for clip, theirs in zip(found, expected, strict=True):
        assert set(clip) == set(FIELDS)
        instances, camera = theirs["instances"], theirs["camera"]
        count = theirs["metadata"]["num_instances"]
        np.testing.assert_array_equal(clip["video"], theirs["video"])
        np.testing.assert_array_equal(clip["segments"], theirs["segmentations"][..., 0])
        np.testing.assert_array_equal(clip["camera"][:, :3], camera["positions"])
        np.testing.assert_array_equal(clip["camera"][:, 3:], camera["quaternions"])
        assert clip["object_positions"].shape == (24, most, 3)
        assert clip["object_visible"].shape == (24, most)
        assert clip["object_moving"].shape == (most,)
        assert clip["object_attributes"].shape == (most, len(columns))
        for k in range(count):
            np.testing.assert_array_equal(clip["object_positions"][:, k], instances["positions"][k])
            np.testing.assert_array_equal(clip["object_visible"][:, k], instances["visibility"][k] > 0)
            assert bool(clip["object_moving"][k]) == bool(k % 2)  # As the set was made.
            for column, name in enumerate(columns):
                assert float(clip["object_attributes"][k, column]) == np.float32(instances[name][k])
        for name in ("object_moving", "object_attributes"):
            assert not clip[name][count:].numpy().any()
        for name in ("object_positions", "object_visible"):
            assert not clip[name][:, count:].numpy().any()
        moving += int(clip["object_moving"].numpy().sum())
        visible += int(clip["object_visible"].numpy()[:, :count].sum())
        hidden += int((~clip["object_visible"].numpy()[:, :count]).sum())
    assert moving
    assert visible
    assert hidden


def test_numbers_of_objects_differ_within_the_set(root):
    counts = {int(theirs["metadata"]["num_instances"]) for theirs in original(root, "movi_a", "train")}
    assert len(counts) > 1


def test_attributes_name_their_values(root):
    labels = MOVi(root, "train", name="movi_a", resolution="16x16").attributes
    assert labels[0] == Attribute("shape_label", ("cube", "cylinder", "sphere"))
    assert labels[2] == Attribute("color_label", movi_set.COLOURS)
    assert MOVi(root, "train", name="movi_e", resolution="16x16").attributes == (
        Attribute("category", movi_set.CATEGORIES),
        Attribute("scale"),
        Attribute("is_dynamic"),
    )


@pytest.mark.parametrize(
    ("below", "arguments"),
    [
        ("", {"name": "movi_a", "resolution": "16x16"}),
        ("movi_a", {"resolution": "16x16"}),
        ("movi_a/16x16", {}),
        ("movi_a/16x16/1.0.0", {}),
        ("movi_a/16x16/1.0.0", {"name": "movi_a", "resolution": "128x128"}),
    ],
)
def test_the_folder_of_the_set_or_one_above_it_will_do(root, below, arguments):
    reader = MOVi(root / below, "train", **arguments)
    assert reader.clip_shape() == (24, 16, 16)
    assert [reader.files.known_count(shard) for shard in reader.files.shards()] == [2, 1]


def test_batches_and_another_size(root):
    reader = MOVi(root, "train", name="movi_a", resolution="16x16", resize=(8, 8))
    batch = next(iter(training_batches(reader, batch_size=2, num_frames=16, seed=0, fields=FIELDS)))
    assert batch["video"].shape == (2, 16, 8, 8, 3)
    assert batch["object_positions"].shape == (2, 16, 10, 3)
    batches = list(evaluation_batches(reader, batch_size=2, num_frames=24))
    assert [batch["clip_mask"].numpy().tolist() for batch in batches] == [[True, True], [True, False]]
    theirs = original(root, "movi_a", "train")[0]["video"].reshape(24, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    assert np.abs(batches[0]["video"][0].numpy() * 255 - theirs).max() <= 0.5 + 1e-4


def test_optical_flow_depth_and_normals_are_not_parsed(root, handmade):
    """A record that has them in another type than the set's is read all the same, as long as nobody asks for them."""
    reader = MOVi(root, "train", name="movi_a", resolution="16x16")
    record = tf.train.Example.FromString(reader.first_record().numpy())
    for name in ("forward_flow", "backward_flow", "depth", "normal", "object_coordinates"):
        assert name in record.features.feature
        record.features.feature[name].CopyFrom(tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])))
    for name in ("segmentations", "instances/positions", "camera/positions"):
        del record.features.feature[name]
    clip = reader.parse(tf.constant(record.SerializeToString()), ("video",))
    np.testing.assert_array_equal(clip["video"], reader.first_clip(("video",))["video"])
    with pytest.raises(tf.errors.InvalidArgumentError):
        reader.parse(tf.constant(record.SerializeToString()), ("video", "segments"))


def test_a_graph_that_is_the_first_to_look(root):
    """Metadata is read lazily, also while a function is traced."""
    record = MOVi(root, "train", name="movi_a", resolution="16x16").first_record()
    reader = MOVi(root, "train", name="movi_a", resolution="16x16")
    clip = tf.function(lambda r: reader.parse(r, FIELDS))(record)
    assert clip["object_attributes"].shape == (10, 4)
    assert reader.clip_shape() == (24, 16, 16)


def test_more_objects_than_asked_for_are_an_error_with_the_way_out(root):
    counts = [int(theirs["metadata"]["num_instances"]) for theirs in original(root, "movi_a", "train")]
    reader = MOVi(root, "train", name="movi_a", resolution="16x16", max_objects=counts[0] - 1)
    assert reader.first_clip(("video", "segments"))["video"].shape[0] == 24
    with pytest.raises(UserError, match=f"more objects than max_objects = {counts[0] - 1}: raise it to") as caught:
        reader.first_clip(("object_positions",))
    assert "\n" not in str(caught.value)
    most = MOVi(root, "train", name="movi_a", resolution="16x16", max_objects=max(counts))
    assert max(counts) > counts[0]
    assert len(clips(most)) == 3
    fewer = MOVi(root, "train", name="movi_a", resolution="16x16", max_objects=max(counts) - 1)
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        clips(fewer)
    explained = explain_data_error(raised.value, fewer, FIELDS)
    assert f"record {counts.index(max(counts))} " in str(explained) or "record 0 " in str(explained)
    assert "raise it to" in str(explained)


def test_a_number_of_objects_below_one_is_refused():
    with pytest.raises(UserError, match=r"MOVi\.max_objects is 0"):
        MOVi("unused", "train", max_objects=0)


def test_without_the_metadata_the_bucket_is_named(tmp_path):
    with pytest.raises(UserError) as caught:
        MOVi(tmp_path, "train", name="movi_e", stand_in="make --out={data_dir}").clip_shape()
    message = str(caught.value)
    for word in ("features.json", "gs://kubric-public/tfds/movi_e/128x128/1.0.0", f"make --out={tmp_path}"):
        assert word in message


def test_the_folder_above_the_variants_needs_to_know_which(root):
    with pytest.raises(UserError, match=r"set MOVi\.name = 'movi_a' .* where it is .*/movi_a/16x16/1\.0\.0"):
        MOVi(root, "train", resolution="16x16").clip_shape()


def test_a_bucket_of_an_unknown_kind_is_one_sentence():
    with pytest.raises(UserError, match=r"unheard://kubric cannot be looked into .*: copy the set to a local folder"):
        MOVi("unheard://kubric", "train", name="movi_a").clip_shape()


def test_what_is_damaged_can_be_left_out(folder):
    shard = folder / "movi_a-train.tfrecord-00000-of-00002"
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1  # In the last record.
    shard.write_bytes(content)
    (folder / "movi_a-train.tfrecord-00001-of-00002").unlink()
    reader = MOVi(folder, "train", on_corrupt="skip")
    assert len(clips(reader)) == 1


def test_another_variant_in_the_folder_is_refused(root):
    with pytest.raises(UserError, match=r"holds movi_e, but MOVi.name is 'movi_a': set name = 'movi_e'"):
        MOVi(root / "movi_e" / "16x16" / "1.0.0", "train", name="movi_a").clip_shape()


def test_a_split_that_the_set_lacks_is_refused(root):
    with pytest.raises(UserError, match=r"dataset_info.json has no split 'test', only train, validation"):
        MOVi(root, "test", name="movi_a", resolution="16x16").clip_shape()


def test_missing_shards_are_named(folder):
    lost = folder / "movi_a-train.tfrecord-00001-of-00002"
    lost.unlink()
    with pytest.raises(UserError, match=f"lacks {lost.name}, which its dataset_info.json lists for split 'train'"):
        MOVi(folder, "train").clip_shape()
    (folder / "movi_a-train.tfrecord-00000-of-00002").unlink()
    with pytest.raises(UserError, match=r"No movi_a-train.tfrecord-NNNNN-of-NNNNN in"):
        MOVi(folder, "train").clip_shape()


def test_another_dataset_of_tensorflow_datasets_is_refused(tmp_path):
    tfds.dataset_builders.store_as_tfds_dataset(
        name="digits",
        version="1.0.0",
        features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(4, 4, 1)), "label": np.int64}),
        split_datasets={"train": [(0, {"image": np.zeros((4, 4, 1), np.uint8), "label": 3})]},
        data_dir=tmp_path,
    )
    with pytest.raises(UserError, match=r"features.json describes digits, which has no 'video'"):
        MOVi(tmp_path / "digits" / "1.0.0", "train").clip_shape()


METADATA_FAULTS = {
    "no JSON": ("features.json", lambda text: "{" + text, "is not readable JSON"),
    "no text": ("features.json", lambda text: "\udcff", "is not readable JSON"),
    "empty": ("features.json", lambda text: "", "is not readable JSON"),
    "a list": ("features.json", lambda text: "[]", "is no set that TensorFlow Datasets can read"),
    "a module to import": (
        "features.json",
        lambda text: text.replace("tensorflow_datasets.core.features.video_feature.Video", "antigravity.Video"),
        r"names the Python class 'antigravity.Video'",
    ),
    "huge": ("features.json", lambda text: text.replace('"24"', '"2400000000"'), "more than 134217728 pixels"),
    "info of no JSON": ("dataset_info.json", lambda text: "?", "is not readable JSON"),
    "info of another kind": ("dataset_info.json", lambda text: '{"a": 1}', "is no set that TensorFlow Datasets can"),
}


@pytest.mark.parametrize(("name", "change", "words"), METADATA_FAULTS.values(), ids=METADATA_FAULTS.keys())
def test_damaged_metadata_is_one_sentence(folder, name, change, words):
    path = folder / name
    path.write_bytes(change(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=words) as caught:
        MOVi(folder, "train").first_clip(("video",))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_without_labels_or_instances_gives_what_is_left(folder):
    path = folder / "features.json"
    content = json.loads(path.read_text())
    features = content["featuresDict"]["features"]
    instances = features["instances"]["sequence"]["feature"]["featuresDict"]["features"]
    for name in ("visibility", "size_label"):
        del instances[name]
    (folder / "instances-shape_label.labels.txt").unlink()
    path.write_text(json.dumps(content))
    reader = MOVi(folder, "train")
    assert reader.fields == tuple(field for field in FIELDS if field != "object_visible")
    assert reader.attributes[0] == Attribute("shape_label", ("0", "1", "2"))
    assert clips(reader, reader.fields)[0]["object_attributes"].shape == (10, 3)
    for name in ("instances", "camera"):
        del features[name]
    path.write_text(json.dumps(content))
    assert MOVi(folder, "train").fields == ("video", "segments")


def test_pictures_of_other_sizes_than_the_metadata_claims_are_refused_unread(folder, handmade):
    shard = folder / "movi_a-train.tfrecord-00000-of-00002"
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    huge = handmade.png(np.zeros((16, 16, 3), np.uint8), (60000, 60000))
    for pictures in ([huge] * 24, [handmade.png(np.zeros((8, 16, 3), np.uint8))] * 24, [b"no picture"] * 24, [huge]):
        changed = tf.train.Example.FromString(records[1])
        changed.features.feature["video"].bytes_list.value[:] = pictures
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for record in (records[0], changed.SerializeToString()):
                writer.write(record)
        reader = MOVi(folder, "train")
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            clips(reader, ("video",))
        assert f"{shard}: record 1 is not a record of MOVi" in str(explain_data_error(raised.value, reader))


def test_nothing_is_written_and_no_bucket_is_asked(folder, tmp_path, monkeypatch):
    from tensorflow_datasets.core.utils import gcs_utils

    def refuse(*_):
        raise AssertionError("asked for a bucket")

    for name in ("exists", "gcs_path"):
        monkeypatch.setattr(gcs_utils, name, refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert len(clips(MOVi(folder, "train"))) == 3
    with pytest.raises(UserError):
        MOVi(tmp_path / "absent", "train", name="movi_a").clip_shape()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert not os.path.exists(tmp_path / "home")


def test_a_missing_package_is_named_with_its_extra(folder, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("tensorflow_datasets"):
            raise ImportError("No module named 'tensorflow_datasets'")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'simone_tf\[movi\]'"):
        MOVi(folder, "train").clip_shape()
