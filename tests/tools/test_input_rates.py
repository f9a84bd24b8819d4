import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.data.pipeline import order
from simone_tf.data.pipeline.batches import training_batches

from loaded_tool import load_tool


@pytest.fixture
def input_rates(monkeypatch):
    module = load_tool("input_rates")
    monkeypatch.setattr(module, "_ROUNDS", 3)
    monkeypatch.setattr(module, "_SETTLING_SECONDS", 0.1)
    # Elements per second of records, pictures and batches, round by round, on one core; every stream is really read.
    told = iter([900, 50, 40, 800, 60, 30, 700, 40, 36])

    def measure(take, count):
        assert count >= 1
        take()
        rate = next(told)
        return rate, 1 / rate

    module.real_measure = module._measure
    monkeypatch.setattr(module, "_measure", measure)
    yield module
    del sys.modules["input_rates"]


def test_measures_batches_beside_reading_and_decoding(input_rates, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    for index in range(2):
        write_shard(tmp_path / shard_name("train", index, 2), [{"video": video}] * 3)
    reader = ClipRecords(str(tmp_path), "train")
    settings = types.SimpleNamespace(clips=reader, batches=training_batches, num_frames=2, frame_size=(8, 8), seed=0)
    measured = input_rates.measure(settings)
    assert measured["reader"] == "ClipRecords"
    assert measured["shards"] == 2
    assert measured["bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    # 16 clips an element, and the medians of the rounds.
    assert measured["rates"] == {"records": 12800, "pictures": 800, "batches": 576}
    # Of the decoded pictures, not of the records, which no reader of PNGs can keep up with.
    for by in ("clock", "processor"):
        assert measured["shares"][by] == pytest.approx([0.8, 0.5, 0.9])
    _, rows = input_rates.table(measured)
    assert dict(rows)["share, by the clock"] == "0.80 of the bare cost (rounds: 0.80, 0.50, 0.90)"
    assert dict(rows)["batches of video"] == "576 clips/s"


def test_rates_are_of_what_was_taken_after_the_streams_came_to_rest(input_rates, monkeypatch):
    now = {"clock": 100.0, "processor": 7.0}
    clocks = {"perf_counter": lambda: now["clock"], "process_time": lambda: now["processor"]}
    monkeypatch.setattr(input_rates, "time", types.SimpleNamespace(**clocks))

    def take():
        # What was prepared in advance is taken at once; then two elements take 1 s, and 1.6 of the processor's.
        prepared = now["clock"] < 102
        now["clock"] += 0.1 if prepared else 1.0
        now["processor"] += 0.0 if prepared else 1.6

    assert input_rates.real_measure(take, 2) == (pytest.approx(2.0), pytest.approx(0.8))


def test_the_bare_records_come_by_the_batch_and_are_those_of_the_files(input_rates, tmp_path):
    for index in range(3):
        clips = [{"video": np.full((1, 8, 8, 3), 10 * index + i, np.uint8)} for i in range(3)]
        write_shard(tmp_path / shard_name("train", index, 3), clips)
    reader = ClipRecords(str(tmp_path), "train")
    written = {record.numpy() for record in reader.files.serialized()}
    assert len(written) == 9
    # A round over the three files: each batch holds the three records of its file again and again, and is full.
    batches = [batch.numpy() for batch in input_rates._bare(reader, 4).take(3)]
    assert [batch.shape for batch in batches] == [(4,)] * 3
    assert [len(set(batch)) for batch in batches] == [3] * 3
    assert {record for batch in batches for record in batch} == written


def test_of_large_bare_records_only_the_pictures_are_kept(input_rates, tmp_path, monkeypatch):
    monkeypatch.setattr(order, "_BLOCK_BYTES", 0)
    clips = [{"video": np.full((2, 8, 8, 3), 10 + i, np.uint8)} for i in range(3)]
    write_shard(tmp_path / shard_name("train", 0, 1), clips)
    reader = ClipRecords(str(tmp_path), "train")
    written = [record.numpy() for record in reader.files.serialized()]
    # Every fourth is shown of those that are read, in the file's order again and again: 0, 4, 8, ... of three.
    records = [record.numpy() for record in input_rates._bare(reader, 4).take(4)]
    assert records == [written[0], written[1], written[2], written[0]]
    pixels = [pixel.numpy().tolist() for pixel in input_rates._bare(reader, 4, "video").take(4)]
    assert pixels == [[value] * 3 for value in (10, 11, 12, 10)]


def test_every_element_is_made_and_counted(input_rates):
    made = []

    def make(number):
        made.append(int(number))
        return number

    dataset = tf.data.Dataset.range(1000).map(lambda number: tf.numpy_function(make, [number], tf.int64))
    take = input_rates._taker(dataset, 10)
    for _ in range(5):
        take()
    # The first call has one, as its nine others come with the next.
    assert made[:41] == list(range(41))
    assert len(made) <= 50


def test_a_stream_that_rests_makes_no_more_than_before(input_rates):
    """What other streams are measured beside: TensorFlow's own buffer would have hundreds after as many pauses."""
    made = []
    numbers = tf.data.Dataset.range(10**6)
    noted = numbers.map(lambda n: tf.numpy_function(lambda n: made.append(n) or n, [n], tf.int64), tf.data.AUTOTUNE)
    take, taken = input_rates._taker(noted.prefetch(2), 3), 0
    for pause in range(8):
        for _ in range(3 * 2**pause):
            take()
            taken += 3
        time.sleep(0.15)
    assert len(made) - taken < 30
