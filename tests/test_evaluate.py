"""The evaluate command on a tiny trained run: whole, ended and resumed, and on data that lack or hold this and that."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from simone_tf import evaluate, locks
from simone_tf.data.formats.write_records import shard_name, write_shard
from simone_tf.evaluation.clip_measures import ClipMeasures
from simone_tf.evaluation.report import tables
from simone_tf.runs import evaluate_run

from lock_owner import owner_of
from quick_evaluation import flags_of, metrics_of, quick_settings, write_rich
from rich_set import COUNTS, rich_clips
from tiny_run import fails


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return write_rich(tmp_path_factory.mktemp("rich"))


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch):
    monkeypatch.setattr(evaluate_run, "ProbeSettings", quick_settings)


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


@pytest.fixture(scope="module")
def evaluated(run, rich, tmp_path_factory):
    """One whole evaluation; the tests that change something take a copy."""
    run_dir = shutil.copytree(run, tmp_path_factory.mktemp("evaluated") / "run")
    # The run may be in training meanwhile.
    with pytest.MonkeyPatch.context() as patch, owner_of(locks.inside(run_dir, "train")):
        patch.setattr(evaluate_run, "ProbeSettings", quick_settings)
        evaluate.main(flags_of(run_dir, rich, "--num_pictures=2"))
    return run_dir / "evaluation"


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_are_those_that_the_training_reports(run, copied):
    evaluate.main(flags_of(copied, None, "--num_pictures=0"))
    trained, metrics = json.loads((run / "metrics.json").read_text()), metrics_of(copied)
    for name in ("video_ari_foreground", "video_ari", "static_ari_foreground", "static_ari"):
        assert metrics["segmentation"][name]["mean"] == pytest.approx(trained[name], abs=1e-6), name
        assert metrics["segmentation"][name]["std"] == pytest.approx(trained[f"{name}_std"], abs=1e-6), name
    assert metrics["reconstruction"]["mse"]["mean"] == pytest.approx(trained["reconstruction_mse"], rel=1e-4)
    assert "This dataset has no `camera`: no camera probes." in metrics["not_computed"]


def test_everything_is_written(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert metrics["run"]["num_clips"] == COUNTS["test"]
    assert (metrics["run"]["split"], metrics["run"]["step"], metrics["run"]["frames"]) == ("test", 6, 2)
    assert metrics["not_computed"] == []
    assert {row["probe"] for row in metrics["probes"]} == {"camera", "trajectory", "attribute"}
    for row in metrics["probes"]:
        assert (row["num_train_clips"], row["num_test_clips"]) == (COUNTS["train"], COUNTS["test"])
    coordinates = {row["coordinates"] for row in metrics["probes"] if "coordinates" in row}
    assert coordinates < {"world", "middle camera", "camera of frame 0", "camera of frame 1"}
    assert len(coordinates) == 2
    figures = {path.name for path in (evaluated / "figures").iterdir()}
    for name in ("decomposition_0", "recomposition_1", "crossing"):
        assert {f"{name}.png", f"{name}.gif"} <= figures
    assert Image.open(evaluated / "figures" / "crossing.gif").n_frames == 2


def test_tables_hold_what_the_metrics_do(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    measures = {(row["table"], row["measure"]): float(row["mean"]) for row in table(evaluated / "measures.csv")}
    assert measures["segmentation", "video_ari"] == metrics["segmentation"]["video_ari"]["mean"]
    assert measures["latents", "object_kl"] == metrics["latents"]["object_kl"]["mean"]
    clips = table(evaluated / "clips.csv")
    assert [int(row["clip"]) for row in clips] == list(range(COUNTS["test"]))
    assert np.mean([float(row["psnr"]) for row in clips]) == pytest.approx(metrics["reconstruction"]["psnr"]["mean"])
    for probe in ("camera", "trajectory", "attribute"):
        rows = [row for row in metrics["probes"] if row["probe"] == probe]
        written = table(evaluated / f"{probe}_probes.csv")
        assert [row["input"] for row in written] == [row["input"] for row in rows]


def test_the_report_holds_the_numbers_of_the_metrics(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    page = (evaluated / "report.html").read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    for name, value in metrics["segmentation"].items():
        assert f"{value['mean']:.3f} ± {value['std']:.3f}".replace("-0.000", "0.000") in cells, name
    for row in metrics["probes"]:
        if row.get("r2_mean") is not None:
            assert f"{row['r2_mean']:.3f} ± {row['r2_std']:.3f}".replace("-0.000", "0.000") in cells, row
    assert page.count('class="explorer"') >= 1
    assert "video ARI-F, held-out clips" in page
    assert "PixelDecoder.hidden_size" in page


class KilledError(Exception):
    pass


def count_measured(monkeypatch, end_after=None):
    """Counts the clips that are measured; with `end_after` the process is "killed" after so many batches."""
    counted, calls, measure = [], [], ClipMeasures.__call__

    def counting(self, batch):
        if end_after is not None and len(calls) == end_after:
            raise KilledError
        calls.append(batch)
        measured = measure(self, batch)
        counted.append(len(measured))
        return measured

    monkeypatch.setattr(ClipMeasures, "__call__", counting)
    return counted


def same_measures(folder, evaluated):
    for part in ("held_out", "probe_training"):
        a, b = (_load(path / part) for path in (folder, evaluated))
        assert set(a) == set(b)
        for name, value in a.items():
            np.testing.assert_allclose(value, b[name], rtol=2e-4, atol=1e-5, err_msg=f"{part} {name}")


def _load(folder):
    parts = [np.load(path) for path in sorted(folder.glob("clips-*.npz"))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0].files}


def test_an_evaluation_that_was_killed_goes_on(copied, rich, evaluated, monkeypatch):
    flags = flags_of(copied, rich, "--num_pictures=0")
    with monkeypatch.context() as patch:
        count_measured(patch, end_after=2)
        with pytest.raises(KilledError):
            evaluate.main(flags)
    assert not (copied / "evaluation" / "metrics.json").exists()
    # Another batch size, whose batches do not end where the finished clips do.
    with monkeypatch.context() as patch:
        counted = count_measured(patch)
        evaluate.main([*flags, "--batch_size=3"])
    assert sum(counted) == (COUNTS["test"] - 2 * 2 + 1) + COUNTS["train"]  # one finished clip shares a batch
    same_measures(copied / "evaluation", evaluated)
    with monkeypatch.context() as patch:
        counted = count_measured(patch)
        evaluate.main(flags)
    assert counted == []


def test_fewer_clips_than_are_stored_and_more_later(evaluated, tmp_path, rich, monkeypatch):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    counted = count_measured(monkeypatch)
    evaluate.main(flags_of(run_dir, rich, "--num_clips=3", "--num_probe_clips=5", "--num_pictures=0"))
    assert counted == []
    metrics = metrics_of(run_dir)
    assert metrics["run"]["num_clips"] == 3
    assert metrics["reconstruction"]["mse"]["num"] == 3
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in metrics["probes"]} == {(5, 3)}
    assert len(table(run_dir / "evaluation" / "clips.csv")) == 3
    evaluate.main(flags_of(run_dir, rich, "--num_pictures=0"))
    assert counted == []
    assert metrics_of(run_dir)["run"]["num_clips"] == COUNTS["test"]
    # Pictures that are not made any more would be another evaluation's.
    assert list((run_dir / "evaluation" / "figures").iterdir())
    evaluate.main(flags_of(run_dir, rich, "--num_clips=3", "--num_pictures=1"))
    assert not (run_dir / "evaluation" / "figures" / "decomposition_1.png").exists()


def test_other_settings_or_other_data_are_measured_anew(evaluated, tmp_path, rich, monkeypatch):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    counted = count_measured(monkeypatch)
    flags = flags_of(run_dir, rich, "--num_pictures=0", "--num_probe_clips=0")
    evaluate.main(flags)
    assert counted == []
    before = metrics_of(run_dir)["reconstruction"]["nats_per_pixel"]["mean"]
    evaluate.main([*flags, "--gin_param=PixelMixture.pixel_scale = 0.5"])
    assert sum(counted) == COUNTS["test"]
    assert metrics_of(run_dir)["reconstruction"]["nats_per_pixel"]["mean"] > before
    moved = shutil.copytree(rich, tmp_path / "rich")
    write_shard(moved / shard_name("test", 0, 1), rich_clips(COUNTS["test"], 99))
    evaluate.main(flags_of(run_dir, moved, "--num_pictures=0", "--num_probe_clips=0"))
    assert sum(counted) == 2 * COUNTS["test"]


def test_a_damaged_file_is_told_and_nothing_is_overwritten(evaluated, tmp_path, rich, capsys):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    before = (run_dir / "evaluation" / "metrics.json").read_bytes()
    path = run_dir / "evaluation" / "held_out" / "clips-00000002-00000004.npz"
    path.write_bytes(path.read_bytes()[:300])
    line = fails(capsys, flags_of(run_dir, rich), main=evaluate.main)
    assert "clips-00000002-00000004.npz is damaged" in line
    assert "delete it" in line
    assert (run_dir / "evaluation" / "metrics.json").read_bytes() == before
    path.unlink()
    evaluate.main(flags_of(run_dir, rich, "--num_pictures=0"))
    same_measures(run_dir / "evaluation", evaluated)


def test_without_the_training_clips_the_held_out_ones_are_split(copied, rich, tmp_path):
    only_test = tmp_path / "only_test"
    shutil.copytree(rich, only_test, ignore=shutil.ignore_patterns("train-*"))
    evaluate.main(flags_of(copied, only_test, "--num_pictures=0"))
    metrics = metrics_of(copied)
    assert metrics["not_computed"][0].startswith("The clips of the training cannot be read")
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in metrics["probes"]} == {(5, 2)}


def test_several_runs_are_summed_up(evaluated, tmp_path, rich, capsys):
    runs = [shutil.copytree(evaluated.parent, tmp_path / name) for name in "ab"]
    evaluate.main([f"--run_dir={runs[1]}", *flags_of(runs[0], rich, "--num_pictures=0")])
    output = capsys.readouterr().out
    assert "over 2 runs" in output
    mean = metrics_of(runs[0])["segmentation"]["video_ari"]["mean"]
    assert f"{'video_ari':32} {mean:.4f} +- 0.0000" in output


def test_probes_are_never_tested_on_the_clips_that_they_were_trained_on(copied, rich, capsys, monkeypatch):
    counted = count_measured(monkeypatch)
    flags = flags_of(copied, rich, "--num_pictures=0", "--gin_param=held_out/ClipRecords.split = 'train'")
    evaluate.main(flags)
    metrics = metrics_of(copied)
    assert metrics["probes"] == []
    (sentence,) = metrics["not_computed"]
    assert sentence.startswith(f"No probes: their clips to train on, {rich} (split 'train'), and the held-out ones, ")
    assert "train-00000-of-00001.tfrecord" in sentence
    assert "no score here tells how the model does on clips that it never saw" in metrics["notes"][0]
    assert metrics["reconstruction"]["psnr"]["num"] == COUNTS["train"] == sum(counted)
    assert not (copied / "evaluation" / "camera_probes.csv").exists()
    said = capsys.readouterr().out
    assert sentence in said
    assert "R2" not in said
    assert " ± " in (copied / "evaluation" / "report.html").read_text(encoding="utf-8")
    # What the sentence advises.
    evaluate.main([*flags, "--num_probe_clips=0"])
    metrics = metrics_of(copied)
    assert {(row["num_train_clips"], row["num_test_clips"]) for row in metrics["probes"]} == {(8, 2)}
    assert len(metrics["notes"]) >= 1


def test_how_an_evaluation_was_made_is_kept(evaluated, rich):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert metrics["run"]["flags"] == flags_of("", rich, "--num_pictures=2")[1:]
    assert evaluate._without_run_dirs(["--run_dir", "a", "--best", "--run_dir=b", "--num_clips", "3"]) == [
        "--best",
        "--num_clips",
        "3",
    ]


def test_a_control_is_printed_beside_every_probe(evaluated, capsys):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    tables.print_summary(metrics)
    lines = [line for line in capsys.readouterr().out.splitlines() if " from o_k, " in line and "accuracy" in line]
    assert len(lines) == 2
    shuffled = [row["score_shuffled_mean"] for row in metrics["probes"] if row.get("score") == "accuracy"]
    assert [line.rpartition("shuffled ")[2] for line in lines] == [f"{value:.3f}" for value in shuffled]


def test_the_latents_kl_is_printed(evaluated, capsys):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    tables.print_summary(metrics)
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    for latent, title in (("object", "KL of an object latent, nats"), ("frame", "KL of a frame latent, nats")):
        spread = metrics["latents"][f"{latent}_kl"]
        assert f"{title} {spread['mean']:.4f} +- {spread['std']:.4f}" in lines


def test_of_two_evaluations_of_a_run_the_second_is_told(evaluated, rich, tmp_path, capsys):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    folder = run_dir / "evaluation"
    (folder / "held_out" / ".clips-00000099-00000100.npz.abc.tmp").write_text("half")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with owner_of(locks.inside(folder, "evaluate")) as owner:
        line = fails(capsys, flags_of(run_dir, rich, "--num_pictures=0"), main=evaluate.main)
        assert f"{folder} is being written by process {owner.pid} on host" in line
        assert {path: path.read_bytes() for path in before} == before
