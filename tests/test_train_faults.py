"""What a user of the training command can do wrong, and what can go wrong around it: one sentence each."""

import gzip
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from simone_tf import train
from simone_tf.data.records import shard_name, write_shard

from tiny_run import QUICKSTART, arguments, assert_same_weights, fails, make_clips


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
