"""What the tests of the training command share: tiny clips, the flags of a tiny run, a whole and a resumed run."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from simone_tf import train
from simone_tf.cli import command
from simone_tf.data.formats.write_records import shard_name, write_shard

REPOSITORY = pathlib.Path(__file__).parents[1]
QUICKSTART = REPOSITORY / "gin" / "quickstart.gin"
FRAMES, SIZE = 3, 8
TINY = (
    "train.num_frames = 2",
    f"train.frame_size = ({SIZE}, {SIZE})",
    "train.steps_per_loop = 2",
    "train.evaluation_batch_size = 2",
    "train.num_pictures = 2",
    "Encoder.feature_map = (4, 4)",
    "Encoder.slot_grid = (2, 2)",
    "Encoder.conv_channels = 4",
    "Encoder.width = 8",
    "Transformer.num_heads = 1",
    "Transformer.head_size = 4",
    "Transformer.mlp_size = 8",
    "LatentHead.latent_size = 3",
    "LatentHead.hidden_size = 8",
    "PixelDecoder.hidden_size = 8",
    "PixelDecoder.num_hidden_layers = 2",
    "RandomQueries.num_pixels = 20",
    "batch_size = 2",
    "warmup_steps = 2",
    "WarmupCosine.decay_steps = 8",
)


def make_clips(count, seed, frames=FRAMES, size=SIZE):
    """Clips of a square that moves over a floor."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        segments = np.zeros((frames, size, size), np.uint8)
        row, column = rng.integers(0, size - 4, 2)
        for frame in range(frames):
            segments[frame, row : row + 3, column + frame % 2 : column + frame % 2 + 3] = 1
        colours = rng.integers(0, 256, (2, 3))
        yield {"video": colours[segments].astype(np.uint8), "segments": segments}


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Five clips to train on in two files, three to score."""
    folder = tmp_path_factory.mktemp("clips")
    write_shard(folder / shard_name("train", 0, 2), make_clips(3, 0))
    write_shard(folder / shard_name("train", 1, 2), make_clips(2, 1))
    write_shard(folder / shard_name("test", 0, 1), make_clips(3, 2))
    return folder


def arguments(run_dir, clips, *params, gin_file=QUICKSTART):
    folders = [f"{part}/ClipRecords.data_dir = '{clips}'" for part in ("training", "held_out")]
    flags = [f"--run_dir={run_dir}"] + ([f"--gin_file={gin_file}"] if gin_file else [])
    return flags + [f"--gin_param={param}" for param in (*TINY, *folders, *params)]


def weights(run_dir, step):
    """Every number of a checkpoint that is trained or counted, by its name on disk."""
    reader = tf.train.load_checkpoint(str(run_dir / "checkpoints" / f"ckpt-{step}"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {name: reader.get_tensor(name) for name in names if not name.startswith("save_counter")}


def assert_same_weights(run_a, run_b, step):
    a, b = weights(run_a, step), weights(run_b, step)
    assert set(a) == set(b)
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


@pytest.fixture(scope="session")
def run(tmp_path_factory, clips):
    """A run of six steps in one go: batches of 2 of 5 clips, so that three epochs meet in them."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    train.main(arguments(run_dir, clips, *RESUMED, "num_steps = 6"))
    return run_dir


# Random windows, shuffled records that are read as they come, mirrored clips, noise and a choice of pixels.
RESUMED = (
    "training_batches.cache = False",
    "training_batches.shuffle_buffer = 3",
    "SIMONe.sampling = 'per_pixel'",
    "train.evaluate_every = 3",
    "train.checkpoint_every = 3",
)


@pytest.fixture(scope="session")
def resumed(tmp_path_factory, clips, run):
    """The same six steps in two sessions; the second takes its config from the run folder."""
    run_dir = tmp_path_factory.mktemp("runs") / "resumed"
    train.main(arguments(run_dir, clips, *RESUMED, "num_steps = 3"))
    shutil.copytree(run_dir, run_dir.parent / "half")
    train.main([f"--run_dir={run_dir}", "--gin_param=num_steps = 6"])
    return run_dir


def fails(capsys, flags, main=train.main):
    """Runs a command as `python -m` would; returns its one line on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        command.run(lambda: main(flags))
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    return lines[0]
