"""`python -m simone_tf.evaluate`: every number and picture that the paper reports for a model, of a trained run."""

import argparse
import os
import sys
from collections.abc import Sequence

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.errors import UserError
from simone_tf.evaluation.report.paper import VIDEO_ARI_FOREGROUND
from simone_tf.runs import flags as run_flags


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses flags, evaluates each run, prints the main numbers."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    flags = _parser().parse_args(arguments)
    if not flags.run_dir:
        raise UserError(
            "--run_dir is missing; name the folder of a trained run, for example --run_dir=runs/quickstart."
        )
    for name, least in (
        ("num_clips", 1),
        ("num_probe_clips", 0),
        ("num_pictures", 0),
        ("batch_size", 1),
        ("num_context_frames", 1),
    ):
        value = getattr(flags, name)
        if value is not None and value < least:
            raise UserError(f"--{name}={value} is out of range: choose {least} or more.")
    if flags.ignore_label is not None:
        if flags.ignore_label < 0:
            raise UserError(f"--ignore_label={flags.ignore_label} is out of range: choose 0 or more.")
        flags.gin_param.append(f"train.ignore_label = {flags.ignore_label}")
    for run_dir in flags.run_dir:
        run_flags.check_params(run_dir, flags.gin_param)

    # Only now, when all is told that can be told without it: TensorFlow takes seconds to load.
    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

    # isort: on
    from simone_tf.evaluation.probes.regressors import require_scikit_learn
    from simone_tf.evaluation.report.report import require_jinja
    from simone_tf.evaluation.report.tables import print_over_runs, print_summary
    from simone_tf.runs.evaluate_run import FOLDER, evaluate_run
    from simone_tf.runs.load import load_run

    require_scikit_learn()
    require_jinja()
    summaries = []
    if len(flags.run_dir) > 1:
        # What is wrong with the last one is not to be told after the hours that the others take.
        for run_dir in flags.run_dir:
            load_run(run_dir, flags.gin_param, flags.best)
    for run_dir in flags.run_dir:
        run = load_run(run_dir, flags.gin_param, flags.best)
        say(f"{run_dir}: step {run.step}")
        summaries.append(
            evaluate_run(
                run,
                num_clips=flags.num_clips,
                num_probe_clips=flags.num_probe_clips,
                num_pictures=flags.num_pictures,
                batch_size=flags.batch_size,
                paper_name=flags.paper,
                num_context_frames=flags.num_context_frames,
                flags=_without_run_dirs(arguments),
            )
        )
        print_summary(summaries[-1])
        say(f"The report is {os.path.join(run_dir, FOLDER, 'report.html')}\n")
    if len(summaries) > 1:
        print_over_runs(summaries)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gin_param", action="append", default=[], help="one binding that wins over the run's config; repeatable"
    )
    parser.add_argument("--run_dir", action="append", default=[], help="folder of a trained run; repeatable")
    parser.add_argument("--num_clips", type=int, help="held-out clips to score (default: all)")
    parser.add_argument(
        "--num_probe_clips",
        type=int,
        default=1000,
        help="clips of the training split that the probes are trained on; 0 trains them on some of the held-out ones",
    )
    parser.add_argument("--num_pictures", type=int, default=12, help="held-out clips drawn in the report")
    parser.add_argument(
        "--ignore_label", type=int, help="true segment whose pixels are in no score, often 255 (default: the run's)"
    )
    parser.add_argument(
        "--num_context_frames",
        type=int,
        help="frames that a scene is shown by before views of it are drawn that were not seen, at most as many as the "
        "model was trained on (default: as many as leave some between them)",
    )
    parser.add_argument("--batch_size", type=int, help="clips decoded at a time")
    parser.add_argument("--best", action="store_true", help="the best checkpoint instead of the newest")
    parser.add_argument(
        "--paper", choices=tuple(VIDEO_ARI_FOREGROUND), help="put the paper's row for this dataset beside the numbers"
    )
    return parser


def _without_run_dirs(arguments):
    """The flags that an evaluation depends on, as they were given."""
    kept, waiting = [], list(arguments)
    while waiting:
        flag = waiting.pop(0)
        if flag == "--run_dir":
            waiting.pop(0)
        elif not flag.startswith("--run_dir="):
            kept.append(flag)
    return kept


if __name__ == "__main__":
    command.run(main)
