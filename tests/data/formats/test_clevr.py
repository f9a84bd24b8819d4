import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.clevr import ClevrWithMasks
from simone_tf.errors import UserError

import image_sets

NAME = "clevr_with_masks_train"
FIELDS = ("video", "segments", "object_positions", "object_visible", "object_attributes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clevr")
    image_sets.write_set(folder, NAME, 2)
    return folder


def test_every_field(folder):
    reader = ClevrWithMasks(folder)
    assert reader.fields == FIELDS
    assert reader.clip_shape() == (1, 240, 320)
    clips = list(reader.files.serialized().map(lambda record: reader.parse(record, FIELDS)))
    assert len(clips) == 2
    assert [column.name for column in reader.attributes] == ["shape", "size", "material", "color"]
    for seed, clip in enumerate(clips):
        values, owners = image_sets.arrays(NAME, seed)
        np.testing.assert_array_equal(clip["video"], values["image"][None])
        np.testing.assert_array_equal(clip["segments"], owners[None])
        assert clip["object_positions"].shape == (1, 10, 3)
        for axis, name in enumerate("xyz"):
            np.testing.assert_array_equal(clip["object_positions"][0, :, axis], values[name][1:].astype(np.float32))
        np.testing.assert_array_equal(clip["object_visible"], [values["visibility"][1:] == 1])
        for index, column in enumerate(reader.attributes):
            np.testing.assert_array_equal(clip["object_attributes"][:, index], values[column.name][1:])
            assert clip["object_attributes"].dtype == tf.float32


def test_the_crop_of_iodine(folder):
    values, owners = image_sets.arrays(NAME, 0)
    cropped = values["image"][29:221, 64:256]
    whole = ClevrWithMasks(folder, crop=(29, 64, 192, 192)).first_clip(FIELDS)
    np.testing.assert_array_equal(whole["video"], cropped[None])
    np.testing.assert_array_equal(whole["segments"], owners[None, 29:221, 64:256])
    reader = ClevrWithMasks(folder, crop=(29, 64, 192, 192), resize=(64, 64))
    assert reader.clip_shape() == (1, 64, 64)
    clip = reader.first_clip(FIELDS)
    # 192 = 3 * 64: a pixel is the mean of nine, and the segment is that of the middle one.
    means = cropped.reshape(64, 3, 64, 3, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(clip["video"][0].numpy().astype(float), means, atol=0.51)
    np.testing.assert_array_equal(clip["segments"][0], owners[30:221:3, 65:256:3])


def test_other_entity_counts_are_refused(tmp_path):
    values, _ = image_sets.arrays(NAME, 0)
    for name in ("mask", "x", "shape"):
        changed = image_sets.serialized(values | {name: values[name][:7]})
        image_sets.write_records(tmp_path / f"{NAME}.tfrecords", [changed])
        with pytest.raises(UserError, match="record 0 is not a record of ClevrWithMasks"):
            ClevrWithMasks(tmp_path).first_clip(FIELDS)


def test_missing_files_are_told_with_the_bucket(tmp_path):
    with pytest.raises(UserError, match="gs://multi-object-datasets/clevr_with_masks"):
        ClevrWithMasks(tmp_path).files.shards()
