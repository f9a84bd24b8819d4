"""What all commands share: flags, and errors told in one sentence."""

import argparse
import sys

from simone_tf import interrupts
from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line


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
    return path


GOES_ON = "what was saved so far is kept, the same command goes on from there"
SAVING = "what was done so far is being saved"
CLEARING = "what is half written is being cleared away"


def run(main, interrupted=GOES_ON):
    """Calls `main()` and leaves with its exit code: 2 after a `UserError`, told on stderr without a traceback.

    Ctrl-C and SIGTERM (what a scheduler sends before it kills) both end the work in order, as `KeyboardInterrupt`, see
    `interrupts`; `interrupted` says what becomes of it.
    """
    code = 0
    try:
        interrupts.install(SAVING if interrupted == GOES_ON else CLEARING)
        code = main() or 0
    except UserError as error:
        # Gin adds lines of its own ("In call to configurable ...") to what passes through it.
        say(f"Error: {str(error).splitlines()[0]}", sys.stderr)
        code = 2
    except KeyboardInterrupt:
        interrupts.over()
        say(f"Interrupted; {interrupted}.", sys.stderr)
        code = interrupts.exit_code()
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
