"""What all commands share: flags, and errors told in one sentence."""

import argparse
import signal
import sys

from simone_tf.cli.console import say
from simone_tf.errors import UserError


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


def run(main, interrupted=GOES_ON):
    """Calls `main()` and leaves with its exit code: 2 after a `UserError`, told on stderr without a traceback.

    Ctrl-C and SIGTERM (what a scheduler sends before it kills) both end the work in order, as `KeyboardInterrupt`;
    `interrupted` says what becomes of it.
    """
    received = [signal.SIGINT]

    def stop(number, frame):
        received[0] = number
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        main()
    except UserError as error:
        # Gin adds lines of its own ("In call to configurable ...") to what passes through it.
        say(f"Error: {str(error).splitlines()[0]}", sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        say(f"Interrupted; {interrupted}.", sys.stderr)
        sys.exit(128 + received[0])
