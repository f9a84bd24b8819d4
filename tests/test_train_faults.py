"""What a user of the training command can do wrong, and what can go wrong around it: one sentence each."""

import gzip
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from simone_tf import train
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.evaluation.held_out_pictures import Pictures
from simone_tf.training.step import TrainingStep

from tiny_run import QUICKSTART, RESUMED, arguments, assert_same_weights, fails, make_clips


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
    assert "PixelDecoder.hidden_size = 8, now it is 9" in line
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


def one_clip_of_larger_frames(path):
    write_shard(path, [*make_clips(2, 0), *make_clips(1, 0, size=16)])


@pytest.mark.parametrize(
    ("split", "damage"), [("train", cut_at_the_end), ("train", flip_in_gzip), ("test", one_clip_of_larger_frames)]
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


def test_steps_before_data_that_fails_are_kept_and_the_run_goes_on_exactly(clips, run, tmp_path, monkeypatch):
    run_dir, take = tmp_path / "run", TrainingStep.run

    def fail_at_four(step, *arguments):
        if int(step.step.numpy()) == 4:
            raise tf.errors.DataLossError(None, None, "a disk that had a bad moment")
        return take(step, *arguments)

    params = (*RESUMED, "num_steps = 6", "train.checkpoint_every = 0", "train.evaluate_every = 0")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "run", fail_at_four)
        with pytest.raises(tf.errors.DataLossError):
            train.main(arguments(run_dir, clips, *params))
    assert [path.name for path in (run_dir / "checkpoints").glob("*.index")] == ["ckpt-4.index"]
    train.main([f"--run_dir={run_dir}", "--gin_param=train.num_pictures = 0"])
    assert_same_weights(run_dir, run, 6)


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        (TrainingStep, "run", ["train.microbatch_size (2 clips now)"]),
        (HeldOut, "evaluate", ["train.evaluation_batch_size (2 clips now)", "train.evaluation_chunk_size (1024"]),
        (HeldOut, "first_clips", ["train.evaluation_batch_size", "train.evaluation_chunk_size"]),
    ],
)
def test_too_little_device_memory_names_what_to_lower(clips, tmp_path, capsys, monkeypatch, owner, name, words):
    def refuse(*arguments, **keywords):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9]")

    monkeypatch.setattr(owner, name, refuse)
    line = fails(capsys, arguments(tmp_path / "run", clips, "num_steps = 1"))
    for word in ("OOM when allocating", *words):
        assert word in line
    # Without a step there is nothing to go on from, and the next try may change what it likes.
    steps = [path.name for path in (tmp_path / "run" / "checkpoints").glob("*.index")]
    assert steps == ([] if owner is TrainingStep else ["ckpt-1.index"])


def test_data_that_is_gone_when_the_last_pictures_are_drawn(clips, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "data"
    shutil.copytree(clips, folder)
    save = Pictures.save

    def without_data(*arguments):
        for path in folder.glob("test-*"):
            cut_at_the_end(path)
        return save(*arguments)

    monkeypatch.setattr(Pictures, "save", without_data)
    line = fails(capsys, arguments(tmp_path / "run", folder, "num_steps = 1", "train.num_pictures = 3"))
    assert shard_name("test", 0, 1) in line


def test_a_place_for_pictures_that_is_taken_is_told(clips, tmp_path, capsys):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "pictures").write_text("a file")
    line = fails(capsys, arguments(run_dir, clips, "num_steps = 1", "train.num_pictures = 1"))
    assert str(run_dir / "pictures") in line


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
        ("batch_size = '2'", ["train.batch_size is '2'", "whole number"]),
        ("batch_size = True", ["train.batch_size is True"]),
        ("seed = -1", ["train.seed is -1"]),
        ("seed = 4294967296", ["train.seed is 4294967296"]),
        ("num_steps = '1'", ["train.num_steps is '1'"]),
        ("num_steps = 1.5", ["train.num_steps is 1.5"]),
        ("num_steps = (1,", ["num_steps = (1,"]),
        ("import nonexisting", ["nonexisting"]),
        ("include 'x.gin'", ["include 'x.gin'", "--gin_file"]),
        ("trainin/ClipRecords.split = 'train'", ["trainin/ClipRecords.split", "training"]),
        ("train.frame_size = (8,)", ["train.frame_size is (8,)"]),
        ("train.frame_size = 0", ["train.frame_size is 0"]),
        ("train.model = @SIMONe()", ["train.model", "@SIMONe"]),
        ("train.model = @Transformer", ["train.model", "Transformer"]),
        ("train.optimizer = @Adam()", ["train.optimizer", "@Adam"]),
        ("train.optimizer = @Transformer", ["train.optimizer", "Transformer"]),
        ("train.clips = 'x'", ["train.clips is 'x'", "ClipRecords()"]),
        ("train.clips = @training/ClipRecords", ["train.clips", "ClipRecords()"]),
        ("train.batches = 'x'", ["train.batches is 'x'"]),
        ("train.microbatch_size = -1", ["train.microbatch_size is -1"]),
        ("train.keep_checkpoints = 0", ["train.keep_checkpoints is 0"]),
        ("train.evaluation_chunk_size = 0", ["train.evaluation_chunk_size is 0"]),
        ("train.log_every = -1", ["train.log_every is -1"]),
        ("train.steps_per_loop = 2.0", ["train.steps_per_loop is 2.0"]),
        ("train.clip_norm = 'a'", ["train.clip_norm is 'a'"]),
        ("train.average_decay = 1.0", ["train.average_decay is 1.0"]),
        ("train.num_pictures = None", ["train.num_pictures is None"]),
        ("learning_rate = 'x'", ["WarmupCosine.peak is 'x'"]),
        ("Muon.learning_rate = 'x'", ["Muon.learning_rate is 'x'"]),
        ("Muon.momentum = 2", ["Muon.momentum is 2"]),
        ("Encoder.slot_grid = (2, 2, 2)", ["Encoder.slot_grid", "(2, 2, 2)"]),
        ("Encoder.width = 'x'", ["Encoder"]),
        ("PixelDecoder.hidden_size = 'x'", ["train.model cannot be built"]),
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


def test_an_address_is_no_run_folder(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = fails(capsys, arguments("gs://bucket/run", clips))
    assert "gs://bucket/run" in line
    assert "local folder" in line
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_cannot_be_written_is_named(clips, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for run_dir in (tmp_path / "file", tmp_path / "file" / "run"):
        line = fails(capsys, arguments(run_dir, clips))
        assert f"--run_dir={run_dir} cannot be written" in line
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        assert "cannot be written" in fails(capsys, arguments(tmp_path / "locked", clips))


def test_a_setting_of_a_wrong_type_is_told_before_anything_is_written(clips, tmp_path, capsys):
    run_dir = tmp_path / "run"
    line = fails(capsys, arguments(run_dir, clips, "SIMONe.alpha = 'a'"))
    assert "train.model (SIMONe) cannot be computed with its settings: " in line
    assert not run_dir.exists()
