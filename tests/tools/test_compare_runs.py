"""Tables over runs from metrics that are written by hand."""

import json
import statistics

import numpy as np
import pytest
from PIL import Image

from simone_tf.errors import UserError

from loaded_tool import load_tool


@pytest.fixture(scope="module")
def tool():
    return load_tool("compare_runs")


def probe(probe, target, name, r2, coordinates="world", regressor="mlp", trained_on=None, **further):
    return {
        **{"probe": probe, "target": target, "input": name, "regressor": regressor, "coordinates": coordinates},
        **{"trained_on": trained_on, "tested_on": trained_on, "r2_mean": r2, "r2_std": 0.1},
        **further,
    }


def metrics(ari=0.5, location=0.8, reference=0, **run):
    def spread(mean):
        return {"mean": mean, "std": 0.3, "num": 4}

    return {
        "run": {"split": "test", "num_clips": 4, "frames": 2, "resolution": [8, 8], "step": 10, **run},
        "segmentation": {"video_ari_foreground": spread(ari), "video_ari": spread(0.25)},
        "reconstruction": {"mse": spread(0.00123), "psnr": spread(20.0)},
        "latents": {"object_kl": spread(3.0), "object_kl_per_dimension": [1.0, 2.0]},
        "probes": [
            probe("camera", "location", "f_t", location, r2_clock=0.42, num_train_clips=9, num_test_clips=4),
            probe("camera", "location", "o_1..K,t", 0.28),
            probe("camera", "orientation", "f_t", 0.6, r2_clock=-0.03),
            probe("camera", "orientation", "o_1..K,t", 0.07),
            probe("camera", "location", "f_t", 0.7, regressor="linear"),
            probe("camera", "location", "f_t", 0.9, f"camera of frame {reference}"),
            probe("trajectory", "position", "o_j,j!=k", 0.1, trained_on="all"),
            probe("trajectory", "position", "o_k,t", 0.3, trained_on="moving"),
            {"probe": "attribute", "target": "shape", "input": "o_k", "regressor": "mlp", "score": "accuracy"}
            | {"score_mean": 0.6},
        ],
    }


def write(folder, **values):
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "metrics.json").write_text(json.dumps(metrics(**values)))
    return folder


@pytest.fixture
def runs(tmp_path):
    for seed, (ari, location) in enumerate([(0.7, 0.8), (0.8, None), (0.95, 0.9)]):
        write(tmp_path / "runs" / f"seed_{seed}", ari=ari, location=location, reference=seed)
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path / "runs"


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert set(lines[1]) <= {"|", "-"}
    return {cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("|").split("|")] for line in lines)}


def test_means_and_deviations_over_the_runs(tool, runs, capsys):
    tool.main([f"--group=mine={runs}"])
    rows = rows_of(capsys.readouterr().out)
    values = [0.7, 0.8, 0.95]
    assert rows["video ARI-F"] == [f"{statistics.mean(values):.3f} ± {np.std(values, ddof=1):.3f}", ""]
    assert rows[""] == ["mine (3 runs)", "paper (cater)"]
    # A run without the score is counted as missing, not as zero.
    assert rows["R² of camera location (world) from f_t"] == ["0.850 ± 0.071 (of 2)", "0.949 ± 0.002"]
    # The frame that is the reference differs from run to run: one row all the same, and no number of the paper.
    assert rows["R² of camera location (a clip's camera) from f_t"] == ["0.900 ± 0.000", ""]
    assert rows["MSE"] == ["0.00123 ± 0.00000", ""]
    assert rows["accuracy of shape from o_k"] == ["0.600 ± 0.000", ""]
    assert rows["R² of position (world) from all other slots"][1] == "-0.062 ± 0.006"
    for what, clock, objects in (("location", 0.42, 0.28), ("orientation", -0.03, 0.07)):
        assert rows[f"R² of camera {what} (world) from t alone"] == [f"{clock:.3f} ± 0.000", ""]
        assert rows[f"R² of camera {what} (world) from o_1..K,t"] == [f"{objects:.3f} ± 0.000", ""]
    assert "R² of camera location (world) from f_t, linear" not in rows
    assert "video ARI" not in rows


def test_all_rows(tool, runs, capsys):
    tool.main([f"--group=mine={runs}", "--all"])
    rows = rows_of(capsys.readouterr().out)
    assert rows["R² of camera location (world) from f_t, linear"] == ["0.700 ± 0.000", "0.832 ± 0.000"]
    assert rows["R² of position (world) from o_k,t, trained on moving objects"][1] == "0.894 ± 0.004"
    assert "video ARI" in rows


def test_groups_side_by_side_and_the_papers_row(tool, runs, tmp_path, capsys):
    other = write(tmp_path / "other", ari=0.5)
    tool.main([f"--group=a={runs / 'seed_0'},{runs / 'seed_2'}", f"--group=b={other}", "--paper=playroom"])
    rows = rows_of(capsys.readouterr().out)
    assert rows[""] == ["a (2 runs)", "b (1 run)", "paper (playroom)"]
    assert rows["video ARI-F"] == ["0.825 ± 0.177", "0.500", "0.800 ± 0.043"]
    # The paper probes CATER alone.
    assert [cells for label, cells in rows.items() if label.startswith("R²") and cells[2]] == []
    tool.main([f"--group=a={runs}", "--paper=cater"])
    rows = rows_of(capsys.readouterr().out)
    assert rows["R² of camera location (world) from f_t"][1] == "0.949 ± 0.002"
    assert rows["video ARI-F"][1] == "0.918 ± 0.036"


def test_no_zero_has_a_sign(tool):
    assert tool.spread([-0.0001]) == "0.000"
    assert tool.spread([-0.0001, -0.0003]) == "0.000 ± 0.000"
    assert tool.spread([-0.0006]) == "-0.001"


def test_without_numbers_of_the_paper_there_is_no_column(tool):
    bare = metrics() | {"probes": []}
    assert tool.table_of({"a": [bare]})[0] == ["", "a (1 run)"]


def test_files(tool, runs, tmp_path, capsys):
    out = tmp_path / "table"
    tool.main([f"--group=mine={runs}", f"--out={out}"])
    printed = capsys.readouterr().out
    text = (tmp_path / "table.md").read_text()
    assert text.strip() in printed
    picture = np.asarray(Image.open(tmp_path / "table.png"))
    longest = max(len(line) for line in text.splitlines())
    assert picture.shape[1] > longest * 5
    # Something is written in every line of the table, and none at the rim.
    assert (picture[:, -5:].reshape(-1, 3) > 200).all()
    assert (picture < 128).any(-1).any(1).sum() > 8 * len(rows_of(text))


def test_runs_that_were_not_evaluated_alike_are_told(tool, runs, capsys):
    write(runs / "seed_9", num_clips=8)
    tool.main([f"--group=mine={runs}"])
    assert "The runs of mine differ in num_clips: 4, 8." in capsys.readouterr().out


def test_runs_of_other_data_are_told(tool, tmp_path, capsys):
    def of(name, dataset, train=9):
        content = metrics(dataset=dataset)
        content["probes"][0]["num_train_clips"] = train
        (tmp_path / name / "evaluation").mkdir(parents=True)
        (tmp_path / name / "evaluation" / "metrics.json").write_text(json.dumps(content))
        return tmp_path / name

    a, b = of("a", "datasets/cater"), of("b", "datasets/cater", train=5)
    c = of("c", "/here/simone_tf/data/embedded/quickstart")
    d = of("d", "/there/simone_tf/data/embedded/quickstart")
    tool.main([f"--group=one={a},{b}"])
    assert "\nThe runs of one differ in probe clips: 5 + 4, 9 + 4.\n" in capsys.readouterr().out
    tool.main([f"--group=one={a}", f"--group=two={c}"])
    assert (
        "not evaluated on the same dataset (one: datasets/cater, two: package:quickstart).\n" in capsys.readouterr().out
    )
    tool.main([f"--group=one={a}", f"--group=two={b}"])
    assert "not evaluated on the same probe clips (one: 9 + 4, two: 5 + 4)." in capsys.readouterr().out
    tool.main([f"--group=one={c}", f"--group=two={d}", f"--group=three={c},{d}"])
    said = capsys.readouterr().out
    assert "differ" not in said
    assert "not evaluated on" not in said


def test_a_run_that_is_named_twice_counts_once(tool, runs, capsys):
    (runs.parent / "link").symlink_to(runs / "seed_0")
    tool.main([f"--group=mine={runs},{runs / 'seed_1'},{runs.parent / 'link'}"])
    said = capsys.readouterr().out
    assert "mine (3 runs)" in said
    assert f"{runs / 'seed_1'} is named twice for mine and counted once." in said
    assert f"{runs.parent / 'link'} is named twice" in said


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("segmentation", "video_ari_foreground"), 3),
        (("segmentation", "video_ari_foreground"), {"std": 1.0}),
        (("reconstruction", "mse", "mean"), "0.5"),
        (("reconstruction", "psnr", "mean"), 10**400),
        (("reconstruction", "psnr", "mean"), float("nan")),
        (("latents", "object_kl", "mean"), True),
        (("probes",), {"a": 1}),
        (("probes", 0), 7),
        (("probes", 0, "probe"), None),
        (("probes", 0, "target"), 3),
        (("probes", 0, "r2_mean"), [1]),
        (("probes", 0, "r2_clock"), "high"),
        (("probes", 0, "num_train_clips"), "many"),
        (("probes", 5, "trained_on"), ["all"]),
    ],
)
def test_values_of_other_types_are_refused_in_one_sentence(tool, tmp_path, place, value):
    content = metrics()
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"is not what simone_tf\.evaluate writes"):
        tool.main([f"--group=a={tmp_path}", "--all"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--group is missing"),
        (["--group=runs"], "is not NAME=FOLDER"),
        (["--group=a="], "is not NAME=FOLDER"),
        (["--group=a=/nowhere/at/all"], "holds no evaluated run"),
    ],
)
def test_mistakes_in_flags(tool, flags, words):
    with pytest.raises(UserError, match=words):
        tool.main(flags)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "[" * 100_000, '{"run": 1}', json.dumps(metrics() | {"latents": []})]
)
def test_files_of_something_else_are_refused(tool, tmp_path, text):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "metrics.json").write_text(text)
    with pytest.raises(UserError, match=r"is not what simone_tf\.evaluate writes"):
        tool.main([f"--group=a={tmp_path}"])


def test_a_place_that_cannot_be_written_is_told(tool, runs, tmp_path):
    with pytest.raises(UserError, match="choose another --out"):
        tool.main([f"--group=a={runs}", f"--out={tmp_path / 'missing' / 'table'}"])
