"""What the command line itself can hold that no file system or library takes."""

import os
import subprocess
import sys

import pytest

from simone_tf.cli import command
from simone_tf.errors import LostWorkerError, UserError


def told(capsys, main):
    with pytest.raises(SystemExit) as caught:
        command.run(main)
    assert caught.value.code == 2
    return capsys.readouterr().err


def raising(error):
    def main():
        raise error

    return main


def test_a_line_break_in_a_name_does_not_cut_the_sentence(capsys):
    error = UserError("two\nlines.mp4 does not exist: check\tits name.\n  In call to configurable 'train' (<class>)")
    assert told(capsys, raising(error)) == "Error: two?lines.mp4 does not exist: check?its name.\n"


def test_a_name_that_is_no_utf8_is_told_wherever_it_is_met(capsys):
    line = told(capsys, lambda: "videos/l\udce4uft.tfrecord".encode())
    assert line.startswith("Error: the name videos/l\\xe4uft.tfrecord holds bytes that are no UTF-8")
    with pytest.raises(UnicodeEncodeError):  # of something else: a fault of the program
        command.run(lambda: "ä".encode("ascii"))


@pytest.mark.parametrize("name", ["l\udce4uft", "runs/\udcff"])
def test_a_run_folder_that_is_no_utf8_is_refused_at_once(name):
    with pytest.raises(UserError, match=r"--run_dir=\S+ holds bytes that are no UTF-8"):
        command.argument_parser("").parse_args([f"--run_dir={name}"])


def test_letters_beyond_ascii_need_a_locale_in_utf8():
    for encoding in ("utf-8", "UTF8"):
        command.check_encoding(["--run_dir=läuft"], encoding)
    command.check_encoding(["--run_dir=runs"], "iso8859-1")
    for encoding in ("iso8859-1", "ascii", "euc_jp"):
        with pytest.raises(UserError, match=rf"läuft .*encoding is {encoding}: set PYTHONUTF8=1"):
            command.check_encoding(["--run_dir=läuft"], encoding)


def test_without_docstrings_libraries_do_not_load():
    code = "from simone_tf.cli import command; command.run(print)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: Python runs without docstrings")


@pytest.mark.parametrize(("said", "told"), [((), "nothing was written"), (("a holds it",), "a holds it")])
def test_what_was_interrupted_may_know_better(said, told, capsys):
    with pytest.raises(SystemExit) as caught:
        command.run(raising(KeyboardInterrupt(*said)), interrupted="nothing was written")
    assert caught.value.code == 130
    assert capsys.readouterr().err == f"Interrupted; {told}.\n"


def test_a_lost_worker_is_no_mistake_and_ends_the_process_at_once(capsys, monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    command.run(raising(LostWorkerError("Worker 1 of 2 (a:1) is gone.")))
    assert codes == [1]
    assert capsys.readouterr().err == "Error: Worker 1 of 2 (a:1) is gone.\n"
