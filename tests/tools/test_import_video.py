import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from simone_tf.config import gin_files
from simone_tf.data.formats.records import ClipRecords

from loaded_tool import load_tool

ROOT = pathlib.Path(__file__).parents[2]
TOOL = ROOT / "tools" / "import_video.py"
REAL_GIF = ROOT / "tests" / "data" / "files" / "movi_a_first_frames.gif"


@pytest.fixture(scope="module")
def main():
    return load_tool("import_video").main


def test_a_real_video_becomes_clips(main, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(REAL_GIF), f"--out={out}", "--frames=2", "--hop=1", "--size=32"]) == 0
    output = capsys.readouterr().out
    assert "3 frames, 2 clips (1 of 1 videos)" in output
    assert "2 clips of 2 frames of 32x32 with video" in output
    reader = ClipRecords(str(out), "train")
    clips = [reader.parse(record, ("video",))["video"].numpy() for record in reader.files.serialized()]
    image = Image.open(REAL_GIF)
    for start, clip in enumerate(clips):
        for offset, frame in enumerate(clip):
            image.seek(start + offset)
            # 256 is 8 times 32, so Pillow's box is the same average.
            wanted = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX)).astype(int)
            assert np.abs(frame - wanted).max() <= 1
    assert main([str(REAL_GIF), f"--out={out}", "--frames=2", "--hop=1", "--size=32"]) == 0
    assert "it was there already" in capsys.readouterr().out


def test_the_playroom_configuration_reads_it(main, tmp_path):
    for split in ("train", "test"):
        assert main([str(REAL_GIF), f"--out={tmp_path}", f"--split={split}", "--frames=3", "--size=64"]) == 0
    gin_files.parse_config([str(ROOT / "gin" / "playroom.gin")], [f"playroom_dir = '{tmp_path}'"])
    import gin

    with gin.unlock_config():
        for scope in ("training", "held_out"):
            reader = gin.query_parameter(f"{scope}/ClipRecords.split")
            assert ClipRecords(str(tmp_path), reader).clip_shape() == (3, 64, 64)
    gin.clear_config()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--frames=4"], "has 3 frames, a clip of 4"),
        (["--frames=0"], "frames is 0"),
        (["--size=64x"], "--size=64x is no size"),
        (["--size=0"], "size is 0x0"),
        (["--split=a/b"], "--split=a/b is no file name"),
        (["--masks=nowhere"], "nowhere"),
        (["--camera=nowhere"], "no camera file"),
        (["nothing.mp4"], "nothing.mp4 does not exist"),
        (["--out=l\udce4uft"], "--out=l\\xe4uft holds bytes that are no UTF-8"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(main, tmp_path, capsys, flags, words):
    assert main([str(REAL_GIF), f"--out={tmp_path / 'out'}", "--frames=2", *flags]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("import_video: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not (tmp_path / "out").exists()


def test_the_command_in_a_process_of_its_own_says_only_its_own(tmp_path):
    arguments = [sys.executable, str(TOOL), str(REAL_GIF), f"--out={tmp_path}", "--frames=30"]
    # The tests' own setting of this lets through what a user's shell does not.
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["import_video"], done.stderr


def test_damaged_frames_are_left_out_and_told(main, tmp_path, capsys):
    pytest.importorskip("av")
    from made_videos import whole

    content = whole("mpeg4.avi")
    start = content.index(b"01wb") if b"01wb" in content else len(content) // 2
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "torn.avi").write_bytes(content[:start] + bytes(400) + content[start + 400 :])
    flags = [str(tmp_path / "in"), f"--out={tmp_path / 'out'}", "--frames=3", "--size=16"]
    assert main(flags) == 2
    assert "is damaged at frame" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*flags, "--on_corrupt=skip"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert len(lines) == 1
    assert re.search(r"torn\.avi: [1-9][0-9]* damaged frames were left out", lines[0])
