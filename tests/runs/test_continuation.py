"""Going on with a run: what may have changed in its configuration, and what is refused before anything is written."""

import shutil
import types

import gin
import pytest

from simone_tf import train
from simone_tf.config import gin_files
from simone_tf.errors import UserError
from simone_tf.runs.continuation import check_alike
from simone_tf.training.trainer import Trainer

from tiny_run import QUICKSTART, arguments, fails

OTHER_RUNS = (
    ("seed = 1", ["train.seed = 0", "is 1"]),
    ("batch_size = 4", ["train.batch_size = 2", "is 4"]),
    ("train.best_metric = 'video_ari'", ["train.best_metric = 'video_ari_foreground'", "is 'video_ari'"]),
    ("train.num_frames = 1", ["train.num_frames = 2", "is 1"]),
    ("SIMONe.beta_objects = 0.5", ["SIMONe.beta_objects = 0.000125", "is 0.5"]),
    ("SIMONe.queries = @StridedQueries()", ["SIMONe.queries = @RandomQueries()", "is @StridedQueries()"]),
    ("training_batches.mirror = False", ["training_batches.mirror = True", "is False"]),
    ("training/ClipRecords.split = 'test'", ["training/ClipRecords.split = 'train'", "is 'test'"]),
    ("training/ClipRecords.crop = (0, 0, 8, 8)", ["training/ClipRecords.crop = None", "(0, 0, 8, 8)"]),
)


@pytest.mark.parametrize(("param", "words"), OTHER_RUNS, ids=[param.split(" ")[0] for param, _ in OTHER_RUNS])
def test_a_run_goes_on_with_nothing_else_than_it_is(resumed, tmp_path, capsys, param, words):
    run_dir = tmp_path / "run"
    shutil.copytree(resumed, run_dir)
    if "crop" in param:  # A run of a library that did not know the argument yet had its default.
        stored = (run_dir / "config.gin").read_text()
        assert stored.count("ClipRecords.crop = None\n") == 2
        (run_dir / "config.gin").write_text(
            "".join(line for line in stored.splitlines(keepends=True) if "ClipRecords.crop" not in line)
        )
        train.main([f"--run_dir={run_dir}", "--gin_param=train.num_pictures = 0"])
        capsys.readouterr()
    before = {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    line = fails(capsys, [f"--run_dir={run_dir}", f"--gin_param={param}"])
    for word in (str(run_dir), *words):
        assert word in line
    assert {path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before


def test_a_run_goes_on_with_other_periods_and_folders(resumed, clips, tmp_path, capsys):
    run_dir, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(resumed, run_dir)
    shutil.copytree(clips, moved)
    params = (
        "num_steps = 7",
        "learning_rate = 1e-4",
        "warmup_steps = 1",
        "train.log_every = 1",
        "train.evaluate_every = 0",
        "train.keep_checkpoints = 1",
        "train.num_pictures = 0",
        "train.num_held_out_clips = 1",
        "train.evaluation_chunk_size = 7",
        "train.microbatch_size = 1",
        f"training/ClipRecords.data_dir = '{moved}'",
    )
    train.main([f"--run_dir={run_dir}", *(f"--gin_param={param}" for param in params)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "Going on with other data" in line]
    assert lines == [f"Going on with other data: training/ClipRecords.data_dir was '{clips}', it is '{moved}'."]
    assert (run_dir / "checkpoints" / "ckpt-7.index").exists()
    assert f"training/ClipRecords.data_dir = \\\n    '{moved}'" in (run_dir / "config.gin").read_text()


def test_a_folder_without_a_checkpoint_binds_nobody(clips, tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "config.gin").write_text("train.seed = 1\n")
    train.main(arguments(run_dir, clips, "num_steps = 1", "train.num_pictures = 0", "train.num_held_out_clips = 1"))
    assert "seed = 0" in (run_dir / "config.gin").read_text()


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("seed = 1", "train.seed = 0, now it is 1"),
        ("PixelDecoder.hidden_size = 9", "PixelDecoder.hidden_size = 8, now it is 9"),
        ("train.best_metric = 'video_ari'", "train.best_metric = 'video_ari_foreground', now it is 'video_ari'"),
    ],
)
def test_a_run_that_was_ended_before_its_first_checkpoint_is_no_other_run(
    clips, tmp_path, capsys, monkeypatch, param, words
):
    run_dir = tmp_path / "run"
    few = ("num_steps = 1", "train.num_pictures = 0", "train.num_held_out_clips = 1")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train.main(arguments(run_dir, clips, *few))
    assert not list(run_dir.rglob("ckpt-*"))
    stored = (run_dir / "config.gin").read_bytes()
    line = fails(capsys, arguments(run_dir, clips, *few, param))
    assert f"The run in {run_dir} was started with {words}" in line
    assert (run_dir / "config.gin").read_bytes() == stored
    assert not list(run_dir.rglob("ckpt-*"))
    if param.startswith("seed"):
        train.main(arguments(run_dir, clips, *few, "learning_rate = 1e-4"))
        assert (run_dir / "checkpoints" / "ckpt-1.index").exists()


def test_workers_with_different_configurations_are_told_before_anything_is_built():
    def digest(*params):
        seen = []
        gin_files.parse_config([str(QUICKSTART)], params)
        check_alike(types.SimpleNamespace(count=2, is_alike=lambda value: seen.append(value) or True))
        gin.clear_config()
        return seen[0]

    assert digest() == digest()
    assert digest() == digest("training/ClipRecords.data_dir = '/data'", "training_batches.cache = '/scratch'")
    assert digest() != digest("seed = 1")
    assert digest("train.max_minutes = 1") != digest("train.max_minutes = 2")
    gin_files.parse_config([str(QUICKSTART)])
    with pytest.raises(UserError, match="different configurations or versions: start the same command on all"):
        check_alike(types.SimpleNamespace(count=2, is_alike=lambda value: False))
    gin.clear_config()
