"""What a run was measured to do is read from its metrics, or told why not."""

import json

import gin
import pytest

from simone_tf.config import gin_files
from simone_tf.errors import UserError
from simone_tf.models.simone.model import SIMONe
from simone_tf.runs.measured import nats_per_pixel_of

EVALUATED = {"reconstruction": {"nats_per_pixel": {"mean": 2.25, "std": 0.1, "num": 3}}}


@pytest.fixture(autouse=True)
def _clean_gin():
    yield
    gin.clear_config()


def written(folder, content):
    path = folder / "metrics.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("content", [EVALUATED, {"nats_per_pixel": 2.25, "step": 7}])
def test_of_an_evaluation_or_a_training_by_file_or_folder(tmp_path, content):
    path = written(tmp_path, content)
    assert nats_per_pixel_of(str(path)) == 2.25
    assert nats_per_pixel_of(str(tmp_path)) == 2.25


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no nats per pixel: evaluate that run first, or bind a number to Geco.target"),
        ({"reconstruction": {"psnr": {"mean": 20.0}}}, "has no nats per pixel"),
        ({"reconstruction": {"nats_per_pixel": {"mean": None, "num": 0}}}, "has no nats per pixel"),
        ({"nats_per_pixel": "much"}, "has no nats per pixel"),
        ("[1]", r"cannot be read \(no JSON object\)"),
        ("", "cannot be read"),
    ],
)
def test_what_says_nothing_is_told(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        nats_per_pixel_of(str(written(tmp_path, content)))


def test_a_run_that_was_not_evaluated_is_told(tmp_path):
    with pytest.raises(UserError, match=r"nats_per_pixel_of.metrics = .* cannot be read \(No such file"):
        nats_per_pixel_of(str(tmp_path / "metrics.json"))


def bound(tmp_path, *lines):
    path = tmp_path / "some.gin"
    path.write_text("\n".join(lines))
    gin_files.parse_config([str(path)], (), None)
    with gin_files.errors_in_one_sentence():
        return gin.get_configurable("SIMONe")()


def test_a_configuration_asks_for_it(tmp_path):
    written(tmp_path, EVALUATED)
    model = bound(
        tmp_path,
        "SIMONe.objective = @Geco()",
        "Geco.target = @nats_per_pixel_of()",
        f"nats_per_pixel_of.metrics = {str(tmp_path)!r}",
    )
    assert isinstance(model, SIMONe)
    assert model.objective.target == 2.25


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SIMONe.objective = @Gecko()", "Gecko"),
        ("SIMONe.objectiv = @Geco()", "objectiv"),
        ("SIMONe.objective = @Geco()\nGeco.targe = 1.0", "targe"),
        ("SIMONe.objective = @Geco", "must be @Geco"),
        ("SIMONe.objective = @Geco()", "target"),
    ],
)
def test_a_misspelt_or_missing_name_is_an_error(tmp_path, line, message):
    with pytest.raises(UserError, match=message):
        bound(tmp_path, line)
