"""Files are replaced as a whole or stay as they were; JSON is read within bounds; sums tell files apart."""

import hashlib
import json
import os
import stat

import numpy as np
import pytest

from simone_tf.files import file_sums, parse_json, read_json, replacing, without_nan, write_json, write_text


def test_a_file_is_made_and_replaced(tmp_path):
    path = tmp_path / "note.txt"
    for text in ("first", "ü second\n"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert os.listdir(tmp_path) == ["note.txt"]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "note", "")
    assert stat.S_IMODE((tmp_path / "note").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "note.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            with open(temporary, "w") as file:
                file.write("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note.txt"]


def test_a_missing_folder_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "missing" / "note", "")


def test_json_comes_back(tmp_path):
    content = {"name": "ü", "list": [1, 2.5, None, True], "table": {}}
    write_json(tmp_path / "a.json", content)
    size = os.path.getsize(tmp_path / "a.json")
    assert read_json(tmp_path / "a.json", size) == content
    with pytest.raises(ValueError, match=f"more than {size - 1} bytes"):
        read_json(tmp_path / "a.json", size - 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * 300_000, "more than 250000 bytes"),
    ],
    ids=["empty", "cut off", "no text", "deep", "long"],
)
def test_what_is_no_json_is_told(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_json(tmp_path / "a.json", 250_000)
    with pytest.raises(ValueError, match=words):
        parse_json(content, 250_000)


@pytest.mark.parametrize("content", [b"[1]", b"1", b"null"])
def test_json_of_something_else_than_an_object_is_told(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    assert parse_json(content, 9) == json.loads(content)
    with pytest.raises(ValueError, match="no JSON object"):
        read_json(tmp_path / "a.json", 9)


def test_json_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "a.json", 9)


def test_numbers_that_json_has_no_word_for_become_null(tmp_path):
    value = {"a": [1.5, float("nan"), float("inf")], "b": {"c": np.float64(2), "d": np.float32("nan")}, "e": (3, "x")}
    wanted = {"a": [1.5, None, None], "b": {"c": 2.0, "d": None}, "e": [3, "x"]}
    assert without_nan(value) == wanted
    assert json.dumps(without_nan({"a": np.float32(0.5), "b": True, "c": 7})) == '{"a": 0.5, "b": true, "c": 7}'
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == wanted


def test_sums_tell_size_and_content(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_bytes(b"abc")
    name = os.path.join("below", "a")
    wanted = {name: {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}}
    assert file_sums(tmp_path, [name]) == wanted
    with pytest.raises(FileNotFoundError):
        file_sums(tmp_path, [name, "b"])
