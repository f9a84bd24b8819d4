import gzip

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.data.formats.one_byte_strings import _usual_start, decode_one_byte_strings
from simone_tf.data.formats.tetrominoes import Tetrominoes
from simone_tf.data.pipeline.batches import evaluation_batches, training_batches
from simone_tf.data.pipeline.explain import explain_data_error
from simone_tf.errors import UserError

import image_sets
from image_sets import byte_strings, delimited, example, floats


def decode(record, shapes):
    return {name: value[0] for name, value in decode_one_byte_strings(tf.constant([record]), shapes).items()}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_byte_comes_back_whatever_the_order_of_the_features(data):
    names = ("image", "mask", "shape")
    shapes = {name: tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))) for name in names}
    values = {}
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        values[name] = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8).reshape(shape)
    features = {name: byte_strings(value) for name, value in values.items()} | {"x": floats([1.0, 2.0]), "": b""}
    order = data.draw(st.permutations(list(features)))
    asked = data.draw(st.sets(st.sampled_from(names)))
    decoded = decode(example({name: features[name] for name in order}), {name: shapes[name] for name in asked})
    assert set(decoded) == asked
    for name in asked:
        assert decoded[name].dtype == tf.uint8
        np.testing.assert_array_equal(decoded[name], values[name])


def test_what_tensorflow_writes_is_read_and_as_tensorflow_reads_it():
    values = np.arange(256, dtype=np.uint8)
    listed = tf.train.BytesList(value=[bytes([value]) for value in values])
    features = {"image": tf.train.Feature(bytes_list=listed)}
    record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    slow = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature([256, 1], tf.string)})["image"]
    np.testing.assert_array_equal(
        decode(record, {"image": (256, 1)})["image"], tf.io.decode_raw(slow, tf.uint8)[..., 0]
    )


@pytest.mark.parametrize("size", [1, 40, 50, 5000, 6000])
def test_an_entry_starts_as_it_is_expected_to(size):
    # Were it otherwise, all would be read still, but slowly. The sizes make the lengths one, two and three bytes long.
    run = byte_strings([7] * size)
    assert _usual_start("image", size) + b"\x0a\1\7" * size == delimited(1, b"image") + delimited(2, run)


def test_a_feature_that_comes_twice_counts_as_written_last():
    entry = [delimited(1, delimited(1, b"image") + delimited(2, byte_strings([value]))) for value in (3, 5)]
    record = delimited(1, b"".join(entry))
    assert tf.train.Example.FromString(record).features.feature["image"].bytes_list.value == [b"\5"]
    np.testing.assert_array_equal(decode(record, {"image": (1,)})["image"], [5])


def padded(payload):
    """Field 1 with a length in two bytes where one would do: protocol buffers allow it, nobody writes it."""
    return bytes([1 << 3 | 2, len(payload) & 127 | 128, len(payload) >> 7]) + payload


UNUSUAL = {
    "value before key": lambda name, run: delimited(1, delimited(2, run) + delimited(1, name)),
    "key in a longer spelling": lambda name, run: delimited(1, padded(name) + delimited(2, run)),
    "entry in a longer spelling": lambda name, run: padded(delimited(1, name) + delimited(2, run)),
    "the key twice": lambda name, run: delimited(1, delimited(1, b"image") + delimited(1, name) + delimited(2, run)),
    "as usual": lambda name, run: delimited(1, delimited(1, name) + delimited(2, run)),
}
"""Ways to write an entry of name and feature, which protocol buffers all read alike."""


@pytest.mark.parametrize("write", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_an_entry_is_read_however_it_is_spelt_and_wherever_it_stands(write):
    entries = [
        [write(b"image", byte_strings([1, 2, 3, 4])), write(b"mask", byte_strings([5, 6, 7, 8]))],
        [write(b"mask", byte_strings([9, 9, 9, 9])), write(b"image", byte_strings([3, 1, 4, 1]))],
        [UNUSUAL["as usual"](name, byte_strings(values)) for name, values in ((b"image", [6] * 4), (b"mask", [7] * 4))],
    ]
    for batch in (entries, entries[:1], entries[:0:-1]):
        records = [delimited(1, b"".join(parts)) for parts in batch]
        found = decode_one_byte_strings(tf.constant(records), {"image": (4,), "mask": (2, 2)})
        for index, record in enumerate(records):
            features = tf.train.Example.FromString(record).features.feature
            for name in found:
                assert found[name][index].numpy().tobytes() == b"".join(features[name].bytes_list.value)


def test_the_last_entry_of_a_name_counts_also_where_it_is_no_list_that_was_asked_for():
    usual = UNUSUAL["as usual"]
    record = delimited(1, usual(b"image", byte_strings([1, 2, 3, 4])) + usual(b"image", byte_strings([1, 2])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a list of 4 one-byte strings"):
        decode(record, {"image": (4,)})


RUN = byte_strings([7, 8, 9, 10])
FAULTS = {
    "missing": example({"mask": RUN}),
    "no features": b"",
    "empty features": delimited(1, b""),
    "an element too few": example({"image": byte_strings([7, 8, 9])}),
    "an element too many": example({"image": byte_strings([7, 8, 9, 10, 11])}),
    "no element": example({"image": delimited(1, b"")}),
    "a feature of nothing": example({"image": b""}),
    "one string of all bytes": example({"image": delimited(1, delimited(1, bytes(4)))}),
    "one string as long as the run": example({"image": delimited(1, delimited(1, bytes(10)))}),
    "two bytes and none": example({"image": delimited(1, b"".join(delimited(1, s) for s in (b"ab", b"", b"c", b"d")))}),
    "another field number": example({"image": delimited(1, b"\x12\1a" * 4)}),
    "floats": example({"image": floats([1.0] * 4)}),
    "integers": example({"image": delimited(3, delimited(1, bytes(12)))}),
    "no protocol buffer": b"\xff" * 40,
    "cut off": example({"image": RUN})[:-5],
}


@pytest.mark.parametrize("record", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_other_bytes_are_refused(record, graph):
    read = tf.function(decode_one_byte_strings) if graph else decode_one_byte_strings
    sound = example({"x": floats([1.0]), "image": RUN})
    for batch in ([record], [sound, record], [record, sound, sound]):
        with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.DataLossError)):
            read(tf.constant(batch), {"image": (4,)})


def test_records_of_a_batch_may_hold_their_features_in_any_order():
    one = example({"x": floats([1.0]), "image": RUN, "mask": byte_strings([1, 2, 3, 4])})
    other = example({"image": byte_strings([3, 4, 5, 6])})
    decoded = decode_one_byte_strings(tf.constant([one, other]), {"image": (2, 2)})["image"]
    np.testing.assert_array_equal(decoded, [[[7, 8], [9, 10]], [[3, 4], [5, 6]]])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_no_bytes_yield_anything_but_their_own(noise, begin, end):
    """Random bytes, and a sound record with some of its bytes replaced: refused, or what protobuf says.

    A record that is damaged elsewhere still yields the run that it holds: what is not asked for is not parsed.
    """
    sound = example({"image": RUN, "x": floats([1.0])})
    for record in (noise, sound[:begin] + noise + sound[end:]):
        try:
            found = decode(record, {"image": (4,)})["image"].numpy()
        except tf.errors.OpError as error:
            assert isinstance(error, (tf.errors.InvalidArgumentError, tf.errors.DataLossError))  # noqa: PT017
            continue
        try:
            example_found = tf.train.Example.FromString(record)
        except DecodeError:
            assert b"".join(b"\x0a\x01" + bytes([value]) for value in found.tobytes()) in record
        else:
            assert found.tobytes() == b"".join(example_found.features.feature["image"].bytes_list.value)


# What every reader of these sets does with its one file, on one of them.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tetrominoes")
    image_sets.write_set(folder, "tetrominoes_train", 7)
    return folder


def images(reader):
    """The images that an iteration over a reader's records yields, by the number they were written with."""
    written = {image_sets.arrays("tetrominoes_train", number)[0]["image"].tobytes(): number for number in range(7)}
    records = reader.files.serialized().map(lambda record: reader.parse(record, ("video",))["video"])
    return [written[video.numpy().tobytes()] for video in records]


def test_records_divide_the_file(folder):
    for records, expected in ((None, range(7)), ((0, 3), range(3)), ((3, None), range(3, 7)), ((5, 90), range(5, 7))):
        reader = Tetrominoes(folder, records=records)
        assert images(reader) == list(expected)
        assert reader.files.count(reader.files.shards()[0]) == len(expected)


def test_training_and_held_out_never_share_an_image(folder):
    training, held_out = Tetrominoes(folder, records=(3, None)), Tetrominoes(folder, records=(0, 3))
    written = [image_sets.arrays("tetrominoes_train", number)[0]["image"] for number in range(7)]

    def number(video):
        return int(np.argmin([np.abs(video * 255.0 - image).max() for image in written]))

    # Two input pipelines share the one file record by record; two epochs of each, and a third resumed in between.
    seen = []
    for pipeline in (0, 1):
        options = {"batch_size": 1, "num_frames": 1, "seed": 0, "num_input_pipelines": 2, "input_pipeline_id": pipeline}
        drawn = [number(batch["video"][0]) for batch in training_batches(training, **options).take(4)]
        resumed = [number(b["video"][0]) for b in training_batches(training, start_step=1, **options).take(3)]
        assert resumed == drawn[1:]
        assert sorted(drawn[:2]) == sorted(drawn[2:])
        seen += drawn[:2]
    assert sorted(seen) == [3, 4, 5, 6]
    scored = [number(batch["video"][0]) for batch in evaluation_batches(held_out, batch_size=1, num_frames=1)]
    assert scored == [0, 1, 2]
    cached = training_batches(training, batch_size=4, num_frames=1, seed=0, cache="memory")
    assert sorted(number(video) for video in next(iter(cached))["video"]) == [3, 4, 5, 6]


def test_what_is_kept_of_one_range_is_not_taken_for_another(folder, tmp_path):
    """The cache on disk tells the two apart."""
    for records, expected in (((0, 3), {0, 1, 2}), ((4, None), {4, 5, 6})):
        reader = Tetrominoes(folder, records=records)
        options = {"batch_size": 3, "num_frames": 1, "seed": 0, "cache": str(tmp_path)}
        [batch] = training_batches(reader, **options).take(1)
        written = {number: image_sets.arrays("tetrominoes_train", number)[0]["image"] for number in expected}
        for number, image in written.items():
            differences = np.abs(batch["video"][:, 0] * 255.0 - image).max(axis=(1, 2, 3))
            assert np.sum(differences < 0.5) == 1, number


def test_skipping_leaves_out_what_cannot_be_used(tmp_path):
    records = [image_sets.serialized(image_sets.arrays("tetrominoes_train", seed)[0]) for seed in range(6)]
    records[3] = image_sets.serialized(image_sets.arrays("multi_dsprites_binarized", 0)[0])
    image_sets.write_records(tmp_path / "tetrominoes_train.tfrecords", records)
    reader = Tetrominoes(tmp_path, records=(1, 5), on_corrupt="skip")
    batches = evaluation_batches(reader, batch_size=1, num_frames=1, fields=("video",))
    found = [np.round(batch["video"][0, 0] * 255.0).astype(int) for batch in batches]
    assert len(found) == 3
    for video, seed in zip(found, (1, 2, 4), strict=True):
        np.testing.assert_array_equal(video, image_sets.arrays("tetrominoes_train", seed)[0]["image"])


@pytest.mark.parametrize("records", [(-1, 3), (3, 3), (3, 2)])
def test_no_range_of_records_is_refused(folder, records):
    with pytest.raises(UserError, match=r"Tetrominoes\.records is"):
        Tetrominoes(folder, records=records)


def test_records_that_the_file_does_not_have(folder):
    with pytest.raises(UserError, match=r"has no more than 8 records, and Tetrominoes\.records starts at 8"):
        Tetrominoes(folder, records=(8, None)).first_clip(("video",))


def test_published_counts_are_used_for_files_of_published_size_only(tmp_path):
    path = tmp_path / "tetrominoes_train.tfrecords"
    with open(path, "wb") as file:
        file.truncate(334_130_439)  # Sparse: takes no space.
    assert Tetrominoes(tmp_path).files.known_count(str(path)) == 1_000_000
    assert Tetrominoes(tmp_path, records=(320, None)).files.known_count(str(path)) == 1_000_000 - 320
    assert Tetrominoes(tmp_path, records=(0, 320)).files.known_count(str(path)) == 320
    with open(path, "ab") as file:
        file.write(b"\0")
    assert Tetrominoes(tmp_path).files.known_count(str(path)) is None


def test_a_faulty_record_is_numbered_by_its_place_in_the_file(tmp_path):
    records = [image_sets.serialized(image_sets.arrays("tetrominoes_train", seed)[0]) for seed in range(4)]
    values = image_sets.arrays("tetrominoes_train", 4)[0]
    records.append(image_sets.serialized(values | {"image": values["image"][1:]}))
    image_sets.write_records(tmp_path / "tetrominoes_train.tfrecords", records)
    reader = Tetrominoes(tmp_path, records=(2, None))
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        list(evaluation_batches(reader, batch_size=1, num_frames=1, fields=("video",)))
    message = str(explain_data_error(caught.value, reader))
    assert "record 4 is not a record of Tetrominoes" in message
    assert "image is not a list of 3675 one-byte strings" in message
    assert "\n" not in message
    assert len(list(evaluation_batches(Tetrominoes(tmp_path, records=(0, 4)), batch_size=1, num_frames=1))) == 4


def test_a_damaged_download_is_told(folder, tmp_path):
    path = tmp_path / "tetrominoes_train.tfrecords"
    content = (folder / path.name).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    reader = Tetrominoes(tmp_path)
    with pytest.raises(tf.errors.OpError) as caught:
        list(reader.files.serialized())
    assert f"{path} is damaged at record" in str(explain_data_error(caught.value, reader))


def test_an_inflated_download_is_read(folder, tmp_path):
    path = tmp_path / "tetrominoes_train.tfrecords"
    path.write_bytes(gzip.decompress((folder / path.name).read_bytes()))
    assert images(Tetrominoes(tmp_path)) == list(range(7))
