import os

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.cater import CaterWithMasks
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

FIELDS = ("video", "segments", "camera", "object_positions", "object_moving")


def make_arrays(seed):
    """Arrays as DeepMind's description has them, masks soft at places, and the segments a loop finds in them."""
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, 11, (33, 64, 64))
    masks = np.zeros((33, 11, 64, 64, 1), np.uint8)
    frame, row, column = np.indices(owners.shape)
    masks[frame, owners, row, column, 0] = 255
    masks[3, :, 5, 7, 0] = [90, 0, 0, 100, 0, 0, 0, 65, 0, 0, 0]  # Soft: entity 3 has the most.
    masks[4, :, 5, 7, 0] = 0  # Nobody's: background.
    owners[3, 5, 7], owners[4, 5, 7] = 3, 0
    arrays = {
        "image": rng.integers(0, 256, (33, 64, 64, 3)).astype(np.uint8),
        "mask": masks,
        "camera_matrix": rng.normal(size=(33, 4, 4)).astype(np.float32),
        "object_positions": rng.normal(size=(11, 33, 3)).astype(np.float32),
    }
    return arrays, owners


def features(arrays):
    return {
        "image": arrays["image"].tobytes(),
        "mask": arrays["mask"].tobytes(),
        "camera_matrix": arrays["camera_matrix"],
        "object_positions": arrays["object_positions"],
    }


def write(path, records, compression="ZLIB"):
    """Framed by TensorFlow, because the checksum of 1.9 MB takes long in Python."""
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, handmade):
    folder = tmp_path_factory.mktemp("cater")
    records = [handmade.example(features(make_arrays(seed)[0])) for seed in range(3)]
    write(folder / "cater_with_masks_train.tfrecords-00000-of-00002", records[:2])
    write(folder / "cater_with_masks_train.tfrecords-00001-of-00002", records[2:])
    return folder


def test_records_of_the_native_format(folder):
    reader = CaterWithMasks(folder, "train")
    assert reader.fields == FIELDS
    assert reader.clip_shape() == (33, 64, 64)
    assert [reader.files.count(shard) for shard in reader.files.shards()] == [2, 1]
    clips = list(reader.files.serialized().map(lambda record: reader.parse(record, FIELDS)))
    assert len(clips) == 3
    for seed, clip in enumerate(clips):
        arrays, owners = make_arrays(seed)
        assert set(clip) == set(FIELDS)
        np.testing.assert_array_equal(clip["video"], arrays["image"])
        np.testing.assert_array_equal(clip["segments"], owners)
        for t in (0, 32):
            np.testing.assert_array_equal(clip["camera"][t].numpy().reshape(4, 4), arrays["camera_matrix"][t])
            for entity in range(1, 11):
                np.testing.assert_array_equal(
                    clip["object_positions"][t, entity - 1], arrays["object_positions"][entity, t]
                )
        assert clip["object_moving"].numpy().all()  # Random positions, and every entity has pixels.
        assert clip["segments"].dtype == tf.int32
        assert clip["camera"].shape == (33, 16)
        assert clip["object_positions"].shape == (33, 10, 3)


def test_a_file_framed_byte_by_byte_is_read(tmp_path, handmade):
    """The checksum of a whole record, too, by the test's own code: a record of zeros deflates to little."""
    arrays, _ = make_arrays(0)
    record = handmade.example(features(arrays | {"mask": np.zeros((33, 11, 64, 64, 1), np.uint8)}))
    path = tmp_path / "cater_with_masks_test.tfrecords-00000-of-00001"
    path.write_bytes(handmade.compress(handmade.frame(record), "ZLIB"))
    clip = CaterWithMasks(tmp_path, "test").first_clip(("video", "segments"))
    np.testing.assert_array_equal(clip["video"], arrays["image"])
    assert not clip["segments"].numpy().any()


def test_only_the_asked_features_are_parsed(handmade):
    arrays, _ = make_arrays(0)
    record = handmade.example({"image": arrays["image"].tobytes()})
    clip = CaterWithMasks("unused", "train").parse(tf.constant(record), ("video",))
    assert list(clip) == ["video"]
    whole = tf.constant(handmade.example(features(arrays)))
    assert set(CaterWithMasks("unused", "train").extract(whole, ("video", "camera"))) == {"image", "camera_matrix"}
    with pytest.raises(tf.errors.InvalidArgumentError):
        CaterWithMasks("unused", "train").parse(tf.constant(record), ("segments",))


def test_what_moves(handmade):
    """Displacements chosen per entity; the background and an entity without a pixel never move."""
    arrays, _ = make_arrays(0)
    positions = np.zeros((11, 33, 3), np.float32) + np.float32([1, -2, 0.5])
    positions[0, :, 0] = np.arange(33)  # The background is no object, wherever it goes.
    positions[2, :, 1] += np.linspace(0, 1, 33)
    positions[3, 16, 2] += 0.02  # Up and down again.
    positions[4, 1:, 0] += 0.009
    positions[6, :, 0] += np.arange(33)  # No pixel shows it.
    positions[7, 5:] = np.nan
    positions[8, 32, :] += 0.007  # 0.0121 on the diagonal.
    masks = arrays["mask"].copy()
    masks[:, 6] = 0
    record = handmade.example(features(arrays | {"object_positions": positions, "mask": masks}))
    for fields in (("object_moving",), FIELDS):
        clip = CaterWithMasks("unused", "train").parse(tf.constant(record), fields)
        assert clip["object_moving"].dtype == tf.bool
        assert (np.flatnonzero(clip["object_moving"]) + 1).tolist() == [2, 3, 8]


def test_the_folder_above_will_do(folder, tmp_path):
    os.symlink(folder, tmp_path / "cater_with_masks")
    assert len(CaterWithMasks(tmp_path, "train").files.shards()) == 2


def test_a_missing_split_is_told_with_the_bucket_and_the_stand_in(folder):
    with pytest.raises(UserError) as caught:
        CaterWithMasks(folder, "validation", stand_in="python tools/make_dataset.py cater").files.shards()
    message = str(caught.value)
    for word in (
        "cater_with_masks_validation.tfrecords-NNNNN-of-NNNNN",
        "gs://multi-object-datasets",
        "make_dataset.py",
    ):
        assert word in message


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("train.tfrecords-00000-of-00100", 89_300_000, 399),
        ("train.tfrecords-00021-of-00100", 6_952_462, 31),
        ("train.tfrecords-00074-of-00100", 52_771_463, 231),
        ("test.tfrecords-00021-of-00100", 38_231_128, 171),
        ("test.tfrecords-00099-of-00100", 38_231_128, 171),
        ("train.tfrecords-00000-of-00100", 45_000_000, None),  # Half a shard.
        ("train.tfrecords-00021-of-00100", 89_300_000, None),
        ("train.tfrecords-00000-of-00050", 89_300_000, None),
        ("other.tfrecords-00000-of-00100", 89_300_000, None),
    ],
)
def test_published_counts_are_used_for_files_of_published_size_only(tmp_path, name, size, count):
    path = tmp_path / f"cater_with_masks_{name}"
    with open(path, "wb") as file:
        file.truncate(size)  # Sparse: takes no space.
    assert CaterWithMasks(tmp_path, name.split(".")[0]).files.known_count(str(path)) == count


def test_the_published_counts_add_up(tmp_path):
    """39,364 training and 17,100 test videos."""
    for split, size, total in (("train", 89_300_000, 39_364), ("test", 38_231_128, 17_100)):
        reader = CaterWithMasks(tmp_path, split)
        short = {21: 6_952_462, 74: 52_771_463} if split == "train" else {}
        counts = []
        for index in range(100):
            path = tmp_path / f"cater_with_masks_{split}.tfrecords-{index:05d}-of-00100"
            with open(path, "wb") as file:
                file.truncate(short.get(index, size))
            counts.append(reader.files.known_count(str(path)))
        assert sum(counts) == total


FAULTS = {
    "video of another size": ({"image": bytes(32 * 64 * 64 * 3)}, "video"),
    "masks without time": ({"mask": bytes(11 * 64 * 64)}, "segments"),
    "objects first forgotten": ({"object_positions": np.zeros(3, np.float32)}, "object_positions"),
    "one string per byte": ({"image": [b"\x00"] * 12}, "video"),
}


@pytest.mark.parametrize(("change", "field"), FAULTS.values(), ids=FAULTS.keys())
def test_records_of_other_sizes_are_refused_by_name(tmp_path, handmade, change, field):
    arrays, _ = make_arrays(0)
    path = tmp_path / "cater_with_masks_test.tfrecords-00000-of-00001"
    write(path, [handmade.example(features(arrays) | change)])
    with pytest.raises(UserError, match="record 0 is not a record of CaterWithMasks") as caught:
        CaterWithMasks(tmp_path, "test").first_clip((field,))
    assert str(path) in str(caught.value)


def test_another_dataset_of_the_same_bucket_is_refused(tmp_path):
    real = os.path.join(os.path.dirname(os.path.dirname(__file__)), "files", "tetrominoes_mini.tfrecords")
    os.symlink(real, tmp_path / "cater_with_masks_test.tfrecords-00000-of-00001")
    with pytest.raises(UserError, match="has no feature camera_matrix and no object_positions, only color, image"):
        CaterWithMasks(tmp_path, "test").first_clip(("video",))


@pytest.mark.parametrize("fault", ["truncated", "bit flip", "zero byte", "plain"])
def test_damaged_downloads(folder, tmp_path, fault):
    for path in folder.iterdir():
        content = bytearray(path.read_bytes())
        if path.name.endswith("00001-of-00002"):
            if fault == "truncated":
                content = content[: len(content) // 2]
            elif fault == "bit flip":
                content[len(content) // 2] ^= 16
            elif fault == "zero byte":
                content = b""
        (tmp_path / path.name).write_bytes(content)
    faulty = tmp_path / "cater_with_masks_train.tfrecords-00001-of-00002"
    reader = CaterWithMasks(tmp_path, "train")
    if fault == "plain":  # Downloads that a browser or gsutil has inflated are read as well.
        record = next(iter(tf.data.TFRecordDataset(str(faulty), "ZLIB"))).numpy()
        write(faulty, [record], "")
        assert reader.files.count(str(faulty)) == 1
        assert sum(1 for _ in reader.files.serialized()) == 3
        return
    if fault == "zero byte":
        with pytest.raises(UserError, match=f"{faulty} is empty"):
            reader.files.shards()
        return
    with pytest.raises(tf.errors.DataLossError) as raised:
        list(reader.files.serialized().map(lambda record: reader.parse(record, ("video",))))
    assert f"{faulty} is damaged at record 0" in str(explain_data_error(raised.value, reader))
