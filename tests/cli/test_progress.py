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
