"""Lines that tell how far the measuring is where there is no terminal."""

import pytest

from simone_tf.cli import progress


@pytest.mark.parametrize("seconds", [1.0, 8.0])
def test_a_line_now_and_then_without_a_terminal(seconds, monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress("held-out clips", 10) as shown:
        for _ in range(10):
            clock[0] += seconds
            shown.add(1)
    lines = capsys.readouterr().out.splitlines()
    # Every second call is 16 seconds after the one before; the last is told by what comes after.
    expected = [f"held-out clips: {done} of 10 ({done}0%)" for done in (2, 4, 6, 8)]
    assert lines == ([] if seconds == 1.0 else expected)


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with progress.progress("held-out clips", 10) as shown:
        shown.add(10)
    said = capsys.readouterr()
    assert said.out == ""
    assert "10/10" in said.err


def test_a_total_that_is_not_known(monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress("walk.mp4", unit="frame") as shown:
        clock[0] += progress.LINE_EVERY
        shown.add()
    assert capsys.readouterr().out == "walk.mp4: 1 frames\n"


def test_only_what_is_said_where_no_lines_are_wanted(monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress("videos", 3, every=None) as shown:
        for _ in range(3):
            clock[0] += 100
            shown.add()
        shown.describe("never seen")
        shown.say("done")
        assert not shown.on_terminal
    assert capsys.readouterr().out == "done\n"


def test_lines_stand_above_the_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with progress.progress("step", 10, "step", done=4) as shown:
        assert shown.on_terminal
        shown.add(3)
        shown.describe("now")
        shown.say("step 7")
    said = capsys.readouterr()
    assert "step 7" in said.out + said.err
    assert "now" in said.err
    assert "7/10" in said.err


def test_no_bar_without_standard_error(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys, "stderr", None)
    with progress.progress("held-out clips", 10) as shown:
        shown.say("done")
        assert not shown.on_terminal
    assert capsys.readouterr().out == "done\n"
