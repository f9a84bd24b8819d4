import os

import numpy as np
import pytest

from simone_tf.data.formats.multi_dsprites import MultiDSprites
from simone_tf.errors import UserError

import image_sets

VARIANTS = {"binarized": (4, 1), "colored_on_grayscale": (6, 3), "colored_on_colored": (5, 3)}
FIELDS = ("video", "segments", "object_visible", "object_attributes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multi_dsprites")
    for variant in VARIANTS:
        image_sets.write_set(folder, f"multi_dsprites_{variant}", 2)
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant(folder, variant):
    entities, channels = VARIANTS[variant]
    reader = MultiDSprites(folder, variant=variant)
    assert reader.fields == FIELDS
    clips = list(reader.files.serialized().map(lambda record: reader.parse(record, FIELDS)))
    assert len(clips) == 2
    names = [column.name for column in reader.attributes]
    colours = ["red", "green", "blue"] if channels == 3 else ["brightness"]
    assert names == ["shape", *colours, "x", "y", "scale", "orientation"]
    for seed, clip in enumerate(clips):
        values, owners = image_sets.arrays(f"multi_dsprites_{variant}", seed)
        assert values["image"].shape == (64, 64, channels)
        assert clip["video"].shape == (1, 64, 64, 3)
        for channel in range(3):
            np.testing.assert_array_equal(clip["video"][0, ..., channel], values["image"][..., channel % channels])
        np.testing.assert_array_equal(clip["segments"], owners[None])
        np.testing.assert_array_equal(clip["object_visible"], [values["visibility"][1:] == 1])
        assert clip["object_attributes"].shape == (entities - 1, len(names))
        for index, name in enumerate(names):
            column = values["color"][:, colours.index(name)] if name in colours else values[name]
            np.testing.assert_array_equal(clip["object_attributes"][:, index], column[1:].astype(np.float32))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("other", VARIANTS)
def test_a_file_of_another_variant_is_refused(folder, tmp_path, variant, other):
    if variant == other:
        return
    os.symlink(folder / f"multi_dsprites_{other}.tfrecords", tmp_path / f"multi_dsprites_{variant}.tfrecords")
    reader = MultiDSprites(tmp_path, variant=variant)
    with pytest.raises(UserError, match="record 0 is not a record of MultiDSprites"):
        reader.first_clip(("video", "segments"))
    with pytest.raises(UserError, match="record 0 is not a record of MultiDSprites"):
        reader.first_clip(("object_attributes",))


def test_wrong_names_are_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"MultiDSprites\.variant is 'colored': choose one of binarized, colored_on_gray"
    ):
        MultiDSprites(tmp_path, variant="colored")
    with pytest.raises(UserError, match=r"no split 'test'.*MultiDSprites\.records"):
        MultiDSprites(tmp_path, "test")


def test_missing_files_are_told_with_the_bucket(tmp_path):
    with pytest.raises(
        UserError, match=r"multi_dsprites_binarized.tfrecords .*gs://multi-object-datasets/multi_dsprites"
    ):
        MultiDSprites(tmp_path, variant="binarized").files.shards()
