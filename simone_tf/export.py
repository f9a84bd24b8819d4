"""`python -m simone_tf.export`: a trained run as a SavedModel that needs TensorFlow only."""

import argparse
import os
import shlex
from collections.abc import Sequence

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError
from simone_tf.runs import flags as run_flags
from simone_tf.serving import CHUNK_SIZE


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses flags, reads the run back, writes the export."""
    flags = _parser().parse_args(arguments)
    run_flags.check_run_or_pretrained(flags)
    run_flags.check_folder("export_dir", flags.export_dir, "exports/quickstart/1")
    if not 1 <= flags.chunk_size < 2**31:
        raise UserError(f"--chunk_size={flags.chunk_size} is out of range: choose 1 to 2 ** 31 - 1.")
    run_flags.check_params(flags.run_dir, flags.gin_param)

    # Only now, when all is told that can be told without it: TensorFlow takes seconds to load.
    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

    # isort: on
    from simone_tf.runs.export_run import export_run
    from simone_tf.serving.write_export import check_replaceable

    check_replaceable(flags.export_dir)
    run = run_flags.read_run(flags)
    say(f"{flags.pretrained or flags.run_dir}: step {run.step}")
    export_run(run, flags.export_dir, flags.chunk_size)
    say(f"The export is {flags.export_dir}; serving.json in it describes every signature.")
    parent, version = os.path.split(os.path.abspath(flags.export_dir))
    if not version.isdecimal():
        say("For tensorflow_model_server the folder must be named by a version number, such as exports/quickstart/1.")
        return
    name = os.path.basename(parent)
    flags = shlex.join([f"--model_name={name}", f"--model_base_path={parent}"])
    say(f"To serve it: tensorflow_model_server --rest_api_port=8501 {flags}")


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run_dir", help="folder of a trained run")
    parser.add_argument("--pretrained", help="in its place: a model installed with the library, such as quickstart")
    parser.add_argument(
        "--export_dir",
        help="folder to write, such as exports/quickstart/1; an earlier export there is replaced. For "
        "tensorflow_model_server its last part is a version number",
    )
    parser.add_argument("--best", action="store_true", help="the best checkpoint instead of the newest")
    parser.add_argument(
        "--chunk_size",
        type=int,
        default=CHUNK_SIZE,
        help=f"pixels decoded at a time, of all clips of a request together; bounds the memory (default {CHUNK_SIZE})",
    )
    parser.add_argument(
        "--gin_param", action="append", default=[], help="one binding that wins over the run's config; repeatable"
    )
    return parser


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written, an earlier export is as it was")
