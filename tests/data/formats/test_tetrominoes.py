"""The real file of ten Tetrominoes records, against protocol buffers taken apart by hand, without TensorFlow."""

import gzip
import os
import struct

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.tetrominoes import Tetrominoes
from simone_tf.errors import UserError

import image_sets

REAL = os.path.join(os.path.dirname(os.path.dirname(__file__)), "files", "tetrominoes_mini.tfrecords")
FIELDS = ("video", "segments", "object_visible", "object_attributes")


def fields_of(message):
    """(number, payload) of a message's fields, all of which are length-delimited here."""

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    position, found = 0, []
    while position < len(message):
        tag = varint()
        assert tag & 7 == 2
        length = varint()
        found.append((tag >> 3, message[position : position + length]))
        position += length
    return found


def real_records():
    """Feature name -> array of bytes or floats, for each record."""
    with gzip.open(REAL) as file:
        content = file.read()
    position = 0
    while position < len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        record = content[position + 12 : position + 12 + length]
        position += 12 + length + 4
        features = {}
        [(_, entries)] = fields_of(record)
        for _, entry in fields_of(entries):
            (_, name), (_, feature) = fields_of(entry)
            [(kind, values)] = fields_of(feature)
            if kind == 1:
                strings = [text for _, text in fields_of(values)]
                assert all(len(text) == 1 for text in strings)
                features[name.decode()] = np.frombuffer(b"".join(strings), np.uint8)
            else:
                [(_, packed)] = fields_of(values)
                features[name.decode()] = np.frombuffer(packed, "<f4")
        yield features


@pytest.fixture
def real_folder(tmp_path):
    os.symlink(REAL, tmp_path / "tetrominoes_train.tfrecords")
    return tmp_path


def test_the_real_file_pixel_by_pixel(real_folder):
    reader = Tetrominoes(real_folder)
    assert reader.fields == FIELDS
    assert reader.clip_shape() == (1, 35, 35)
    [shard] = reader.files.shards()
    assert reader.files.count(shard) == 10
    clips = list(reader.files.serialized([shard]).map(lambda record: reader.parse(record, FIELDS)))
    expected = list(real_records())
    assert len(clips) == len(expected) == 10
    for clip, features in zip(clips, expected, strict=True):
        np.testing.assert_array_equal(clip["video"][0], features["image"].reshape(35, 35, 3))
        masks = features["mask"].reshape(4, 35, 35)
        assert set(np.unique(masks)) == {0, 255}
        for entity in range(4):
            np.testing.assert_array_equal(clip["segments"][0].numpy() == entity, masks[entity] == 255)
        np.testing.assert_array_equal(clip["object_visible"], [features["visibility"][1:] > 0])
        attributes = clip["object_attributes"].numpy()
        np.testing.assert_array_equal(attributes[:, 0], features["shape"][1:])
        np.testing.assert_array_equal(attributes[:, 1:4], features["color"].reshape(4, 3)[1:])
        np.testing.assert_array_equal(attributes[:, 4], features["x"][1:])
        np.testing.assert_array_equal(attributes[:, 5], features["y"][1:])
        assert clip["video"].dtype == tf.uint8
        assert clip["segments"].dtype == tf.int32
        assert clip["object_visible"].dtype == tf.bool
    assert [column.name for column in reader.attributes] == ["shape", "red", "green", "blue", "x", "y"]
    assert max(features["shape"].max() for features in expected) < len(reader.attributes[0].values)


def test_a_piece_has_its_colour_and_the_rest_is_black(real_folder):
    """Segments, video and attributes of the real file speak of the same pieces."""
    reader = Tetrominoes(real_folder)
    for record in reader.files.serialized():
        clip = {name: value.numpy() for name, value in reader.parse(record, FIELDS).items()}
        assert not clip["video"][clip["segments"] == 0].any()
        for index in range(3):
            colours = clip["video"][clip["segments"] == index + 1]
            assert len(colours) == 100
            # Darker along the edges, but without the other channels.
            np.testing.assert_array_equal(colours.max(axis=0), clip["object_attributes"][index, 1:4] * 255)


def test_resized_as_the_gin_file_does(real_folder):
    reader = Tetrominoes(real_folder, resize=(32, 32))
    assert reader.clip_shape() == (1, 32, 32)
    clip = reader.first_clip(FIELDS)
    assert clip["segments"].shape == (1, 32, 32)
    assert set(np.unique(clip["segments"])) == {0, 1, 2, 3}
    np.testing.assert_allclose(np.mean(clip["video"]), np.mean(next(real_records())["image"]), rtol=0.05)


def test_masks_are_not_touched_unless_asked_for(real_folder):
    values = image_sets.arrays("tetrominoes_train", 0)[0]
    record = tf.constant(
        image_sets.example({"image": image_sets.byte_strings(values["image"]), "mask": b"\x0a\x03abc"})
    )
    reader = Tetrominoes(real_folder)
    np.testing.assert_array_equal(reader.parse(record, ("video",))["video"][0], values["image"])
    with pytest.raises(tf.errors.InvalidArgumentError):
        reader.parse(record, ("video", "segments"))


def test_missing_files_are_told_with_the_bucket(tmp_path):
    with pytest.raises(UserError) as caught:
        Tetrominoes(tmp_path, "test").files.shards()
    message = str(caught.value)
    assert "No tetrominoes_test.tfrecords in" in message
    assert f"{tmp_path / 'tetrominoes'}" in message
    assert "gs://multi-object-datasets/tetrominoes" in message


def test_no_field_that_the_format_lacks(real_folder):
    with pytest.raises(UserError, match="has no object_positions"):
        Tetrominoes(real_folder).first_clip(("video", "object_positions"))
