"""What all commands share: flags, and errors told in one sentence."""

import argparse
import codecs
import os
import signal
import sys
from collections.abc import Iterable

from simone_tf.cli.console import hold_streams, say
from simone_tf.errors import UserError, one_sentence
from simone_tf.files import is_utf8


def argument_parser(description):
    """Parser with the flags of a command that reads configurations: `--gin_file`, `--gin_param`, `--run_dir`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--gin_file", action="append", default=[], help="gin file to read; repeatable, later ones win")
    parser.add_argument(
        "--gin_param", action="append", default=[], help="one binding, such as 'num_steps = 100'; repeatable, wins"
    )
    parser.add_argument(
        "--run_dir",
        type=_local_folder,
        help="folder of the run: config, checkpoints, TensorBoard events, metrics, pictures",
    )
    return parser


def _local_folder(path):
    if "://" in path:
        raise UserError(f"--run_dir={path} is an address: name a local folder, and copy it there afterwards.")
    check_name("--run_dir=", path)
    return path


def check_name(flag: str, path: str) -> None:
    """Raises UserError where TensorFlow, which knows names in UTF-8 only, cannot open what `<flag><path>` names."""
    if not is_utf8(path):
        raise UserError(
            f"{flag}{_shown(path)} holds bytes that are no UTF-8, which TensorFlow cannot open: rename it, or name "
            "another."
        )


def check_encoding(arguments: Iterable[str], encoding: str) -> None:
    """Tells that names would mean one file to Python and another one to TensorFlow, which takes all of them for UTF-8.

    Args:
        arguments: of the command line.
        encoding: that of the names of files, which follows from the locale.

    Raises:
        UserError: there is a letter beyond ASCII, and the encoding is not UTF-8.
    """
    if codecs.lookup(encoding).name == "utf-8":
        return
    for argument in arguments:
        if not argument.isascii():
            raise UserError(
                f"{_shown(argument)} has letters beyond ASCII, and the locale's encoding is {encoding}: set "
                "PYTHONUTF8=1, or a locale in UTF-8 such as LC_ALL=C.UTF-8."
            )


def _shown(path):
    return os.fsencode(path).decode("utf-8", "backslashreplace")


GOES_ON = "what was saved so far is kept, the same command goes on from there"


def run(main, interrupted=GOES_ON):
    """Calls `main()` and leaves with its exit code: 2 after a `UserError`, told on stderr without a traceback.

    Ctrl-C and SIGTERM (what a scheduler sends before it kills) both end the work in order, as `KeyboardInterrupt`;
    `interrupted` says what becomes of it.
    """
    hold_streams()
    received = [signal.SIGINT]

    def stop(number, frame):
        received[0] = number
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        check_encoding(sys.argv[1:], sys.getfilesystemencoding())
        if sys.flags.optimize > 1:
            raise UserError("Python runs without docstrings, which libraries need: leave out -OO and PYTHONOPTIMIZE=2.")
        main()
    except UserError as error:
        say(f"Error: {one_sentence(error)}", sys.stderr)
        sys.exit(2)
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":
            raise
        name = error.object.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        say(
            f"Error: the name {name} holds bytes that are no UTF-8, which TensorFlow cannot open: rename it, or name "
            "another.",
            sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        say(f"Interrupted; {interrupted}.", sys.stderr)
        sys.exit(128 + received[0])
