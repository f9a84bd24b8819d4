import io
import math
import os
import re
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from simone_tf.data.formats.gqn import SETS, GQNRooms
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

from gqn_set import jpeg, scene

FIELDS = ("video", "camera")


def claiming(content, height, width):
    """The same JPEG with another size in its frame header (marker C0: length, precision, height, width)."""
    start = content.index(b"\xff\xc0")
    return content[: start + 5] + struct.pack(">HH", height, width) + content[start + 9 :]


def write(handmade, path, scenes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(handmade.frame(handmade.example(scene)) for scene in scenes))


@pytest.fixture(scope="module")
def root(tmp_path_factory, handmade):
    root = tmp_path_factory.mktemp("gqn")
    train = root / "rooms_ring_camera" / "train"
    write(handmade, train / "0001-of-2160.tfrecord", [scene(0), scene(1)])
    write(handmade, train / "2160-of-2160.tfrecord", [scene(2)])
    write(handmade, root / "rooms_ring_camera" / "test" / "001-of-240.tfrecord", [scene(3)])
    return root


def test_records_of_the_native_format(root):
    reader = GQNRooms(root, "train", name="rooms_ring_camera")
    assert reader.fields == FIELDS
    assert [os.path.basename(shard) for shard in reader.files.shards()] == [
        "0001-of-2160.tfrecord",
        "2160-of-2160.tfrecord",
    ]
    assert [reader.files.count(shard) for shard in reader.files.shards()] == [2, 1]
    assert reader.clip_shape() == (10, 64, 64)
    clips = list(reader.files.serialized().map(lambda record: reader.parse(record, FIELDS)))
    assert len(clips) == 3
    for seed, clip in enumerate(clips):
        stored = scene(seed)
        assert list(clip) == list(FIELDS)
        assert clip["video"].dtype == tf.uint8
        for view in range(10):
            np.testing.assert_array_equal(clip["video"][view], Image.open(io.BytesIO(stored["frames"][view])))
            x, y, z, yaw, pitch = stored["cameras"][view].tolist()
            np.testing.assert_allclose(
                clip["camera"][view],
                [x, y, z, math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)],
                atol=1e-6,
            )


@pytest.mark.parametrize(
    ("name", "views", "size"),
    [
        ("rooms_free_camera_no_object_rotations", 10, 64),
        ("rooms_free_camera_with_object_rotations", 10, 128),
        ("jaco", 11, 64),
        ("shepard_metzler_5_parts", 15, 64),
    ],
)
def test_the_other_sets(tmp_path, handmade, name, views, size):
    write(handmade, tmp_path / name / "test" / "1-of-1.tfrecord", [scene(0, views, size)])
    for data_dir in (tmp_path, tmp_path / name):  # The folder of the set will do as well.
        clip = GQNRooms(data_dir, "test", name=name).first_clip(FIELDS)
        assert clip["video"].shape == (views, size, size, 3)
        assert clip["camera"].shape == (views, 7)


def test_every_set_is_accepted_and_others_are_not():
    for name in SETS:
        assert GQNRooms("unused", "train", name=name).name == name
    with pytest.raises(UserError, match=r"GQNRooms\.name is 'rooms': choose one of rooms_ring_camera"):
        GQNRooms("unused", "train", name="rooms")


def test_batches_of_a_set_without_masks(root):
    batches = training_batches(GQNRooms(root, "train"), batch_size=2, num_frames=4, seed=0, fields=FIELDS)
    batch = next(iter(batches))
    assert batch["video"].shape == (2, 4, 64, 64, 3)
    assert batch["camera"].shape == (2, 4, 7)
    reader = GQNRooms(root, "test", resize=(16, 16))
    (batch,) = evaluation_batches(reader, batch_size=2, num_frames=10, fields=("video",))
    assert batch["video"].shape == (2, 10, 16, 16, 3)
    assert batch["clip_mask"].numpy().tolist() == [True, False]
    with pytest.raises(UserError, match="has no segments: it has video, camera"):
        evaluation_batches(reader, batch_size=2, num_frames=10)


def test_missing_files_are_told_with_their_bucket(root):
    with pytest.raises(UserError) as caught:
        GQNRooms(root, "train", name="jaco", stand_in="make --out={data_dir}").files.shards()
    for word in (str(root / "jaco" / "train"), "NNNNN-of-NNNNN.tfrecord", "gs://gqn-dataset/jaco/train", "make --out="):
        assert word in str(caught.value)


def test_only_the_asked_features_are_parsed(handmade):
    cameras = np.zeros((10, 5), np.float32)
    clip = GQNRooms("unused", "train").parse(tf.constant(handmade.example({"cameras": cameras})), ("camera",))
    np.testing.assert_array_equal(clip["camera"], np.tile(np.float32([0, 0, 0, 0, 1, 0, 1]), (10, 1)))


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
FAULTS = {
    "a view of another size": (lambda frames: [*frames[:9], jpeg(0, 32)], "not 64 pixels high and wide"),
    "a header that claims to be huge": (
        lambda frames: [claiming(frames[0], 60000, 60000), *frames[1:]],
        "not 64 pixels high and wide",
    ),
    "a header that claims to be long": (
        lambda frames: [*frames[:5], claiming(frames[5], 60000, 64), *frames[6:]],
        "not 64 pixels high and wide",
    ),
    "no picture": (lambda frames: [b"no picture", *frames[1:]], "record 0 is not a record of GQNRooms"),
    "an empty string": (lambda frames: [b"", *frames[1:]], "record 0 is not a record of GQNRooms"),
    "a PNG": (lambda frames: [PNG, *frames[1:]], "record 0 is not a record of GQNRooms"),
    "a picture that ends early": (lambda frames: [frames[0][:200], *frames[1:]], "record 0 is not a record of GQN"),
    "a view too few": (lambda frames: frames[:9], "record 0 is not a record of GQNRooms"),
    "another set's views": (lambda frames: [*frames, frames[0]], "record 0 is not a record of GQNRooms"),
}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("change", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_records_of_other_pictures_are_refused(tmp_path, handmade, change, words, traced):
    stored = scene(0)
    path = tmp_path / "test" / "1-of-1.tfrecord"
    write(handmade, path, [stored | {"frames": change(stored["frames"])}])
    reader = GQNRooms(tmp_path, "test")
    if not traced:
        with pytest.raises(UserError, match=words) as caught:
            reader.first_clip(("video",))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    with pytest.raises((tf.errors.InvalidArgumentError, UnicodeDecodeError)):
        list(reader.files.serialized().map(lambda record: reader.parse(record, ("video",))))


def test_a_huge_claim_takes_no_memory(tmp_path, handmade):
    """60000x60000 pixels would be 10.8 GB a view; the process's greatest memory must not grow by a hundredth of it."""
    import resource

    stored = scene(0)
    huge = [claiming(frame, 60000, 60000) for frame in stored["frames"]]
    write(handmade, tmp_path / "test" / "1-of-1.tfrecord", [stored | {"frames": huge}])
    reader = GQNRooms(tmp_path, "test")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(reader.files.serialized().map(lambda record: reader.parse(record, ("video",))))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    ("views", "advice"),
    [
        (11, "it has 11 views and not 10; set GQNRooms.name to jaco."),
        (15, "set GQNRooms.name to shepard_metzler_5_parts or shepard_metzler_7_parts."),
        (9, "it has 9 views and not 10; download or make it again."),
    ],
)
@pytest.mark.parametrize("field", ["video", "camera"])
def test_the_views_of_another_set_are_told(tmp_path, handmade, views, advice, field):
    write(handmade, tmp_path / "test" / "1-of-1.tfrecord", [scene(0, views)])
    with pytest.raises(UserError, match=re.escape(advice)):
        GQNRooms(tmp_path, "test").first_clip((field,))


def test_a_foreign_record_is_named_by_its_features(tmp_path, handmade):
    write(handmade, tmp_path / "test" / "1-of-1.tfrecord", [{"image": b"..", "label": [1]}])
    with pytest.raises(UserError, match="has no feature frames and no cameras, only image, label"):
        GQNRooms(tmp_path, "test").first_clip(("video",))


def test_a_damaged_file_is_named(tmp_path, handmade):
    path = tmp_path / "test" / "1-of-1.tfrecord"
    write(handmade, path, [scene(0), scene(1)])
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    reader = GQNRooms(tmp_path, "test")
    with pytest.raises(tf.errors.DataLossError) as raised:
        list(reader.files.serialized().map(lambda record: reader.parse(record, FIELDS)))
    assert f"{path} is damaged at record 1" in str(explain_data_error(raised.value, reader))


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_any_changed_bytes_of_a_picture_end_in_a_picture_or_an_error(handmade, data):
    """Whatever the bytes, the answer has the set's size or is an error; the process lives on."""
    stored = scene(5)
    picture = bytearray(stored["frames"][0])
    for _ in range(data.draw(st.integers(1, 4))):
        picture[data.draw(st.integers(0, len(picture) - 1))] = data.draw(st.integers(0, 255))
    record = handmade.example(stored | {"frames": [bytes(picture), *stored["frames"][1:]]})
    try:
        clip = GQNRooms("unused", "train").parse(tf.constant(record), ("video",))
    except (tf.errors.InvalidArgumentError, UnicodeDecodeError):
        return
    assert clip["video"].shape == (10, 64, 64, 3)
