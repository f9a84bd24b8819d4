"""`python -m simone_tf.train`: trains a model, scores it on held-out clips and draws what it learned."""

from collections.abc import Sequence

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.config import gin_files
from simone_tf.errors import UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses flags and config, trains, prints the table of results."""
    flags = _parser().parse_args(arguments)
    if not flags.run_dir:
        raise UserError("--run_dir is missing; name the folder for this run, for example --run_dir=runs/quickstart.")
    gin_files.check_names(flags.gin_file, flags.gin_param, flags.run_dir)

    # Only now, when all is told that can be told without it: TensorFlow takes seconds to load.
    # isort: off
    from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

    # isort: on
    from simone_tf.runs.settings import read_settings
    from simone_tf.runs.training_run import TrainingRun
    from simone_tf.training.distribution import make_strategy

    # First: a TPU is connected, and other workers are told, before TensorFlow does anything else.
    strategy = make_strategy(flags.tpu)
    settings = read_settings(flags.gin_file, flags.gin_param, flags.run_dir)
    with gin_files.errors_in_one_sentence():
        metrics = TrainingRun(flags.run_dir, settings, strategy, flags.data_service).train()
    if not metrics:  # Of several workers the chief tells them.
        return
    say(f"\n{'measure':32} value")
    for name, value in metrics.items():
        say(f"{name:32} {value:.4f}" if isinstance(value, float) else f"{name:32} {value}")
    say(f"\nmetrics.json, TensorBoard events and pictures are in {flags.run_dir}.")


def _parser():
    parser = command.argument_parser(__doc__)
    parser.add_argument("--tpu", help="name or address of a TPU to train on, 'local' for an attached one")
    parser.add_argument("--data_service", help="grpc://host:port of a tf.data service that makes the training batches")
    return parser


if __name__ == "__main__":
    command.run(main, terminated=0)  # A preempted run has saved itself, and is no failed one.
