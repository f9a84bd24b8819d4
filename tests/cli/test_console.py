"""Printing where there is no stream, or one that has not all letters."""

import io
import subprocess
import sys

from simone_tf.cli.console import say


def test_letters_that_the_encoding_lacks_cost_only_themselves(monkeypatch, capsys):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    for line in ("läuft", "l\udce4uft", "done"):
        say(line)
    assert stream.buffer.getvalue() == b"l\\xe4uft\nl\\udce4uft\ndone\n"
    assert capsys.readouterr().err == ""


def test_closed_streams_are_held(tmp_path):
    """Else the first file to be opened would be the standard output of all native code."""
    code = (
        "import os, sys\n"
        "from simone_tf.cli import command\n"
        "from simone_tf.cli.progress import progress\n"
        "def main():\n"
        "    with progress('clips', 1) as shown, open('result', 'w') as file:\n"
        "        shown.add(); print('out'); print('err', file=sys.stderr); os.write(1, b'one'); os.write(2, b'two')\n"
        "        file.write(f'{file.fileno() > 2}')\n"
        "command.run(main)\n"
    )
    closed = "exec 0<&- 1>&- 2>&-; exec " + sys.executable + ' -c "$0"'
    subprocess.run(["bash", "-c", closed, code], cwd=tmp_path, check=True)
    assert (tmp_path / "result").read_text() == "True"
