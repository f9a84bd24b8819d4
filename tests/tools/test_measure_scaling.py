"""The tool that measures what several replicas cost, on a step of almost nothing."""

import os
import re
import subprocess
import sys

from tiny_run import REPOSITORY
from worker_runs import write_config

TOOL = REPOSITORY / "tools" / "measure_scaling.py"


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
