import numpy as np
import pytest
import tensorflow as tf

from simone_tf.scenes.cater_format import cater_shard_name, encode_cater_clip, write_cater_shard


def hand_made_clip(num_objects=10):
    rng = np.random.default_rng(0)
    segments = rng.integers(0, num_objects + 1, (33, 64, 64)).astype(np.uint8)
    yaw, pitch = rng.uniform(-3, 3, 33), rng.uniform(-1, 0, 33)
    angles = np.stack([np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)], axis=1)
    return {
        "video": rng.integers(0, 256, (33, 64, 64, 3)).astype(np.uint8),
        "segments": segments,
        "camera": np.concatenate([rng.normal(size=(33, 3)), angles], axis=1).astype(np.float32),
        "object_positions": rng.normal(size=(33, num_objects, 3)).astype(np.float32),
    }


def test_file_name():
    assert cater_shard_name("train", 7, 100) == "cater_with_masks_train.tfrecords-00007-of-00100"


@pytest.mark.parametrize("num_objects", [10, 3])
def test_the_published_schema_reads_it_back(tmp_path, num_objects):
    clip = hand_made_clip(num_objects)
    path = tmp_path / cater_shard_name("test", 0, 1)
    assert write_cater_shard(path, iter([clip, clip])) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes()[0] == 0x78  # ZLIB.
    schema = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "mask": tf.io.FixedLenFeature([], tf.string),
        "camera_matrix": tf.io.FixedLenFeature([33, 4, 4], tf.float32),
        "object_positions": tf.io.FixedLenFeature([11, 33, 3], tf.float32),
    }
    records = list(tf.data.TFRecordDataset(str(path), compression_type="ZLIB"))
    assert len(records) == 2
    example = tf.io.parse_single_example(records[1], schema)
    image = np.frombuffer(example["image"].numpy(), np.uint8).reshape(33, 64, 64, 3)
    np.testing.assert_array_equal(image, clip["video"])
    mask = np.frombuffer(example["mask"].numpy(), np.uint8).reshape(33, 11, 64, 64, 1)
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask.astype(int).sum(axis=1), 255)
    np.testing.assert_array_equal(mask.argmax(axis=1)[..., 0], clip["segments"])
    positions = example["object_positions"].numpy()
    assert not positions[0].any()
    assert not positions[num_objects + 1 :].any()
    for k in range(num_objects):
        np.testing.assert_array_equal(positions[k + 1], clip["object_positions"][:, k])
    matrices = example["camera_matrix"].numpy()
    np.testing.assert_array_equal(matrices[:, :3, 3], clip["camera"][:, :3])
    np.testing.assert_allclose(-matrices[:, 2, 2], clip["camera"][:, 5], atol=1e-6)  # Forward z is sin(pitch).


def test_other_shapes_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="up to 10 objects"):
        encode_cater_clip(hand_made_clip(11))
    clip = hand_made_clip()
    with pytest.raises(ValueError, match="33, 64, 64"):
        write_cater_shard(tmp_path / "shard", [clip, {**clip, "video": clip["video"][:16]}])
    assert not list(tmp_path.iterdir())
