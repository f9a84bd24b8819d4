"""What the lowest versions are, read from setup.cfg; the environments themselves are made by hand."""

import pathlib
import re
import subprocess

import pytest

from loaded_tool import load_tool
from tiny_run import REPOSITORY

tool = load_tool("check_lower_bounds")

CONFIG = """
[options]
install_requires =
    # The largest.
    tensorflow>=2.21,<2.22
    Tf_Keras >= 2.21
[options.extras_require]
b =
    av>=17
    # Of two extras.
    importlib_resources[x]>=6.0rc1
a =
    av>=17
"""


def test_every_bound_is_read_once():
    assert tool.lower_bounds(CONFIG) == {
        "tensorflow": "2.21",
        "tf-keras": "2.21",
        "av": "17",
        "importlib-resources": "6.0rc1",
    }


@pytest.mark.parametrize("line", ["numpy", "numpy==2.0", "numpy<3", "numpy>2", "numpy>=2; python_version<'4'"])
def test_a_requirement_without_a_lower_bound_is_named(line):
    with pytest.raises(ValueError, match=re.escape(f"setup.cfg requires {line!r}")):
        tool.lower_bounds(CONFIG + f"c =\n    {line}\n")


def test_two_bounds_of_one_package_are_named():
    with pytest.raises(ValueError, match=r"av>=17 and av>=18"):
        tool.lower_bounds(CONFIG + "c =\n    av>=18\n")


def test_the_package_has_a_bound_for_every_requirement():
    """Counted by their lines, and two of them known by other tests."""
    text = (REPOSITORY / "setup.cfg").read_text()
    named = re.findall(r"^    ([\w-]+)>=", text, re.M)
    bounds = tool.lower_bounds(text)
    assert set(bounds) == {name.replace("_", "-").lower() for name in named}
    assert (bounds["av"], bounds["pillow"]) == ("17", "10.3")


def test_what_is_installed_is_the_lowest_without_what_is_left_out(tmp_path, monkeypatch, capsys):
    ran = []

    def run(command, **keywords):
        ran.append(command)
        return subprocess.CompletedProcess(command, 5 if "pytest" in command else 0)

    monkeypatch.setattr(tool.venv, "create", lambda folder, with_pip: pathlib.Path(folder).mkdir())
    monkeypatch.setattr(tool.subprocess, "run", run)
    folder = tmp_path / "lowest"
    assert tool.main([str(folder), "--without=openvino", "-x", "tests/data"]) == 5
    required = (folder / "requirements.txt").read_text().splitlines()
    assert {"av==17", "pillow==10.3", "importlib-resources==6", "tensorflow==2.21"} <= set(required)
    assert not any("openvino" in line or ">" in line for line in required)
    assert ran[0][-4:] == ["--requirement", str(folder / "requirements.txt"), "--editable", str(REPOSITORY)]
    assert ran[-1] == [str(folder / "bin" / "python"), "-m", "pytest", "-x", "tests/data"]
    assert tool.main([str(tmp_path / "other"), "--without=numpi"]) == 2
    assert "--without=numpi: setup.cfg requires no such package" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert tool.main([str(tmp_path)]) == 2
    assert f"{tmp_path} is not an empty folder" in capsys.readouterr().err
    assert tool.main([str(tmp_path / "thesis.tex")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
