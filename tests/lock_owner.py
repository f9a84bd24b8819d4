"""Other processes that hold locks; they load no TensorFlow."""

import contextlib
import os
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).parents[1]

_HOLD = """
import sys
from simone_tf.locks import held
with held(sys.argv[1], "a thing is being made", "make another"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def owner_of(path):
    """A process that holds the lock file until it is told a line or killed."""
    with python(_HOLD, path) as process:
        assert process.stdout.readline() == "held\n"
        yield process


_WRITE = """
import sys
from simone_tf.one_writer import replacing_held
with replacing_held(sys.argv[1], "a folder is being made", "make another") as folder:
    open(folder + "/mine", "w").close()
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def writer_of(path):
    """A process that writes a folder which takes its place when it is told a line."""
    with python(_WRITE, path) as process:
        assert process.stdout.readline() == "held\n"
        yield process


@contextlib.contextmanager
def python(code, *arguments):
    """A process that runs code which imports the library; killed at the end of the block if it still runs."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
