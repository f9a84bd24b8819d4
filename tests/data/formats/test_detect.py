import io
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from simone_tf.data.formats.detect import FeatureSummary, detect_reader, summarize_features
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import encode_clip

FILES = pathlib.Path(__file__).parents[1] / "files"


def example(**features):
    """A serialized Example of lists of bytes, floats or ints; `a__b` stands for the feature a/b."""
    made = {}
    for name, values in features.items():
        kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(values[0])]
        made[name.replace("__", "/")] = tf.train.Feature(
            **{kind: getattr(tf.train, {"b": "BytesList", "f": "FloatList", "i": "Int64List"}[kind[0]])(value=values)}
        )
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def ones(*shape):
    return [b"\1"] * int(np.prod(shape))


def zeros(*shape):
    return [0.0] * int(np.prod(shape))


def jpeg(side):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "JPEG")
    return buffer.getvalue()


def cater(frames=33):
    return example(
        image=[bytes(frames * 64 * 64 * 3)],
        mask=[bytes(11)],
        camera_matrix=zeros(33, 4, 4),
        object_positions=zeros(11, 33, 3),
    )


def sprites(entities, channels):
    factors = {name: zeros(entities) for name in ("x", "y", "shape", "visibility", "orientation", "scale")}
    return example(
        image=ones(64, 64, channels), mask=ones(64, 64, entities, 1), color=zeros(entities, channels), **factors
    )


def clevr():
    codes = {name: ones(11) for name in ("shape", "size", "material", "color")}
    factors = {name: zeros(11) for name in ("x", "y", "z", "rotation", "visibility")}
    return example(image=ones(240, 320, 3), mask=ones(11, 240, 320), pixel_coords=zeros(11, 3), **codes, **factors)


def room(entities, side=64):
    return example(image=ones(side, side, 3), mask=ones(entities, side, side, 1))


def views(count, side):
    return example(frames=[jpeg(side)] * count, cameras=zeros(count, 5))


def found(path, record):
    reader = detect_reader(os.path.join("data", path), record)
    return None if reader is None else (type(reader).__name__, reader.split)


@pytest.mark.parametrize(
    ("path", "make", "wanted"),
    [
        ("cater_with_masks_test.tfrecords-00003-of-00100", cater, ("CaterWithMasks", "test")),
        ("any", cater, ("CaterWithMasks", "train")),
        ("any", lambda: cater(frames=16), None),
        ("clevr_with_masks_train.tfrecords", clevr, ("ClevrWithMasks", "train")),
        ("objects_room_train.tfrecords", lambda: room(7), ("ObjectsRoom", "train")),
        ("objects_room_test_empty_room.tfrecords", lambda: room(4), ("ObjectsRoom", "empty_room")),
        ("objects_room_test_six_objects.tfrecords", lambda: room(10), ("ObjectsRoom", "six_objects")),
        ("objects_room_test_identical_color.tfrecords", lambda: room(10), ("ObjectsRoom", "identical_color")),
        ("any", lambda: room(5), None),
        ("any", lambda: room(7, side=63), None),
        ("rooms_ring_camera/train/0001-of-2160.tfrecord", lambda: views(10, 64), ("GQNRooms", "train")),
        ("any", lambda: views(10, 65), None),
        ("any", lambda: views(9, 64), None),
        (
            "movi_a-validation.tfrecord-00000-of-00004",
            lambda: example(video=[b"p"] * 24, segmentations=[b"p"] * 24),
            ("MOVi", "validation"),
        ),
        ("any", lambda: example(video=[b"p"]), None),
        ("any", lambda: b"no example", None),
        ("any", lambda: b"", None),
    ],
)
def test_formats_are_told_by_their_features(path, make, wanted):
    assert found(path, make()) == wanted


@pytest.mark.parametrize(
    ("variant", "entities", "channels"),
    [("binarized", 4, 1), ("colored_on_grayscale", 6, 3), ("colored_on_colored", 5, 3)],
)
def test_variants_of_multi_dsprites(variant, entities, channels):
    reader = detect_reader("x.tfrecords", sprites(entities, channels))
    assert (type(reader).__name__, reader.variant) == ("MultiDSprites", variant)


@pytest.mark.parametrize(
    ("path", "views_and_side", "name"),
    [
        (
            "/d/rooms_free_camera_no_object_rotations/test/001-of-240.tfrecord",
            (10, 64),
            "rooms_free_camera_no_object_rotations",
        ),
        ("/d/shepard_metzler_7_parts/train/001-of-900.tfrecord", (15, 64), "shepard_metzler_7_parts"),
        ("/d/elsewhere/train/001-of-900.tfrecord", (11, 64), "jaco"),
    ],
)
def test_sets_of_gqn(path, views_and_side, name):
    assert detect_reader(path, views(*views_and_side)).name == name


def test_own_clips():
    record = encode_clip({"video": np.zeros((2, 4, 4, 3), np.uint8)})
    assert found("walks-00000-of-00001.tfrecord", record) == ("ClipRecords", "walks")
    assert found("renamed", record) == ("ClipRecords", "train")


def test_real_files():
    for name, compression, wanted in (
        ("tetrominoes_mini.tfrecords", "GZIP", ("Tetrominoes", "train")),
        ("sketchy_without_pictures.tfrecords", "", None),
    ):
        record = next(iter(tf.data.TFRecordDataset(str(FILES / name), compression))).numpy()
        assert found(name, record) == wanted


def test_what_is_found_parses():
    """The reader that is found reads the record, through its public `parse`."""
    for record, shape in ((room(10), (1, 64, 64, 3)), (views(10, 64), (10, 64, 64, 3)), (clevr(), (1, 240, 320, 3))):
        assert detect_reader("x", record).parse(tf.constant(record), ("video",))["video"].shape == shape
    assert isinstance(detect_reader("x", encode_clip({"video": np.zeros((2, 4, 4, 3), np.uint8)})), ClipRecords)


def test_summary():
    record = example(b__c=[b"12", b"3"], a=[1.0], z=[1, 2, 3])
    assert summarize_features(record) == {
        "a": FeatureSummary("float", 1),
        "b/c": FeatureSummary("bytes", 2, (2, 1)),
        "z": FeatureSummary("int64", 3),
    }
    nothing = tf.train.Example(features=tf.train.Features(feature={"n": tf.train.Feature()})).SerializeToString()
    assert summarize_features(nothing) == {"n": FeatureSummary("empty", 0)}
