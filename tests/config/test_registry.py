"""What configurations can name: the library's own by text alone, others' once their module is imported."""

import sys

import gin
import pytest

from simone_tf import train
from simone_tf.config import gin_files, registry
from simone_tf.errors import UserError
from simone_tf.runs.load import load_run

from tiny_run import QUICKSTART, arguments, fails

MODULE = """
import gin

from simone_tf.models.parts.likelihood import PixelMixture


@gin.register
class WideMixture(PixelMixture):
    def __init__(self, pixel_scale=0.3):
        super().__init__(pixel_scale)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's own, which registers a likelihood."""
    (tmp_path / "wide_mixtures.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "wide_mixtures"
    gin.clear_config()
    sys.modules.pop("wide_mixtures", None)


def test_names_are_known_with_parts_of_their_module_or_without():
    for name in ("SIMONe", "model.SIMONe", "simone_tf.models.simone.model.SIMONe", "train", "gin.singleton"):
        assert registry.is_known(name), name
    for name in ("SIMON", "SIMONe.SIMON", "trian"):
        assert not registry.is_known(name), name


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("PixelDecodr.hidden_size = 3", "names PixelDecodr, which there is not; did you mean PixelDecoder?"),
        ("train.model = @SIMON", "names SIMON, which there is not; did you mean SIMONe?"),
        ("train.model = @qqqqq()", "check its spelling, or import the module that has it"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_is_meant(param, words):
    with pytest.raises(UserError) as caught:
        gin_files.check_names([str(QUICKSTART)], [param])
    assert str(caught.value).startswith(f"--gin_param={param}: the configuration ")
    assert words in str(caught.value)


def test_a_part_of_ones_own_is_trained_and_found_again(module, clips, tmp_path):
    run_dir = tmp_path / "run"
    params = (f"import {module}", "SIMONe.likelihood = @WideMixture()", "num_steps = 1", "train.num_pictures = 0")
    train.main(arguments(run_dir, clips, *params))
    stored = (run_dir / "config.gin").read_text()
    assert f"import {module}\n" in stored
    assert "WideMixture.pixel_scale = 0.3\n" in stored
    # As in another process, which has not imported the module yet.
    gin.clear_config()
    assert f"import {module}\n" in load_run(str(run_dir)).config
    train.main([f"--run_dir={run_dir}", "--gin_param=num_steps = 2"])
    assert f"import {module}\n" in (run_dir / "config.gin").read_text()


def test_what_an_imported_module_does_not_have_is_told(module, tmp_path, capsys):
    flags = [f"--run_dir={tmp_path / 'run'}", f"--gin_file={QUICKSTART}", f"--gin_param=import {module}"]
    line = fails(capsys, [*flags, "--gin_param=SIMONe.likelihood = @WideMixtur()"])
    assert "WideMixtur" in line
    assert not (tmp_path / "run").exists()


def test_a_module_that_is_missing_is_told(clips, tmp_path, capsys):
    (tmp_path / "main.gin").write_text("train.seed = 1\nimport gone_with_the_wind\n")
    line = fails(capsys, [f"--run_dir={tmp_path / 'run'}", f"--gin_file={tmp_path / 'main.gin'}"])
    assert f"{tmp_path / 'main.gin'}, line 2, is wrong: No module named 'gone_with_the_wind'" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 / 0", "imports a module that fails with ZeroDivisionError"),
        ("def", r"broken\.py, line 1, which .* imports, is no Python"),
    ],
)
def test_a_module_that_is_broken_is_told(tmp_path, monkeypatch, content, message):
    (tmp_path / "broken.py").write_text(content)
    (tmp_path / "main.gin").write_text("import broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=message):
        gin_files.parse_config([str(tmp_path / "main.gin")])
