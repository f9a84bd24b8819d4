"""The evaluate command on a run of a model that the library does not know, and that has other latents than SIMONe."""

import json
import shutil

import pytest

from simone_tf import evaluate
from simone_tf.evaluation.probes.probe_data import ProbeSettings
from simone_tf.evaluation.probes.regressors import MLPSettings
from simone_tf.runs import evaluate_run
from simone_tf.runs.load import load_run

from one_scene import OneScene
from rich_set import COUNTS, rich_clips, write_set
from tiny_run import fails

NO_VIEWS = "This model has no scene apart from its frames that could be asked for another view: no view synthesis."


@pytest.fixture(scope="module")
def evaluated(colour_run, tmp_path_factory):
    run_dir = shutil.copytree(colour_run, tmp_path_factory.mktemp("evaluated") / "run")
    with pytest.MonkeyPatch.context() as patch:
        quick = ProbeSettings(num_decoders=2, num_controls=1, mlp=MLPSettings(hidden_sizes=(4,), max_epochs=3))
        patch.setattr(evaluate_run, "ProbeSettings", lambda seed: quick)
        evaluate.main([f"--run_dir={run_dir}", "--num_pictures=2"])
    return run_dir / "evaluation"


def test_scores_are_those_that_the_training_reports(colour_run, evaluated):
    trained = json.loads((colour_run / "metrics.json").read_text())
    metrics = json.loads((evaluated / "metrics.json").read_text())
    for name in ("video_ari_foreground", "video_ari", "static_ari_foreground", "static_ari"):
        assert metrics["segmentation"][name]["mean"] == pytest.approx(trained[name], abs=1e-6), name
    assert metrics["reconstruction"]["mse"]["mean"] == pytest.approx(trained["reconstruction_mse"], rel=1e-4)
    assert metrics["run"]["num_slots"] == 3


def test_latents_and_probes_are_those_that_the_model_has(evaluated):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    assert list(metrics["latents"]) == ["object_kl", "object_kl_per_dimension"]
    assert len(metrics["latents"]["object_kl_per_dimension"]) == 5
    assert metrics["not_computed"] == [NO_VIEWS, "This model has no latents of frames: no camera probes."]
    assert metrics["views"] == {}
    assert {row["probe"] for row in metrics["probes"]} == {"trajectory", "attribute"}
    assert "o_k(t)" in {row["input"] for row in metrics["probes"]}
    for row in metrics["probes"]:
        assert (row["num_train_clips"], row["num_test_clips"]) == (COUNTS["train"], COUNTS["test"])
    assert not (evaluated / "camera_probes.csv").exists()
    assert "object_kl" in (evaluated / "measures.csv").read_text()


def test_the_report_speaks_of_this_model(evaluated):
    page = (evaluated / "report.html").read_text(encoding="utf-8")
    for words in ("KL of an object latent, nats", "This model has no latents of frames", "ColourMixture.num_colours"):
        assert words in page
    for words in ("KL of a frame latent", "SIMONe"):
        assert words not in page
    assert page.count('class="explorer"') >= 1
    assert {"recomposition_0.gif", "crossing.png"} <= {path.name for path in (evaluated / "figures").iterdir()}


def test_an_evaluation_goes_on(evaluated, tmp_path, capsys):
    run_dir = shutil.copytree(evaluated.parent, tmp_path / "run")
    before = json.loads((evaluated / "metrics.json").read_text())
    stored = {path.name: path.stat().st_mtime_ns for path in (run_dir / "evaluation" / "held_out").iterdir()}
    evaluate.main([f"--run_dir={run_dir}", "--num_pictures=0", "--num_probe_clips=0"])
    after = json.loads((run_dir / "evaluation" / "metrics.json").read_text())
    for table in ("segmentation", "reconstruction", "latents"):
        assert after[table] == before[table]
    assert stored == {path.name: path.stat().st_mtime_ns for path in (run_dir / "evaluation" / "held_out").iterdir()}


def test_clips_without_what_the_model_is_given_are_told(colour_run, tmp_path, capsys):
    def blind(count, seed):
        return ({name: value for name, value in clip.items() if name != "camera"} for clip in rich_clips(count, seed))

    data = write_set(tmp_path / "blind", blind)
    run_dir = shutil.copytree(colour_run, tmp_path / "run")
    flags = [f"--run_dir={run_dir}", f"--gin_param=held_out/ClipRecords.data_dir = '{data}'"]
    line = fails(capsys, flags, main=evaluate.main)
    assert f"is given `camera` with 7 numbers of each frame, but {data} (split 'test') has no `camera`" in line
    assert not (run_dir / "evaluation" / "held_out").exists()


def test_what_a_model_with_least_lacks_is_told(colour_run, tmp_path):
    run_dir = shutil.copytree(colour_run, tmp_path / "run")
    run = load_run(str(run_dir))._replace(model=OneScene())
    metrics = evaluate_run.evaluate_run(run, num_pictures=1, paper_name="cater")
    assert metrics["not_computed"] == [
        "This model does not divide a scene into slots: ARI, mIoU and mBO need them; reconstruction metrics were "
        "computed.",
        "This model has no likelihood: no nats per pixel.",
        "This model has no distribution over its latents `scene`: no KL of them.",
        "This model knows no viewpoints that it could be asked for: no view synthesis.",
        "This model has no latents of frames: no camera probes.",
        "This model has no latents of objects: no trajectory probes.",
        "This model has no latents of objects: no attribute probes.",
        "This model does not tell a viewpoint from its scene: no recompositions and no crossings.",
        "This model has no latents of objects: no traversals.",
    ]
    assert metrics["segmentation"] == metrics["latents"] == {}
    assert metrics["probes"] == []
    # No clips are measured for probes that there are not.
    assert not (run_dir / "evaluation" / "probe_training").exists()
    page = (run_dir / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert all(sentence in page.replace("&#39;", "'") for sentence in metrics["not_computed"])
    (pictures,) = (run_dir / "evaluation" / "figures").glob("*.png")
    assert pictures.name == "decomposition_0.png"
