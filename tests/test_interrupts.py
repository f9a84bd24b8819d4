"""Signals sent to real processes: in order, in a hurry, and by someone who has waited long enough."""

import os
import signal
import subprocess
import sys
import time

import pytest

from simone_tf import interrupts

SCRIPT = """
import pathlib, sys, time
from simone_tf import interrupts
from simone_tf.cli import command

def main():
    try:
        print("begun", flush=True)
        for _ in range(1000):
            {work}
    finally:
        print("saving", flush=True)
        for _ in range({slices}):
            time.sleep(0.01)
        print("saved", flush=True)

command.run(main)
"""
SLEEP = "time.sleep(0.01)"


def start(slices, work=SLEEP):
    script = SCRIPT.format(slices=slices, work=work)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        # A shell's background jobs, and what they start, ignore SIGINT; the process under test must not inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def read_until(process, word):
    assert process.stdout.readline() == f"{word}\n"


@pytest.mark.parametrize(
    "later",
    [
        (),
        (signal.SIGINT,),
        (signal.SIGTERM,),
        (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT),
    ],
)
@pytest.mark.parametrize("first", interrupts.SIGNALS)
def test_signals_in_a_row_do_not_disturb_what_is_saved(first, later):
    process = start(slices=30)
    read_until(process, "begun")
    process.send_signal(first)
    read_until(process, "saving")
    for number in later:
        process.send_signal(number)
        time.sleep(0.02)
    output, errors = process.communicate(timeout=60)
    assert output == "saved\n"
    assert process.returncode == 128 + first
    lines = errors.splitlines()
    assert lines[-1] == "Interrupted; what was saved so far is kept, the same command goes on from there."
    assert len(lines) == 1 + bool(later)
    if later:
        assert lines[0].startswith("Stopping: what was done so far is being saved; Ctrl-C after 2 seconds ends at once")


def test_one_who_has_waited_ends_the_process_at_once():
    process = start(slices=10**5)
    read_until(process, "begun")
    process.send_signal(signal.SIGINT)
    read_until(process, "saving")
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("Stopping: ")
    time.sleep(interrupts.PATIENCE + 0.1)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 5
    assert (output, errors) == ("", "Ended at once.\n")
    assert process.returncode == 130


def test_signals_while_the_process_ends_are_no_traceback():
    process = start(slices=1, work="import threading; threading.Thread(target=time.sleep, args=(0.5,)).start(); break")
    for word in ("begun", "saving", "saved"):
        read_until(process, word)
    time.sleep(0.2)
    for _ in range(8):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, errors = process.communicate(timeout=60)
    assert errors == ""
    assert process.returncode == 0


def test_what_an_interrupted_part_answers_is_no_traceback():
    """As a library that makes an error of its own of the interrupt."""
    work = """
            try:
                print("inside", flush=True)
                time.sleep(10)
            except KeyboardInterrupt:
                raise RuntimeError("import failed") from None"""
    process = start(slices=1, work=work)
    read_until(process, "begun")
    read_until(process, "inside")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert output == "saving\nsaved\n"
    assert errors.startswith("Interrupted (RuntimeError: import failed); ")
    assert len(errors.splitlines()) == 1
    assert process.returncode == 130


@pytest.mark.parametrize("looks", ["interrupts.stop_if_asked()", ""])
def test_an_interrupt_that_got_lost_is_raised_again(looks):
    """Python swallows what is raised while it frees an object, and prints it as a traceback."""
    work = f"""
            class Freed:
                def __del__(self):
                    time.sleep(0.1)
            Freed()
            {looks or "time.sleep(0.3)"}"""
    process = start(slices=1, work=work)
    read_until(process, "begun")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert output == "saving\nsaved\n"
    assert len(errors.splitlines()) == 1
    assert errors.startswith("Interrupted; ")
    assert process.returncode == 130


def test_what_is_held_is_finished_first():
    work = """
            with interrupts.held():
                with interrupts.held():
                    print("inside", flush=True)
                    time.sleep(0.3)
                print("whole", flush=True)
            print("never", flush=True)"""
    process = start(slices=1, work=work)
    read_until(process, "begun")
    read_until(process, "inside")
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert output == "whole\nsaving\nsaved\n"
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.splitlines() == ["Interrupted; what was saved so far is kept, the same command goes on from there."]


def test_an_error_without_an_interrupt_keeps_its_traceback():
    process = start(slices=1, work="raise RuntimeError('a fault of the program')")
    _, errors = process.communicate(timeout=60)
    assert "Traceback" in errors
    assert "a fault of the program" in errors
    assert process.returncode == 1
