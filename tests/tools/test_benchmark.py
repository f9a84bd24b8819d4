import json
import pathlib
import re

import numpy as np
import pytest

from simone_tf.data.formats import write_records
from simone_tf.errors import UserError

from loaded_tool import load_tool

ROOT = pathlib.Path(__file__).parents[2]
# The quickstart configuration on smaller clips and with a smaller model.
SMALL = [
    f"--gin_file={ROOT / 'gin' / 'quickstart.gin'}",
    *(
        f"--gin_param={binding}"
        for binding in (
            "train.num_frames = 2",
            "train.frame_size = (8, 8)",
            "train.evaluation_chunk_size = 100",
            "Encoder.feature_map = (4, 4)",
            "Encoder.slot_grid = (2, 2)",
            "Encoder.width = 16",
            "PixelDecoder.num_hidden_layers = 2",
            "RandomQueries.num_pixels = 64",
        )
    ),
]


@pytest.fixture(scope="module")
def benchmark():
    return load_tool("benchmark")


@pytest.fixture
def data(tmp_path):
    """The binding of a folder with four clips that fit."""
    video = np.zeros([2, 8, 8, 3], np.uint8)
    write_records.write_shard(tmp_path / "train-00000-of-00001.tfrecord", [{"video": video}] * 4)
    return f"--gin_param=training/ClipRecords.data_dir = '{tmp_path}'"


def test_prints_every_measure(benchmark, data, capsys):
    benchmark.main([*SMALL, data, "--batch_size=2", "--steps=1"])
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert "quickstart.gin: batch of 2, clips of 2 frames of 8x8, float32" in title
    table = {row[:30].strip(): row[31:] for row in rows}
    assert set(table) == {
        "parameters",
        "operations per step",
        *(f"encoder/{layer}" for layer in ("convolutions", "projection", "first_transformer", "second_transformer")),
        *("encoder/object_head", "encoder/frame_head"),
        *(f"decoder/{layer}_input" for layer in ("object", "frame", "place")),
        "decoder/object_scale",
        *("decoder/hidden_layers", "decoder/output_layer"),
        "step time",
        "clips/s",
        "achieved",
        "large matrix products",
        "share of their rate",
        "training, peak memory",
        "evaluation, peak memory",
        "input pipeline",
    }
    assert "(median, 1 steps after warm-up)" in table["step time"]
    assert "4 slots, in chunks of 100 queries" in table["evaluation, peak memory"]
    assert re.search(r"clips/s alone, .* x what the step consumes", table["input pipeline"])
    for name in ("training, peak memory", "evaluation, peak memory", "input pipeline"):
        # TensorFlow alone takes some 0.4 GiB: the unit is right.
        assert 0.2 < float(re.search(r"([\d.]+) GiB", table[name])[1]) < 5


def test_the_numbers_of_training_agree_with_each_other(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "_PRODUCT_FLOPS", 1)
    benchmark.main([*SMALL, "--batch_size=6", "--steps=8", "--part=training", "--gin_param=train.microbatch_size = 3"])
    training = json.loads(capsys.readouterr().out)
    # Seven rounds of two steps each.
    assert training["steps"] == 14
    assert training["clips_per_second"] == pytest.approx(6 / training["step_seconds"])
    # By hand: CNN of one halving and 16 features per cell, decoder of one hidden-to-hidden layer of 64, whose first one
    # object latents of 16 numbers enter and scale.
    flops = training["flops"]
    assert flops["encoder/convolutions"] == 3 * 2 * 6 * 2 * 16 * 4 * 4 * 3 * 32
    assert flops["encoder/projection"] == 3 * 2 * 6 * 2 * 16 * 32 * 16
    per_clip = 4 * 64 * (2 * 16 * 64 + 64 * 64 + 64 * 4) + 64 * 16 * 64
    decoder = sum(count for layer, count in flops.items() if layer.startswith("decoder/"))
    assert decoder == 3 * 2 * (6 * per_clip + 64 * 3 * 64)
    assert training["share"] > 0


def test_the_operations_of_a_step_that_recomputes_are_those_of_one_that_does_not(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "_PRODUCT_FLOPS", 1)
    flops = []
    for which in (None, "all"):
        flags = ["--batch_size=2", "--steps=1", "--part=training", f"--gin_param=train.recompute = {which!r}"]
        benchmark.main([*SMALL, *flags])
        training = json.loads(capsys.readouterr().out)
        assert 2**27 < training["built_bytes"] <= training["peak_bytes"]
        flops.append(training["flops"])
    assert flops[0] == flops[1]


def test_memory_is_compared_with_that_of_the_whole_batch(benchmark, monkeypatch, capsys):
    asked = []

    def in_own_process(part, arguments):
        assert part == "training"
        asked.append(arguments)
        own = {"1": 2, "None": 4}[arguments[-2].split(" = ")[1]] / (2 if "'all'" in arguments[-1] else 1)
        return {"built_bytes": 2**30, "peak_bytes": int((1 + own) * 2**30), "step_seconds": 4.0 * len(asked)}

    monkeypatch.setattr(benchmark, "_in_own_process", in_own_process)
    monkeypatch.syspath_prepend(ROOT / "tools")  # as where the tool is run
    benchmark.main(["--memory", "--gin_file=some.gin", "--batch_size=2"])
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title == "--gin_file=some.gin, --batch_size=2"
    assert [arguments[:3] for arguments in asked] == [["--gin_file=some.gin", "--batch_size=2", "--steps=2"]] * 5
    table = {row[:30].strip(): row[31:] for row in rows}
    assert table["whole batch"] == "5.00 GiB, of the step 4.00 GiB (1.0 times less), 4 s (1.00 of the time)"
    assert table["microbatches of 1"] == "3.00 GiB, of the step 2.00 GiB (2.0 times less), 8 s (2.00 of the time)"
    assert table["both"] == "2.00 GiB, of the step 1.00 GiB (4.0 times less), 20 s (5.00 of the time)"


def test_missing_data_is_told_in_one_sentence_beside_the_other_measures(benchmark, tmp_path, monkeypatch, capsys):
    missing = f"--gin_param=training/ClipRecords.data_dir = '{tmp_path / 'nowhere'}'"
    stand_in = "--gin_param=training/ClipRecords.stand_in = 'python tools/make_dataset.py --preset=quickstart'"
    measured = {
        "training": {"configuration": "", "clip": "", "parameters": 1, "flops": {"encoder": 1}, "steps": 1, "share": 1}
        | {"step_seconds": 1.0, "clips_per_second": 1.0, "product_rate": 1.0, "peak_bytes": 1},
        "evaluation": {"slots": 1, "chunk_size": 1, "seconds": 1.0, "peak_bytes": 1},
    }
    in_own_process = benchmark._in_own_process
    monkeypatch.setattr(
        benchmark, "_in_own_process", lambda part, line: measured.get(part) or in_own_process(part, line)
    )
    benchmark.main([*SMALL, missing, stand_in])
    row = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"input pipeline +not measured: ", row)
    assert "nowhere" in row
    assert "python tools/make_dataset.py --preset=quickstart" in row


def test_a_measurement_that_dies_is_told(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark.sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="measurement of training ended with code 1"):
        benchmark.main(SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*SMALL, "--steps=0"], "--steps=0 is out of range"),
        ([*SMALL, "--batch_size=-1"], "--batch_size=-1 is out of range"),
        ([*SMALL, "--part=training", "--batch_size=5", "--gin_param=train.microbatch_size = 2"], "does not divide"),
        (
            [f"--gin_file={ROOT}/gin/models/simone.gin", "--part=training"],
            r"does not set train\.clips.*train\.num_step",
        ),
        (["--part=evaluation"], "No --gin_file was given"),
    ],
)
def test_mistakes_are_one_sentence(benchmark, arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark.main(arguments)


def test_serving_needs_a_run(benchmark):
    with pytest.raises(UserError, match="--run_dir"):
        benchmark.main(["--serving", SMALL[0]])
