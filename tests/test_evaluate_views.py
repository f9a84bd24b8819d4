"""The evaluate command's unseen views: a model that draws the truth, by the whole way from records to the report."""

import csv
import dataclasses
import json
import shutil

import pytest

from simone_tf import evaluate
from simone_tf.data.formats.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.evaluation.report import tables
from simone_tf.evaluation.views.clip_views import ViewMeasures
from simone_tf.runs.evaluate_run import evaluate_run
from simone_tf.runs.load import load_run

from report_page import Page
from tiny_run import fails
from view_world import SIZE, TurningCamera, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"), {"train": 3, "test": 5})


def run_in(run_dir, world):
    """A run whose model draws the truth of the world's clips."""
    run = load_run(str(run_dir))
    clips = {name: ClipRecords(str(world), split) for name, split in (("clips", "train"), ("held_out_clips", "test"))}
    settings = dataclasses.replace(run.settings, num_frames=3, frame_size=SIZE, evaluation_batch_size=2, **clips)
    return run._replace(model=TurningCamera(), settings=settings)


@pytest.fixture(scope="module")
def evaluated(colour_run, world, tmp_path_factory):
    run_dir = shutil.copytree(colour_run, tmp_path_factory.mktemp("evaluated") / "run")
    evaluate_run(run_in(run_dir, world), num_probe_clips=0, num_pictures=2)
    return run_dir / "evaluation"


def test_the_truth_has_the_limit_of_every_score(evaluated):
    views = json.loads((evaluated / "metrics.json").read_text())["views"]
    assert list(views) == ["between", "beyond", "sweep"]
    assert (views["sweep"]["context_frames"], views["sweep"]["unseen_frames"]) == (3, 4)
    for result in views.values():
        assert result["unseen"]["psnr"] == {"mean": 100.0, "std": 0.0, "num": 5}
        assert result["unseen"]["ssim"]["mean"] == pytest.approx(1.0, abs=1e-5)
        for what in ("context", "unseen", "all"):
            assert result[what]["video_ari_foreground"] == {"mean": 1.0, "std": 0.0, "num": 5}
        assert result["nearest"]["psnr"]["mean"] < 50.0
        assert result["mean_image"]["psnr"]["mean"] < 30.0
        assert result["latents"]["object_kl"]["num"] == 5
        assert "rate_distortion" not in result  # The model has no likelihood.


def test_tables_and_page_hold_what_the_metrics_do(evaluated, capsys):
    summary = json.loads((evaluated / "metrics.json").read_text())
    with open(evaluated / "measures.csv", newline="") as file:
        measures = {(row["table"], row["measure"]): row["mean"] for row in csv.DictReader(file)}
    nearest = summary["views"]["sweep"]["nearest"]["psnr"]["mean"]
    assert float(measures["views/sweep", "nearest_psnr"]) == nearest
    with open(evaluated / "clips.csv", newline="") as file:
        of_clips = [float(row["sweep_nearest_psnr"]) for row in csv.DictReader(file)]
    assert sum(of_clips) / 5 == pytest.approx(nearest)
    page = Page((evaluated / "report.html").read_text(encoding="utf-8"))
    assert f"{nearest:.3f} ± {summary['views']['sweep']['nearest']['psnr']['std']:.3f}" in page.cells
    assert "100.0 dB" in page.cells
    words = " ".join(page.words)
    for heading in ("View synthesis (section 4.1)", "Move the camera", "Views all around the scene (Figure 3)"):
        assert heading in words
    assert all(address.startswith("data:") for address in page.addresses)
    tables.print_summary(summary)
    printed = capsys.readouterr().out
    assert "views all around the scene: 4 frames drawn after 3 were seen" in printed
    assert f"PSNR, dB {nearest:.4f}" in printed
    for task in summary["views"].values():
        task["unseen_frames"] = task["context_frames"] = 1
    tables.print_summary(summary)
    assert "views all around the scene: 1 frame drawn after 1 was seen" in capsys.readouterr().out
    assert {"views_0.png", "views_1.gif", "fly_around_0.gif"} <= {
        path.name for path in (evaluated / "figures").iterdir()
    }


def test_views_are_measured_once_and_anew_after_another_number_of_frames(evaluated, world, tmp_path, monkeypatch):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    counted, measure = [], ViewMeasures.__call__
    monkeypatch.setattr(ViewMeasures, "__call__", lambda self, batch: counted.append(1) or measure(self, batch))
    run = run_in(run_dir, world)
    before = json.loads((evaluated / "metrics.json").read_text())["views"]
    assert evaluate_run(run, num_probe_clips=0, num_pictures=0)["views"] == before
    assert counted == []
    views = evaluate_run(run, num_probe_clips=0, num_pictures=0, num_context_frames=1)["views"]
    assert len(counted) == 3
    assert list(views) == ["beyond", "sweep"]
    assert {result["context_frames"] for result in views.values()} == {1}


def test_without_the_training_s_clips_the_mean_image_is_that_of_the_held_out_ones(evaluated, world, tmp_path):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation"))
    alone = shutil.copytree(world, tmp_path / "alone", ignore=shutil.ignore_patterns("train-*"))
    summary = evaluate_run(run_in(run_dir, alone), num_probe_clips=0, num_pictures=0)
    assert any("is that of the held-out clips" in note for note in summary["notes"])
    assert summary["views"]["between"]["unseen"]["psnr"]["mean"] == 100.0


def test_frames_that_cannot_be_seen_are_told(evaluated, world, tmp_path, capsys):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    line = fails(capsys, [f"--run_dir={run_dir}", "--num_context_frames=0"], main=evaluate.main)
    assert "--num_context_frames=0 is out of range: choose 1 or more" in line
    with pytest.raises(UserError, match="--num_context_frames=4: the model was trained on clips of 3 frames"):
        evaluate_run(run_in(run_dir, world), num_context_frames=4)
