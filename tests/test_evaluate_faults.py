"""Evaluations that are refused, interrupted, or of data that lack ground truth."""

import shutil

import pytest

from simone_tf import evaluate
from simone_tf.cli import command
from simone_tf.evaluation.clip_measures import ClipMeasures
from simone_tf.runs import evaluate_run

from quick_evaluation import flags_of, metrics_of, quick_settings, write_rich
from rich_set import COUNTS, FRAMES, rich_clips, write_set
from tiny_run import SIZE, fails, make_clips


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return write_rich(tmp_path_factory.mktemp("rich"))


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch):
    monkeypatch.setattr(evaluate_run, "ProbeSettings", quick_settings)


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


@pytest.mark.parametrize(
    ("missing", "sentences"),
    [
        (
            ("segments",),
            [
                "This dataset has no `segments`: ARI, mIoU and mBO need them; reconstruction metrics were computed.",
                "This dataset has no `segments`: no trajectory probes.",
                "This dataset has no `segments`: no attribute probes.",
            ],
        ),
        (("camera", "object_positions", "object_attributes"), None),
    ],
)
def test_data_that_lack_ground_truth(copied, tmp_path, missing, sentences, capsys):
    def poor(count, seed):
        return ({k: v for k, v in clip.items() if k not in missing} for clip in rich_clips(count, seed))

    data = write_set(tmp_path / "poor", poor, camera_convention="yaw_pitch")
    evaluate.main(flags_of(copied, data, "--num_pictures=1"))
    metrics = metrics_of(copied)
    assert metrics["reconstruction"]["psnr"]["num"] == COUNTS["test"]
    assert ("segments" in missing) == (metrics["segmentation"] == {})
    assert (copied / "evaluation" / "report.html").exists()
    if sentences:
        assert metrics["not_computed"] == sentences
        assert {row["probe"] for row in metrics["probes"]} == {"camera"}
        assert sentences[0] in capsys.readouterr().out
    else:
        assert len(metrics["not_computed"]) == 3
        assert not (copied / "evaluation" / "probe_training").exists()


def test_all_runs_are_looked_at_before_the_first_is_evaluated(copied, rich, tmp_path, capsys):
    line = fails(capsys, [f"--run_dir={copied}", *flags_of(tmp_path / "nowhere", rich)], main=evaluate.main)
    assert "nowhere holds no run (no config.gin)" in line
    assert not (copied / "evaluation").exists()
    shutil.copytree(copied, tmp_path / "untrained", ignore=shutil.ignore_patterns("ckpt-*", "checkpoint"))
    line = fails(capsys, [f"--run_dir={copied}", *flags_of(tmp_path / "untrained", rich)], main=evaluate.main)
    assert "holds no checkpoint" in line
    assert not (copied / "evaluation").exists()


def test_other_data_than_the_model_takes_are_refused(copied, tmp_path, capsys):
    data = write_set(tmp_path / "large", lambda count, seed: make_clips(count, seed, FRAMES, 2 * SIZE))
    line = fails(capsys, flags_of(copied, data), main=evaluate.main)
    assert "frame_size is 8x8" in line
    assert not (copied / "evaluation" / "metrics.json").exists()


def test_a_folder_that_cannot_be_written_is_told(copied, rich, capsys):
    (copied / "evaluation").write_text("in the way")
    assert "cannot be written" in fails(capsys, flags_of(copied, rich), main=evaluate.main)


def test_ctrl_c_is_told(copied, rich, monkeypatch, capsys):
    def interrupt(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(ClipMeasures, "__call__", interrupt)
    with pytest.raises(SystemExit) as caught:
        command.run(lambda: evaluate.main(flags_of(copied, rich)))
    assert caught.value.code == 130
    assert "goes on from there" in capsys.readouterr().err
