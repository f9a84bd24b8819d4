import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from simone_tf.data.pipeline import training_batches
from simone_tf.data.records import ClipRecords, shard_name, write_shard

TOOLS = pathlib.Path(__file__).parents[2] / "tools"


@pytest.fixture
def input_rates(monkeypatch):
    spec = importlib.util.spec_from_file_location("input_rates", TOOLS / "input_rates.py")
    module = sys.modules["input_rates"] = importlib.util.module_from_spec(spec)  # AutoGraph looks modules up by name
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_ROUNDS", 2)
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    yield module
    del sys.modules["input_rates"]


def test_measures_batches_beside_reading_and_decoding(input_rates, tmp_path):
    video = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    for index in range(2):
        write_shard(tmp_path / shard_name("train", index, 2), [{"video": video}] * 3)
    reader = ClipRecords(str(tmp_path), "train")
    settings = {"clips": reader, "batches": training_batches, "num_frames": 2, "frame_size": (8, 8), "seed": 0}
    measured = input_rates.measure(settings)
    assert measured["reader"] == "ClipRecords"
    assert measured["shards"] == 2
    assert measured["bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    rates = measured["rates"]
    assert rates["records"] > rates["pictures"] > rates["batches"] > 0
    assert len(measured["shares"]) == 2
    # Of the decoded pictures, not of the records, which no reader of PNGs can keep up with.
    assert measured["share"] > 2 * rates["batches"] / rates["records"]
