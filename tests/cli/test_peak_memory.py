import subprocess
import sys

import pytest

from simone_tf.cli import peak_memory
from simone_tf.cli.peak_memory import peak_bytes

PROGRAM = """
from simone_tf.cli.peak_memory import peak_bytes
before = peak_bytes()
taken = bytearray(b"x" * 2**26)
taken.extend(b"y" * 2**26)
del taken
print(peak_bytes() - before)
"""


def test_what_was_taken_counts_after_it_was_given_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert 2**27 <= int(done.stdout) < 2**29


def test_both_accounts_of_the_system_say_about_the_same(monkeypatch):
    told = peak_bytes()

    def refuse(*arguments, **keywords):
        raise FileNotFoundError

    monkeypatch.setattr(peak_memory, "open", refuse, raising=False)
    assert peak_bytes() == pytest.approx(told, rel=0.5)
