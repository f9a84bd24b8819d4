import os

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.objects_room import ObjectsRoom
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

import image_sets

FILES = {
    "train": "objects_room_train",
    "six_objects": "objects_room_test_six_objects",
    "empty_room": "objects_room_test_empty_room",
    "identical_color": "objects_room_test_identical_color",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bucket") / "objects_room"
    folder.mkdir()
    for name in FILES.values():
        image_sets.write_set(folder, name, 2)
    return folder


@pytest.mark.parametrize(("split", "name"), FILES.items())
def test_every_variant(folder, split, name):
    reader = ObjectsRoom(folder, split)
    assert reader.fields == ("video", "segments")
    assert reader.attributes == ()
    clips = list(reader.files.serialized().map(lambda record: reader.parse(record, reader.fields)))
    assert len(clips) == reader.files.count(reader.files.shards()[0]) == 2
    for seed, clip in enumerate(clips):
        values, owners = image_sets.arrays(name, seed)
        np.testing.assert_array_equal(clip["video"], values["image"][None])
        # Sky, floor and the two walls are background; the first object is instance 1.
        expected = np.where(owners < 4, 0, owners - 3)
        np.testing.assert_array_equal(clip["segments"], expected[None])
        assert clip["segments"].dtype == tf.int32
        assert clip["video"].shape == (1, 64, 64, 3)


def test_the_folder_above_will_do(folder):
    assert ObjectsRoom(folder.parent, "train").files.shards() == ObjectsRoom(folder, "train").files.shards()


def test_a_pixel_of_no_mask_is_background(folder):
    values, _ = image_sets.arrays("objects_room_train", 0)
    values["mask"][:, 3, 4] = 0
    clip = ObjectsRoom(folder).parse(tf.constant(image_sets.serialized(values)), ("segments",))
    assert clip["segments"][0, 3, 4] == 0


@pytest.mark.parametrize(
    ("split", "other"), [("train", "six_objects"), ("six_objects", "train"), ("empty_room", "train")]
)
def test_a_file_of_another_variant_is_told_by_its_number_of_masks(folder, tmp_path, split, other):
    os.symlink(folder / f"{FILES[other]}.tfrecords", tmp_path / f"{FILES[split]}.tfrecords")
    reader = ObjectsRoom(tmp_path, split)
    with pytest.raises(UserError, match="record 0 is not a record of ObjectsRoom") as caught:
        reader.first_clip(("video", "segments"))
    wanted = image_sets.ENTITIES[FILES[split]] * 64 * 64
    assert f"mask is not a list of {wanted} one-byte strings" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_string_per_image_as_cater_has_it_is_refused(tmp_path, handmade):
    """The other encoding of the same bucket."""
    values, _ = image_sets.arrays("objects_room_train", 0)
    record = handmade.example({name: value.tobytes() for name, value in values.items()})
    image_sets.write_records(tmp_path / "objects_room_train.tfrecords", [record])
    with pytest.raises(UserError, match=r"record 0 is not a record of ObjectsRoom .*not a list of 12288 one-byte"):
        ObjectsRoom(tmp_path).first_clip(("video",))


def test_a_foreign_file_is_refused_by_its_features(tmp_path, handmade):
    record = handmade.example({"frames": b"jpeg", "cameras": np.zeros(5, np.float32)})
    image_sets.write_records(tmp_path / "objects_room_train.tfrecords", [record])
    with pytest.raises(UserError, match="has no feature image and no mask, only cameras, frames"):
        ObjectsRoom(tmp_path).first_clip(("video",))


def test_a_later_record_of_another_size_is_found(folder, tmp_path):
    records = [image_sets.serialized(image_sets.arrays("objects_room_train", seed)[0]) for seed in range(2)]
    records.insert(1, image_sets.serialized(image_sets.arrays("objects_room_test_six_objects", 0)[0]))
    image_sets.write_records(tmp_path / "objects_room_train.tfrecords", records)
    reader = ObjectsRoom(tmp_path)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(reader.files.serialized().map(lambda record: reader.parse(record, ("video", "segments"))))
    assert "record 1 is not a record of ObjectsRoom" in str(
        explain_data_error(caught.value, reader, ("video", "segments"))
    )


def test_another_split_is_refused():
    with pytest.raises(UserError, match=r"ObjectsRoom\.split is 'test': choose one of train, six_objects"):
        ObjectsRoom("datasets", "test")


def test_missing_files_are_told_with_the_bucket(tmp_path):
    with pytest.raises(UserError, match="gs://multi-object-datasets/objects_room"):
        ObjectsRoom(tmp_path, "six_objects").files.shards()
