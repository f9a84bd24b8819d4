"""Flags of the evaluate command that cannot be meant."""

import pytest

from simone_tf import evaluate

from tiny_run import fails


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--run_dir is missing"),
        (["--run_dir=nowhere"], "nowhere holds no run (no config.gin)"),
        (["--run_dir=x", "--num_clips=0"], "--num_clips=0 is out of range"),
        (["--run_dir=x", "--num_pictures=-1"], "--num_pictures=-1 is out of range"),
        (["--run_dir=x", "--ignore_label=-1"], "--ignore_label=-1 is out of range: choose 0 or more"),
        (["--run_dir=x", "--batch_size=0"], "--batch_size=0 is out of range"),
    ],
)
def test_mistakes_in_flags(flags, words, capsys):
    assert words in fails(capsys, flags, main=evaluate.main)
