"""The tool that measures what several replicas cost, on a step of almost nothing."""

import os
import re
import subprocess
import sys
import threading

import pytest

from simone_tf.errors import UserError

from loaded_tool import load_tool
from tiny_run import REPOSITORY
from worker_runs import write_config

TOOL = REPOSITORY / "tools" / "measure_scaling.py"


@pytest.fixture
def tool():
    return load_tool("measure_scaling")


class Ended:
    """A process at its end, or (None) on its way."""

    def __init__(self, code):
        self.poll = lambda: code


def test_one_that_is_at_its_end_first_is_no_failure(tool, tmp_path):
    paths = [tmp_path / "0.json", tmp_path / "1.json"]
    paths[0].touch()
    threading.Timer(0.2, paths[1].touch).start()
    tool._wait_for(paths, "apart", [Ended(0), Ended(None)])
    assert paths[1].exists()


def test_one_that_ended_without_its_file_is_told(tool, tmp_path):
    with pytest.raises(UserError, match=r"ended with exit codes \[0, None\]; why stands above"):
        tool._wait_for([tmp_path / "0.json", tmp_path / "1.json"], "apart", [Ended(0), Ended(None)])


def run(*flags):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tests"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    line = [sys.executable, str(TOOL), *flags]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_all_parts_are_measured(tmp_path):
    done = run(f"--gin_file={write_config(tmp_path)}", "--steps=2")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(.+?) +([\d.]+) ms +([\d.]+) ms(?:  ([+-][\d.]+)% of processor time)?$", done.stdout, re.M)
    assert [row[0] for row in rows] == [
        "one device",
        "2 processes, one device each",
        "2 logical devices, one process",
        "2 workers, loopback",
    ]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in rows)
    assert [bool(row[3]) for row in rows] == [False, True, True, True]
    assert "A replica's step of 4 clips" in done.stdout


def test_mistakes_are_told_in_one_sentence(tmp_path):
    done = run("--steps=0")
    assert done.returncode == 2
    assert done.stderr == "Error: --steps=0: take one step or more.\n"


def test_a_part_that_fails_ends_the_others(tmp_path):
    config = write_config(tmp_path)
    done = run(f"--gin_file={config}", "--gin_param=train.num_frames = 'many'")
    assert done.returncode == 2
    assert "The measurement of one device ended with exit codes [2]; why stands above." in done.stderr
    assert "train.num_frames" in done.stderr
