"""The whole training command, in this process, on tiny clips; a few calls through a real process."""

import gzip
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from simone_tf import command, train
from simone_tf.data.records import shard_name, write_shard

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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def resumed(tmp_path_factory, clips, run):
    """The same six steps in two sessions; the second takes its config from the run folder."""
    run_dir = tmp_path_factory.mktemp("runs") / "resumed"
    train.main(arguments(run_dir, clips, *RESUMED, "num_steps = 3"))
    shutil.copytree(run_dir, run_dir.parent / "half")
    train.main([f"--run_dir={run_dir}", "--gin_param=num_steps = 6"])
    return run_dir


def test_resume_is_exact(run, resumed):
    assert_same_weights(run, resumed, 3)
    assert_same_weights(run, resumed, 6)
    first, last = weights(run, 3), weights(run, 6)
    moved = [name for name, value in first.items() if not np.array_equal(value, last[name])]
    assert len(moved) > 0.9 * len(first)
    both = [json.loads((folder / "metrics.json").read_text()) for folder in (run, resumed)]
    for metrics in both:
        metrics.pop("session_seconds")
    assert both[0] == both[1]


def test_resume_keeps_the_config_of_the_run(run, resumed):
    assert (resumed / "config.gin").read_text() == (run / "config.gin").read_text()
    half = (resumed.parent / "half" / "config.gin").read_text()
    assert half.replace("num_steps = 3", "num_steps = 6") == (run / "config.gin").read_text()


def test_metrics_and_pictures(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["step"] == 6
    assert metrics["num_clips"] == 3
    assert metrics["seed"] == 0
    assert metrics["frames"] == 2
    assert metrics["resolution"] == [SIZE, SIZE]
    assert metrics["split"] == "test"
    assert -1 <= metrics["video_ari_foreground"] <= 1
    assert 0 < metrics["reconstruction_mse"] < 1
    trained = [name for name in weights(run, 6) if name.startswith("average/averages")]
    assert metrics["parameters"] == sum(weights(run, 6)[name].size for name in trained)
    names = sorted(path.name for path in (run / "pictures").iterdir())
    assert names == sorted(
        f"{kind}_{index}.{ending}"
        for kind in ("decomposition", "recomposition")
        for index in (0, 1)
        for ending in ("gif", "png")
    )
    for name in names:
        with Image.open(run / "pictures" / name) as picture:
            picture.verify()
    assert sorted(path.name for path in (run / "checkpoints").glob("*.index")) == ["ckpt-3.index", "ckpt-6.index"]
    assert json.loads((run / "best" / "best.json").read_text())["metric"] == "video_ari_foreground"
    assert sum(path.name.startswith("events.out.tfevents") for path in run.iterdir()) == 1
    # Nothing temporary is left.
    known = {"best", "checkpoints", "config.gin", "metrics.json", "pictures"}
    assert {path.name for path in run.iterdir() if not path.name.startswith("events")} == known


def test_a_finished_run_prints_its_table_again(resumed, capsys):
    before = weights(resumed, 6)
    train.main([f"--run_dir={resumed}"])
    lines = capsys.readouterr().out.splitlines()
    table = {line.split()[0]: line.split()[1:] for line in lines if len(line.split()) > 1}
    assert table["step"][0] in ("6", "6/6")
    assert float(table["video_ari_foreground"][0]) == pytest.approx(
        json.loads((resumed / "metrics.json").read_text())["video_ari_foreground"], abs=1e-4
    )
    after = weights(resumed, 6)
    assert all(np.array_equal(value, after[name]) for name, value in before.items())


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


def test_a_learning_rate_that_explodes_stops_and_keeps_the_checkpoint(resumed, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(resumed, run_dir)
    line = fails(capsys, [f"--run_dir={run_dir}", "--gin_param=num_steps = 9", "--gin_param=learning_rate = 1e20"])
    assert "Step 7: update_norm is inf" in line
    assert "learning rate" in line
    assert_same_weights(run_dir, resumed, 6)
    assert sorted(path.name for path in (run_dir / "checkpoints").glob("*.index")) == ["ckpt-3.index", "ckpt-6.index"]
    # The advice works.
    cheaper = [f"--gin_param={param}" for param in ("num_steps = 7", "learning_rate = 1e-4", "train.num_pictures = 0")]
    train.main([f"--run_dir={run_dir}", *cheaper])
    assert (run_dir / "checkpoints" / "ckpt-7.index").exists()


def test_another_model_neither_restores_nor_overwrites(resumed, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(resumed, run_dir)
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    line = fails(capsys, [f"--run_dir={run_dir}", "--gin_param=PixelDecoder.hidden_size = 9"])
    assert "another architecture" in line
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


class BadData:
    """Makes folders that a run must refuse."""

    def __init__(self, clips, folder):
        self.folder = folder / "data"
        shutil.copytree(clips, self.folder)

    def path(self, split="train", index=0):
        return self.folder / shard_name(split, index, 2 if split == "train" else 1)

    def missing(self):
        shutil.rmtree(self.folder)
        return str(self.folder), "does not exist"

    def empty(self):
        for path in self.folder.iterdir():
            path.unlink()
        return str(self.folder), "holds no such file"

    def no_held_out(self):
        self.path("test").unlink()
        return str(self.folder), "test-NNNNN-of-NNNNN"

    def zero_bytes(self):
        self.path(index=1).write_bytes(b"")
        return str(self.path(index=1)), "0 bytes"

    def held_out_zero_bytes(self):
        self.path("test").write_bytes(b"")
        return str(self.path("test")), "0 bytes"

    def cut_in_the_first_record(self):
        self.path().write_bytes(self.path().read_bytes()[:100])
        return str(self.path()), "cut off"

    def noise(self):
        self.path().write_bytes(np.random.default_rng(0).bytes(5000))
        return str(self.path()), "not a TFRecord file"

    def a_picture(self):
        Image.new("RGB", (8, 8)).save(self.path(), "png")
        return str(self.path()), "not a TFRecord file"

    def another_schema(self):
        example = tf.train.Example()
        example.features.feature["image"].bytes_list.value.append(b"1234")
        with tf.io.TFRecordWriter(str(self.path())) as writer:
            writer.write(example.SerializeToString())
        return str(self.path()), "no feature schema_version"

    def no_example(self):
        with tf.io.TFRecordWriter(str(self.path())) as writer:
            writer.write(b"\xff\xfe not an example")
        return str(self.path()), "not a tf.train.Example"

    def other_size(self):
        for index in range(2):
            write_shard(self.path(index=index), make_clips(2, 0, size=16))
        return str(self.folder), "16x16"

    def held_out_other_size(self):
        write_shard(self.path("test"), make_clips(2, 0, size=16))
        return str(self.folder), "16x16"

    def too_few_frames(self):
        for index in range(2):
            write_shard(self.path(index=index), make_clips(2, 0, frames=1))
        return str(self.folder), "clips of 1 frames"


@pytest.mark.parametrize("kind", [name for name in vars(BadData) if name not in ("path",) and name[0] != "_"])
def test_bad_data_is_refused_before_a_run_is_made(clips, tmp_path, capsys, kind):
    data = BadData(clips, tmp_path)
    named, found = getattr(data, kind)()
    run_dir = tmp_path / "run"
    line = fails(capsys, arguments(run_dir, data.folder))
    assert named in line
    assert found in line
    assert not run_dir.exists()


def cut_at_the_end(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip_in_gzip(path):
    packed = bytearray(gzip.compress(path.read_bytes(), mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)


def one_longer_clip(path):
    write_shard(path, [*make_clips(2, 0), *make_clips(1, 0, size=16)])


@pytest.mark.parametrize(
    ("split", "damage"), [("train", cut_at_the_end), ("train", flip_in_gzip), ("test", one_longer_clip)]
)
def test_data_that_is_damaged_further_on(clips, resumed, tmp_path, capsys, split, damage):
    """Met while training or scoring; a run that is there already is only gone on with, and stays whole."""
    folder = tmp_path / "data"
    shutil.copytree(clips, folder)
    path = folder / shard_name(split, 0, 2 if split == "train" else 1)
    damage(path)
    run_dir = tmp_path / "run"
    shutil.copytree(resumed, run_dir)
    flags = [f"{part}/ClipRecords.data_dir = '{folder}'" for part in ("training", "held_out")]
    flags = [f"--gin_param={flag}" for flag in (*flags, "num_steps = 12")]
    line = fails(capsys, [f"--run_dir={run_dir}", *flags])
    assert str(path) in line
    assert_same_weights(run_dir, resumed, 6)


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("PixelDecoder.hiden_size = 3", ["PixelDecoder", "hiden_size"]),
        ("PixelDecodr.hidden_size = 3", ["PixelDecodr"]),
        ("train.modle = @SIMONe", ["modle"]),
        ("train.model = @SIMON", ["SIMON"]),
        ("train.num_steps = %number_of_steps", ["number_of_steps"]),
        ("num_stpes = 3", ["num_stpes"]),
        ("train.num_steps = ", ["train.num_steps"]),
        ("train.num_steps", ["train.num_steps"]),
        ("train.precision = 'float16'", ["train.precision", "float16", "mixed_bfloat16"]),
        ("train.microbatch_size = 3", ["train.microbatch_size", "3"]),
        ("batch_size = 0", ["batch_size is 0"]),
        ("Encoder.slot_grid = (3, 3)", ["Encoder.slot_grid", "(3, 3)"]),
        ("Encoder.feature_map = (6, 6)", ["Encoder.feature_map", "6x6"]),
        ("SIMONe.sampling = 'some'", ["SIMONe.sampling", "some"]),
        ("training_batches.window = 'end'", ["window", "end"]),
        ("training/ClipRecords.data_dir = 'package:nothing'", ["nothing"]),
    ],
)
def test_a_wrong_binding_is_named(clips, tmp_path, capsys, param, words):
    run_dir = tmp_path / "run"
    line = fails(capsys, arguments(run_dir, clips, param))
    for word in words:
        assert word in line
    assert not run_dir.exists()


def test_missing_gin_files_and_folders_are_named(clips, tmp_path, capsys):
    line = fails(capsys, arguments(tmp_path / "run", clips, gin_file=tmp_path / "nothing.gin"))
    assert str(tmp_path / "nothing.gin") in line
    (tmp_path / "half.gin").write_text("include 'models/nothing.gin'\n")
    line = fails(capsys, arguments(tmp_path / "run", clips, gin_file=tmp_path / "half.gin"))
    assert "models/nothing.gin" in line
    (tmp_path / "few.gin").write_text("train.num_steps = 3\n")
    line = fails(capsys, [f"--run_dir={tmp_path / 'run'}", f"--gin_file={tmp_path / 'few.gin'}"])
    assert "held_out_clips" in line
    (tmp_path / "noise.gin").write_bytes(bytes(range(128, 256)))
    line = fails(capsys, [f"--run_dir={tmp_path / 'run'}", f"--gin_file={tmp_path / 'noise.gin'}"])
    assert str(tmp_path / "noise.gin") in line
    assert "--gin_file" in fails(capsys, [f"--run_dir={tmp_path / 'run'}"])
    assert "--run_dir is missing" in fails(capsys, [f"--gin_file={QUICKSTART}"])
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_cannot_be_written_is_named(clips, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for run_dir in (tmp_path / "file", tmp_path / "file" / "run"):
        line = fails(capsys, arguments(run_dir, clips))
        assert f"--run_dir={run_dir} cannot be written" in line
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "cannot be written" in fails(capsys, arguments(tmp_path / "locked", clips))


def start(flags, **options):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "simone_tf.train", *flags],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and what they start, ignore SIGINT; the process under test must not inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def test_the_process_ends_with_code_2_and_one_sentence(tmp_path):
    process = start(arguments(tmp_path / "run", tmp_path / "nowhere"))
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert output == ""
    assert "Traceback" not in errors
    told = [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1
    assert str(tmp_path / "nowhere") in told[0]


def test_an_interrupted_process_saves_and_goes_on(clips, tmp_path):
    run_dir = tmp_path / "run"
    endless = ["num_steps = 100000000", "train.log_every = 10", "train.checkpoint_every = 0"]
    process = start(arguments(run_dir, clips, *endless))
    assert process.stdout.readline().startswith("step 10/")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Interrupted" in errors
    (saved,) = (run_dir / "checkpoints").glob("*.index")
    step = int(saved.stem.removeprefix("ckpt-"))
    assert step >= 10
    assert weights(run_dir, step)["step/.ATTRIBUTES/VARIABLE_VALUE"] == step


def test_the_command_needs_no_working_folder(clips, tmp_path, monkeypatch):
    """Includes are found beside the gin file; `train` is what gin knows whether it is run or imported."""
    monkeypatch.chdir(tmp_path)
    assert importlib.import_module("simone_tf.train") is train
    with pytest.raises(SystemExit, match="0"):
        train.main(["--help"])
