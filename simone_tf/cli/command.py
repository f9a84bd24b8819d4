"""What all commands share: flags, and errors told in one sentence."""

import argparse
import codecs
import os
import signal
import sys
from collections.abc import Iterable

from simone_tf import interrupts
from simone_tf.cli.console import hold_streams, say
from simone_tf.errors import LostWorkerError, UserError, first_line, one_sentence
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
SAVING = "what was done so far is being saved"
CLEARING = "what is half written is being cleared away"


def run(main, interrupted=GOES_ON, terminated=None):
    """Calls `main()` and leaves with its exit code: 2 after a `UserError`, told on stderr without a traceback; 1 after
    a `LostWorkerError`, told in the same way.

    Ctrl-C and SIGTERM (what a scheduler sends before it kills) both end the work in order, as `KeyboardInterrupt`, see
    `interrupts`; `interrupted` says what becomes of it, or the `KeyboardInterrupt` does by its own text, where what was
    interrupted knows better. The exit code is 128 and the signal's number; `terminated` is another one for SIGTERM, of
    work that was saved then and is no failure.
    """
    hold_streams()
    code = 0
    try:
        interrupts.install(SAVING if interrupted == GOES_ON else CLEARING)
        check_encoding(sys.argv[1:], sys.getfilesystemencoding())
        if sys.flags.optimize > 1:
            raise UserError("Python runs without docstrings, which libraries need: leave out -OO and PYTHONOPTIMIZE=2.")
        code = main() or 0
    except LostWorkerError as error:
        say(f"Error: {one_sentence(error)}", sys.stderr)
        os._exit(1)  # Python's own end would wait for what TensorFlow still wants of the lost worker.
    except UserError as error:
        say(f"Error: {one_sentence(error)}", sys.stderr)
        code = 2
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":
            raise
        name = error.object.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        say(
            f"Error: the name {name} holds bytes that are no UTF-8, which TensorFlow cannot open: rename it, or name "
            "another.",
            sys.stderr,
        )
        code = 2
    except KeyboardInterrupt as stop:
        interrupts.over()
        say(f"Interrupted; {str(stop) or interrupted}.", sys.stderr)
        code = interrupts.exit_code()
        if terminated is not None and code == 128 + signal.SIGTERM:
            code = terminated
    except Exception as error:
        # What was interrupted may answer with an error of its own, which is no fault of the program.
        if not interrupts.asked():
            raise
        say(f"Interrupted ({type(error).__name__}: {first_line(error)}); {interrupted}.", sys.stderr)
        code = interrupts.exit_code()
    finally:
        interrupts.over()
    if code:
        sys.exit(code)
