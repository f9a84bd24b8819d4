"""Imports TensorFlow without the notes on GPUs and CPU instructions that its libraries print before any setting counts.

For commands only: they import this before anything that loads TensorFlow, so that what the user reads on stderr is
what the command has to say.
"""

import contextlib
import os
import sys


@contextlib.contextmanager
def _native_stderr_closed():
    """File descriptor 2, which native code writes to, leads nowhere; Python's own errors are raised as ever."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


if "tensorflow" not in sys.modules:
    with _native_stderr_closed():
        import tensorflow

    # Its notes on objects that a restored checkpoint does not fill come after our own sentence about it.
    tensorflow.get_logger().setLevel("ERROR")
