import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

import gqn_set
from loaded_tool import load_tool

ROOT = pathlib.Path(__file__).parents[2]
QUICKSTART = ROOT / "simone_tf" / "data" / "embedded" / "quickstart"
FILES = ROOT / "tests" / "data" / "files"


@pytest.fixture(scope="module")
def main():
    return load_tool("inspect_records").main


def test_the_shipped_set(main, tmp_path, capsys):
    assert main([str(QUICKSTART), "--max_records=20", f"--out={tmp_path}", "--clips=2"]) == 0
    output = capsys.readouterr().out
    assert "format: ClipRecords, split 'test'" in output
    assert "train-00002-of-00003.tfrecord" in output
    assert "video: uint8 [4, 24, 24, 3]" in output
    assert "FAULT" not in output
    listed = json.loads((QUICKSTART / "dataset.json").read_text())["splits"]
    for name, count in {**listed["train"]["shards"], **listed["test"]["shards"]}.items():
        assert any(name in line and f", {count} records" in line for line in output.splitlines())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"quickstart_{split}.{kind}" for split in ("test", "train") for kind in ("gif", "png")
    ]
    assert Image.open(tmp_path / "quickstart_train.gif").n_frames == 4
    assert np.asarray(Image.open(tmp_path / "quickstart_train.png")).shape[-1] == 3


def test_sets_of_one_name_in_two_folders_keep_their_pictures(main, tmp_path, capsys):
    for folder in ("a", "b"):
        shutil.copytree(QUICKSTART, tmp_path / folder / "quickstart")
    assert main([str(tmp_path / "a"), str(tmp_path / "b"), "--max_records=2", f"--out={tmp_path / 'out'}"]) == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    names = {f"quickstart_{split}{number}" for split in ("test", "train") for number in ("", "_2")}
    assert written == {f"{name}.{kind}" for name in names for kind in ("gif", "png")}
    assert capsys.readouterr().out.count("wrote") == len(written)


def test_json_for_programs(main, capsys):
    assert main([str(FILES / "tetrominoes_mini.tfrecords"), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["format"] == "Tetrominoes"
    assert report["files"][0] | {"path": ""} == {
        "path": "",
        "bytes": 3715,
        "compression": "GZIP",
        "records": 10,
        "is_complete": True,
        "lost_records": 0,
        "first_corrupt": None,
        "fault": None,
    }
    assert report["objects"] == [3, 3]
    assert report["features"]["image"] == {"kind": "bytes", "count": 35 * 35 * 3, "sizes": [1] * 8}
    assert report["all_faults"] == []


def test_a_foreign_schema_is_listed(main, capsys):
    assert main([str(FILES / "sketchy_without_pictures.tfrecords")]) == 1
    output = capsys.readouterr().out
    assert "no reader of simone_tf fits" in output
    assert "sawyer/tcp/pose: 7 float" in output
    assert "gripper/grasp: 1 int64" in output


def test_damage_is_a_finding(main, tmp_path, capsys):
    shutil.copy(QUICKSTART / "test-00000-of-00001.tfrecord", tmp_path)
    path = tmp_path / "test-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[40] ^= 255
    path.write_bytes(content)
    assert main([str(path), "--max_records=0"]) == 1
    output = capsys.readouterr().out
    assert "319 records" in output
    assert "FAULT" in output
    assert "damaged at record 0 (byte 0 on)" in output


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("zero.tfrecord", b"", "is empty"),
        ("text.tfrecord", b"hello world, this is no record", "not a TFRecord file"),
        ("cut.tfrecord", (FILES / "sketchy_without_pictures.tfrecords").read_bytes()[:500], "is cut off"),
        ("bzip2.tfrecord", b"BZh91AY&SY" + bytes(40), "neither plain nor in GZIP or ZLIB"),
    ],
)
def test_what_is_no_tfrecord_is_one_sentence(main, tmp_path, capsys, name, content, words):
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):
        assert main([str(path)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words in captured.err
        assert str(tmp_path / name) in captured.err


@pytest.mark.parametrize("flags", [["--clips=0"], ["--max_records=-1"], ["nowhere"]])
def test_mistakes(main, capsys, flags):
    assert main([str(FILES), *flags]) == 2
    assert capsys.readouterr().err.startswith("inspect_records: ")


def test_names_cannot_move_the_cursor(main, tmp_path, capsys):
    path = tmp_path / "a\x1b[2J.tfrecord"
    shutil.copy(FILES / "sketchy_without_pictures.tfrecords", path)
    main([str(path)])
    assert "\x1b" not in capsys.readouterr().out


def test_a_missing_shard_is_a_finding(main, tmp_path, capsys):
    names = [f"train-{number:05d}-of-00003.tfrecord" for number in range(3)]
    for name in (names[0], names[2]):
        shutil.copy(QUICKSTART / name, tmp_path)
    assert main([str(tmp_path), "--max_records=1"]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "FAULT" in line)
    assert line.endswith(f"has 2 of 3 files: {names[1]} is missing.")
    shutil.copy(QUICKSTART / "dataset.json", tmp_path)  # It says the same, in its own words.
    assert main([str(tmp_path), "--max_records=1", "--json"]) == 1
    (report,) = json.loads(capsys.readouterr().out)
    (fault,) = report["all_faults"]
    assert f"lacks {names[1]}" in fault
    assert report["missing_files"] == [names[1]]


def test_parts_of_gqn_are_sets_of_their_own(main, tmp_path, capsys):
    gqn_set.write(tmp_path / "rooms_ring_camera" / "train" / "2-of-4.tfrecord", [gqn_set.scene(0)])
    assert main([str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "has 1 of 4 files: 1-of-4.tfrecord, 3-of-4.tfrecord, 4-of-4.tfrecord are missing." in output
    assert "FAULT" not in output
