"""Table 1 in small: what is written of runs made by hand, and the whole with two steps of every model."""

import csv
import json
import os
import pathlib
import statistics

import numpy as np
import pytest
from PIL import Image

from simone_tf.errors import UserError

from loaded_tool import load_tool


@pytest.fixture(scope="module")
def tool():
    return load_tool("table1")


def write_run(folder, static, video, flags, seed=0, step=10, seconds=90.0):
    """What a training and an evaluation leave in a run's folder, as far as the table reads it."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "checkpoint").write_text("")
    (folder / "metrics.json").write_text(
        json.dumps({"step": step, "parameters": 1234, "session_seconds": seconds, "seed": seed})
    )
    (folder / "evaluation").mkdir()
    scores = {"static_ari_foreground": static, "video_ari_foreground": video}
    (folder / "evaluation" / "metrics.json").write_text(
        json.dumps(
            {
                "run": {"seed": seed, "step": step, "flags": list(flags)},
                "segmentation": {name: {"mean": value, "std": 0.1, "num": 4} for name, value in scores.items()},
                "reconstruction": {},
                "latents": {},
                "probes": [],
            }
        )
    )


def test_a_row_for_each_model_with_the_papers_figures_beside_it(tool, tmp_path):
    flags = tool.EVALUATE_FLAGS
    write_run(tmp_path / "monet" / "seed_0", 0.5, 0.25, flags, seconds=60.0)
    write_run(tmp_path / "monet" / "seed_1", 0.7, 0.35, flags, seed=1, seconds=120.0)
    write_run(tmp_path / "mine" / "seed_0", 0.9, 0.8, flags)
    models = {"SIMONe": "a.gin", "MONet": "b.gin", "mine": "c.gin"}
    runs = tool.evaluated_runs(models, str(tmp_path), flags)
    assert list(runs) == ["MONet", "mine"]  # A model without runs has no row.
    header, monet, mine = tool.table_of(runs)
    row = dict(zip(header, monet, strict=True))
    assert row["ARI-F"] == "MONet"
    assert row["here, static"] == f"0.600 ± {statistics.stdev([0.5, 0.7]):.3f}"
    assert row["here, video"] == f"0.300 ± {statistics.stdev([0.25, 0.35]):.3f}"
    assert (row["CATER, static"], row["CATER, video"]) == ("0.937 ± 0.004", "0.412 ± 0.012")
    assert (row["runs"], row["steps"], row["parameters"]) == ("2", "10", "1,234")
    assert row["minutes of a run's last session"] == "1.5"
    assert mine[1:3] == ["0.900", "0.800"]
    assert set(mine[3:9]) == {""}  # The paper knows nothing of it.


def test_the_papers_own_model_has_figures_of_whole_clips_alone(tool, tmp_path):
    write_run(tmp_path / "simone" / "seed_0", 0.9, 0.8, tool.EVALUATE_FLAGS)
    header, simone = tool.table_of(tool.evaluated_runs({"SIMONe": "a"}, str(tmp_path), tool.EVALUATE_FLAGS))
    row = dict(zip(header, simone, strict=True))
    assert row["Objects Room 9, video"] == "0.936 ± 0.010"
    assert row["Objects Room 9, static"] == ""


def test_runs_evaluated_in_another_way_are_not_counted_and_named(tool, tmp_path, capsys):
    write_run(tmp_path / "simone" / "seed_0", 0.9, 0.8, tool.SMOKE_EVALUATE_FLAGS)
    assert tool.evaluated_runs({"SIMONe": "a"}, str(tmp_path), tool.EVALUATE_FLAGS) == {}
    assert tool.write({"SIMONe": "a"}, str(tmp_path), tool.EVALUATE_FLAGS, 1) is None
    assert f"Not in the table: {tmp_path / 'simone' / 'seed_0'}, not" in capsys.readouterr().out


def test_a_run_whose_metrics_are_damaged_is_named(tool, tmp_path, capsys):
    for seed in range(3):
        write_run(tmp_path / "monet" / f"seed_{seed}", 0.5, 0.25, tool.EVALUATE_FLAGS, seed=seed)
    (tmp_path / "monet" / "seed_1" / "metrics.json").write_text('{"video_ari')
    (tmp_path / "monet" / "seed_2" / "evaluation" / "metrics.json").write_text("{}")
    assert "| MONet | 0.500 | 0.250 |" in tool.write({"MONet": "a"}, str(tmp_path), tool.EVALUATE_FLAGS, 0)
    said = capsys.readouterr().out
    assert "seed_1, " in said
    assert "seed_2, not" in said
    assert "seed_0" not in said


def test_the_csv_has_a_line_for_each_run(tool, tmp_path):
    flags = tool.EVALUATE_FLAGS
    write_run(tmp_path / "s_iodine" / "seed_0", 0.5, 0.25, flags)
    write_run(tmp_path / "s_iodine" / "seed_3", 0.7, 0.35, flags, seed=3)
    lines = list(csv.DictReader(tool.as_csv(tool.evaluated_runs({"S-IODINE": "a"}, str(tmp_path), flags)).splitlines()))
    assert [line["seed"] for line in lines] == ["0", "3"]
    assert [float(line["video_ari_foreground"]) for line in lines] == [0.25, 0.35]
    assert {line["model"] for line in lines} == {"S-IODINE"}


def test_the_rows_have_gin_files_and_the_papers_names(tool):
    assert all(os.path.isfile(path) for path in tool.MODELS.values())
    from simone_tf.evaluation.report import paper

    assert set(tool.MODELS) == {"SIMONe", *paper.OTHER_MODELS["cater"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds=0"], "--out is missing"),
        (["--out=x", "--model=Nobody"], "--model=Nobody is not NAME=GIN_FILE"),
        (["--out=x", "--model=a=b.gin", "--model=a=c.gin"], "a is named twice"),
        (["--out=x", "--model=MONet", "--model=a=b.gin"], "b.gin: there is no such file"),
        (["--out=x", "--gin_param=num_stepz = 3"], "num_stepz"),
        (["--out=x", "--model=S-IODINE", "--model=s iodine=c.gin"], "has another's folder"),
        (["--out=x", "--seeds=first"], "is no list of seeds"),
        (["--out=x", "--num_clips=-1"], "--num_clips=-1 is out of range"),
        (["--out=x", "--devices=0,0"], "is no list of devices"),
    ],
)
def test_flags_that_are_wrong_are_told_before_anything_is_made(tool, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        tool.main(arguments)
    assert not list(tmp_path.iterdir())


def test_a_model_by_its_name_alone_has_its_own_gin_file(tool):
    assert tool._models(["MONet", "mine=x.gin"]) == {"MONet": tool.MODELS["MONet"], "mine": "x.gin"}


def test_failed_runs_are_counted_and_the_others_stand_in_the_table(tool, tmp_path, capsys):
    write_run(tmp_path / "mine" / "seed_0", 0.9, 0.8, tool.EVALUATE_FLAGS)
    gin_file = tmp_path / "wrong.gin"
    gin_file.write_text("train.num_stepz = 3\n")
    with pytest.raises(UserError, match="1 of 1 runs failed"):
        tool.train_and_write({"mine": str(gin_file)}, str(tmp_path), [1], [], tool.EVALUATE_FLAGS, None, 0)
    assert "| mine | 0.900 | 0.800 |" in capsys.readouterr().out


def test_rows_trained_by_another_command_stand_in_the_table_too(tool, tmp_path):
    write_run(tmp_path / "monet" / "seed_0", 0.5, 0.25, tool.EVALUATE_FLAGS)
    tool.train_and_write({}, str(tmp_path), [0], [], tool.EVALUATE_FLAGS, None, 0)
    assert "| MONet | 0.500 | 0.250 |" in (tmp_path / "table1.md").read_text()


@pytest.mark.slow
def test_the_whole_with_two_steps_of_each_model(tool, tmp_path, capsys):
    tool.main([f"--out={tmp_path}", "--smoke"])
    said = capsys.readouterr().out
    out = tmp_path / "smoke"
    lines = (out / "table1.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(tool.MODELS)
    assert lines[-1] in said
    scores = list(csv.DictReader((out / "table1.csv").read_text().splitlines()))
    assert [line["step"] for line in scores] == ["2"] * 4
    for line, name in zip(scores, tool.MODELS, strict=True):
        run = pathlib.Path(tool.folder_of(str(out), name), "seed_0", "evaluation", "metrics.json")
        measured = json.loads(run.read_text())["segmentation"]
        assert float(line["video_ari_foreground"]) == measured["video_ari_foreground"]["mean"]
    picture = np.asarray(Image.open(out / "table1.png"))
    assert picture.std() > 10
    # Again: nothing is left to do.
    tool.main([f"--out={tmp_path}", "--smoke"])
    again = capsys.readouterr().out
    assert again.count("trained already (step 2), evaluated already") == 4
