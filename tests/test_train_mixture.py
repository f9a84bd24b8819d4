"""A run on several sets at once: trained, resumed, scored for each, exported; evaluated on one of them."""

import json

import pytest

from simone_tf import evaluate, export, train
from simone_tf.data.formats.write_records import shard_name, write_shard

from tiny_run import REPOSITORY, arguments, assert_same_weights, fails, make_clips

MIXED = """
include '{gin}/models/simone_small.gin'
include '{gin}/optimization/warmup_cosine.gin'
num_steps = 6
batch_size = 2
seed = 0
train.num_steps = %num_steps
train.batch_size = %batch_size
train.seed = %seed
train.batches = @training_batches
train.clips = @training/Mixture()
training/Mixture.readers = [@training/squares/ClipRecords(), @training/others/ClipRecords()]
training/Mixture.weights = [2, 1]
train.held_out_clips = @held_out/Mixture()
held_out/Mixture.readers = [@held_out/squares/ClipRecords(), @held_out/others/ClipRecords()]
training/squares/ClipRecords.data_dir = '{folder}/squares'
training/squares/ClipRecords.split = 'train'
training/others/ClipRecords.data_dir = '{folder}/others'
training/others/ClipRecords.split = 'train'
held_out/squares/ClipRecords.data_dir = '{folder}/squares'
held_out/squares/ClipRecords.split = 'test'
held_out/others/ClipRecords.data_dir = '{folder}/others'
held_out/others/ClipRecords.split = 'test'
"""


@pytest.fixture(scope="module")
def gin_file(tmp_path_factory):
    """Two sets of four clips to train on and two to score."""
    folder = tmp_path_factory.mktemp("mixture")
    for seed, name in enumerate(("squares", "others")):
        for split, count in (("train", 4), ("test", 2)):
            write_shard(folder / name / shard_name(split, 0, 1), make_clips(count, 10 * seed + count))
    path = folder / "mixed.gin"
    path.write_text(MIXED.format(gin=REPOSITORY / "gin", folder=folder))
    return path


def flags(run_dir, gin_file, *params):
    given = [flag for flag in arguments(run_dir, "", *params, gin_file=gin_file) if "ClipRecords" not in flag]
    return [*given, "--gin_param=train.evaluate_every = 3", "--gin_param=train.checkpoint_every = 3"]


@pytest.fixture(scope="module")
def mixed_run(gin_file, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "mixed"
    train.main(flags(run_dir, gin_file, "num_steps = 6"))
    return run_dir


def test_every_set_is_scored(mixed_run):
    metrics = json.loads((mixed_run / "metrics.json").read_text())
    scores = [metrics[f"{name}/video_ari_foreground"] for name in ("squares", "others")]
    assert metrics["video_ari_foreground"] == pytest.approx(sum(scores) / 2)
    assert metrics["num_clips"] == 4
    assert [path.rpartition("/")[2] for path in metrics["data"]] == ["squares", "others"]
    assert len(list((mixed_run / "pictures").glob("decomposition_*.png"))) == 2


def test_it_is_resumed_exactly(mixed_run, gin_file, tmp_path):
    train.main(flags(tmp_path / "run", gin_file, "num_steps = 3"))
    train.main([f"--run_dir={tmp_path / 'run'}", "--gin_param=num_steps = 6"])
    assert_same_weights(mixed_run, tmp_path / "run", 6)


def test_an_evaluation_asks_for_one_set(mixed_run, capsys):
    text = fails(capsys, [f"--run_dir={mixed_run}"], evaluate.main)
    assert "a mixture of squares, others: choose one" in text
    choice = "--gin_param=train.held_out_clips = @held_out/squares/ClipRecords()"
    evaluate.main([f"--run_dir={mixed_run}", choice, "--num_probe_clips=0", "--num_pictures=0"])
    metrics = json.loads((mixed_run / "evaluation" / "metrics.json").read_text())
    assert metrics["run"]["num_clips"] == 2


def test_an_export_says_what_it_was_trained_on(mixed_run, tmp_path):
    export.main([f"--run_dir={mixed_run}", f"--export_dir={tmp_path / 'e' / '1'}"])
    origin = json.loads((tmp_path / "e" / "1" / "serving.json").read_text())
    assert [part["split"] for part in origin["training_data"]] == ["train", "train"]
