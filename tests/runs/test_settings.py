"""The settings of a run: checked once, and one size for both sides."""

import dataclasses
import inspect

import gin
import pytest

from simone_tf.config import gin_files, registry
from simone_tf.errors import UserError
from simone_tf.runs.settings import CHECKS, RunSettings, read_settings

from tiny_run import QUICKSTART


@pytest.fixture(autouse=True)
def _clean_gin():
    yield
    gin.clear_config()


def test_every_field_is_checked():
    assert [field.name for field in dataclasses.fields(RunSettings)] == list(CHECKS)


def test_settings_are_what_is_bound_and_else_the_defaults():
    settings = read_settings([str(QUICKSTART)], ["train.frame_size = 24"])
    assert (settings.num_steps, settings.batch_size, settings.frame_size) == (12000, 16, (24, 24))
    assert (settings.keep_checkpoints, settings.best_metric) == (3, "video_ari_foreground")
    assert type(settings.clips).__name__ == "ClipRecords"
    assert settings.clips.split == "train"
    # Everything is in what a run keeps, defaults included.
    kept = gin_files.operative_config()
    assert all(f"train.{name} = " in kept for name in CHECKS)
    assert "train.frame_size = 24\n" in kept


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("train.best_metric", "video_ari_foreground"),
        ("training/ClipRecords.crop", None),
        ("SIMONe.alpha", 0.2),
        ("Adam.beta_1", 0.9),
        ("train.num_steps", inspect.Parameter.empty),
        ("train.nothing", inspect.Parameter.empty),
        ("Nothing.alpha", inspect.Parameter.empty),
    ],
)
def test_what_a_run_of_an_older_library_had_is_the_default(name, default):
    registry.register()
    assert gin_files.default_value(name) == default


def test_a_changed_copy_is_checked_as_well():
    settings = read_settings([str(QUICKSTART)])
    assert dataclasses.replace(settings, frame_size=8).frame_size == (8, 8)
    with pytest.raises(UserError, match=r"^train\.batch_size is 0: it must be a whole number of at least 1\.$"):
        dataclasses.replace(settings, batch_size=0)


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("train.best_metric = 'video_ary'", "train.best_metric is 'video_ary': it must be 'video_ari_foreground' or"),
        ("train.clips = 3", "train.clips is 3: it must be a reader of clips"),
    ],
)
def test_a_wrong_value_is_one_line(param, words):
    with pytest.raises(UserError) as caught:
        read_settings([str(QUICKSTART)], [param])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_nothing_sets_is_named(tmp_path):
    (tmp_path / "few.gin").write_text("train.num_steps = 3\n")
    with pytest.raises(UserError, match=r"^The configuration does not set train\.model, train\.clips, train\.held_out"):
        read_settings([str(tmp_path / "few.gin")])
