"""Gin files and bindings as users write them: what wins, what is told, by which name and line."""

import pathlib

import gin
import pytest

from simone_tf import train
from simone_tf.config import gin_files, registry
from simone_tf.errors import UserError
from simone_tf.runs import settings

GIN = pathlib.Path(__file__).parents[2] / "gin"


@pytest.fixture(autouse=True)
def _clean_gin():
    yield
    gin.clear_config()


@pytest.mark.parametrize("name", sorted(registry.NAMES))
def test_every_registered_name_can_be_used_in_a_file(name, tmp_path):
    (tmp_path / "main.gin").write_text(f"train.model = @{name}\n")
    gin_files.parse_config([str(tmp_path / "main.gin")])
    used = gin.query_parameter("train.model").configurable.wrapped
    assert used is registry.load(name)


def test_later_files_and_bindings_win(tmp_path):
    (tmp_path / "a.gin").write_text("PixelDecoder.hidden_size = 1\nPixelDecoder.num_hidden_layers = 1\n")
    (tmp_path / "b.gin").write_text("PixelDecoder.hidden_size = 2\nPixelDecoder.num_hidden_layers = 2\n")
    gin_files.parse_config([str(tmp_path / "a.gin"), str(tmp_path / "b.gin")], ["PixelDecoder.hidden_size = 3"])
    assert gin.query_parameter("PixelDecoder.hidden_size") == 3
    assert gin.query_parameter("PixelDecoder.num_hidden_layers") == 2


@pytest.mark.parametrize(
    ("params", "named"),
    [
        (["PixelDecodr.hidden_size = 3"], "PixelDecodr"),
        (["PixelDecoder.hiden_size = 3"], "hiden_size"),
        (["PixelDecoder.hidden_size 3"], "PixelDecoder"),
        (["PixelDecoder.hidden_size = @Nothing()"], "Nothing"),
        (["batch_sise = 3"], "batch_sise"),
        (["train.best_metric = psnr"], r"wrong: psnr is no value \(a text needs quotes\)"),
        (["train.num_steps = %number_of_steps"], "number_of_steps"),
    ],
)
def test_a_wrong_binding_is_one_sentence_that_names_it(params, named):
    with pytest.raises(UserError, match=named) as caught:
        gin_files.parse_config([str(GIN / "quickstart.gin")], params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("num_steps = 3\nnum_stpes = 3\ntrain.num_steps = %num_steps", ["main.gin, line 2", "num_stpes"]),
        (
            "train.clips = @training/ClipRecords()\ntraining/ClipRecords.split = 'a'\ntrainin/ClipRecords.split = 'b'",
            ["main.gin, line 3", "trainin/ClipRecords.split", "there is training"],
        ),
        ("a/ClipRecords.split = 'a'", ["main.gin, line 1", "a/ClipRecords.split"]),
        ("include 'inner.gin'\n", ["inner.gin, line 3", "PixelDecodr"]),
        ("train.seed = 1\ninclude 'parts/../inner.gin'\n", ["inner.gin, line 3", "PixelDecodr"]),
        ("train.seed = 1\ninclude 'fine.gin'\n\ntrain.sede = 2\n", ["main.gin, line 4", "sede"]),
        ("train.seed = 1\ninclude inner.gin\n", ["main.gin, line 2", "include 'file.gin'"]),
        ("train.seed = 1\ntrain.num_steps = (1,\n", ["main.gin", "multi-line"]),
        ("train.seed = 1\n\ntrain.num_steps 3\n", ["main.gin, line 3"]),
        ("train.seed = 1\nimport no_such_module\n", ["main.gin, line 2", "no_such_module"]),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_own_name_and_line(tmp_path, caplog, text, named):
    (tmp_path / "parts").mkdir()
    (tmp_path / "main.gin").write_text(text)
    (tmp_path / "inner.gin").write_text("# A comment.\n\nPixelDecodr.hidden_size = 3\n")
    (tmp_path / "fine.gin").write_text("# A comment.\n\nPixelDecoder.hidden_size = 3\n")
    with pytest.raises(UserError) as caught:
        gin_files.parse_config([str(tmp_path / "main.gin")])
    for part in named:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caplog.records


def test_names_that_a_later_binding_makes_needless_are_no_mistake(tmp_path):
    (tmp_path / "main.gin").write_text(
        "size = 3\n"
        "PixelDecoder.hidden_size = %size\n"
        "train.num_steps = %nowhere_set\n"
        "train.clips = @training/small/ClipRecords()\n"
        "training/ClipRecords.split = 'train'\n"
        "training/small/ClipRecords.data_dir = 'a'\n"
    )
    params = ["PixelDecoder.hidden_size = 4", "train.clips = @ClipRecords()", "train.num_steps = 1"]
    gin_files.parse_config([str(tmp_path / "main.gin")], params)
    assert gin.query_parameter("PixelDecoder.hidden_size") == 4


def test_bindings_under_an_outer_scope_are_used(tmp_path):
    (tmp_path / "main.gin").write_text(
        "train.clips = @training/small/ClipRecords()\n"
        "training/ClipRecords.split = 'train'\n"
        "training/small/ClipRecords.data_dir = 'a'\n"
    )
    gin_files.parse_config([str(tmp_path / "main.gin")])
    reader = gin.query_parameter("train.clips").scoped_configurable_fn()
    assert (reader.split, reader.data_dir) == ("train", "a")


def test_a_configuration_whose_macro_makes_something_is_read_back(tmp_path):
    """gin notes what `objective = @Geco()` makes under the scope `objective`, which no reference has."""
    given = [str(GIN / "gqn" / "quickstart_views.gin")]
    gin_files.parse_config(given, ["objective = @Geco()", "Geco.target = 2.5"])
    gin.get_configurable("GQN")()
    gin_files.write_operative_config(tmp_path)
    gin.clear_config()
    gin_files.parse_config(run_dir=str(tmp_path))
    with gin.config_scope("objective"):
        assert gin.get_configurable("Geco")().target == 2.5
    with pytest.raises(UserError, match="nothing uses the scope other of"):
        gin_files.parse_config(run_dir=str(tmp_path), gin_params=["other/Geco.decay = 0.5"])


def test_a_mistake_of_the_program_itself_keeps_its_traceback(monkeypatch):
    def broken(*arguments, **keywords):
        raise TypeError("a genuine bug")

    monkeypatch.setattr(settings, "check_values", broken)
    with pytest.raises(TypeError, match="genuine"):
        settings.read_settings([str(GIN / "quickstart.gin")])


def test_a_macro_that_is_only_named_in_a_text_is_not_taken_for_one(tmp_path):
    gin_files.parse_config([str(GIN / "quickstart.gin")], ["training/ClipRecords.data_dir = 'a%b'"])
    assert gin.query_parameter("training/ClipRecords.data_dir") == "a%b"


def test_an_include_is_looked_up_beside_its_file_and_then_beside_the_file_that_was_named(tmp_path):
    for folder in ("parts", "pairs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "main.gin").write_text("include 'pairs/pair.gin'\n")
    (tmp_path / "pairs" / "pair.gin").write_text("include '../parts/a.gin'\ninclude 'parts/b.gin'\n")
    (tmp_path / "parts" / "a.gin").write_text("include 'c.gin'\n")
    (tmp_path / "parts" / "b.gin").write_text("PixelDecoder.hidden_size = 2\n")
    (tmp_path / "parts" / "c.gin").write_text("PixelDecoder.num_hidden_layers = 3\n")
    (tmp_path / "c.gin").write_text("PixelDecoder.num_hidden_layers = 4\n")
    gin_files.parse_config([str(tmp_path / "main.gin")])
    assert gin.query_parameter("PixelDecoder.hidden_size") == 2
    assert gin.query_parameter("PixelDecoder.num_hidden_layers") == 3


def test_a_missing_file_or_include_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.gin"):
        gin_files.parse_config([str(tmp_path / "absent.gin")])
    (tmp_path / "main.gin").write_text("include 'models/absent.gin'\n")
    with pytest.raises(UserError, match=r"models/absent\.gin"):
        gin_files.parse_config([str(tmp_path / "main.gin")])
    with pytest.raises(UserError, match="--gin_file"):
        gin_files.parse_config([], [], str(tmp_path))


def test_a_value_that_nobody_set_is_named(tmp_path):
    (tmp_path / "main.gin").write_text("train.num_steps = 1\n")
    with pytest.raises(UserError, match="clips"):
        train.main([f"--gin_file={tmp_path / 'main.gin'}", f"--run_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_not_there_itself_is_not_called_wrong(tmp_path, monkeypatch):
    path = tmp_path / "a.gin"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    with pytest.raises(UserError) as raised:
        gin_files.parse_config([str(path)], [])
    assert str(raised.value) == f"{path}: it is a Git LFS pointer, not the file itself: run git lfs pull."

    def withheld(name, *arguments, **named):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr("builtins.open", withheld)
    with pytest.raises(UserError) as raised:
        gin_files.parse_config([str(path)], [])
    assert str(raised.value) == (
        f"{path} cannot be read as a gin file (Permission denied); check its name and permissions."
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfinclude 'part.gin'\r\ntrain.num_steps = %num_steps\r\n",
        b"# two\x0bcolumns, and \xe2\x80\xa8 another line\ninclude 'part.gin'\ntrain.num_steps = %num_steps",
        b"include 'part.gin'\rtrain.num_steps = \\\r\n  %num_steps\r",
    ],
)
def test_files_of_other_editors(tmp_path, content):
    """A mark at the beginning, the line ends of Windows and of old Macs, other breaks than those of lines."""
    (tmp_path / "part.gin").write_bytes(b"\xef\xbb\xbfnum_steps = 7\r\n")
    (tmp_path / "whole.gin").write_bytes(content)
    gin_files.parse_config([str(tmp_path / "whole.gin")])
    assert gin.get_bindings("train") == {"num_steps": 7}


def test_a_name_that_is_no_utf8_is_told():
    param = "train.clips = @ClipRecords()\nClipRecords.data_dir = 'l\udce4uft'"
    with pytest.raises(UserError, match=r"l\\xe4uft' holds bytes that are no UTF-8"):
        gin_files.check_names([str(GIN / "quickstart.gin")], [param])
