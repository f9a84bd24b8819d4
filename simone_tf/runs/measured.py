"""What another run was measured to do, as a number that a configuration can ask for."""

import os

from simone_tf.checks import number
from simone_tf.errors import UserError, first_line
from simone_tf.files import read_json

_METRICS, _MAX_BYTES = "metrics.json", 2**26


def nats_per_pixel_of(metrics: str) -> float:
    """The mean log-likelihood of a pixel that a run reached on its held-out clips, for `Geco.target`.

    Args:
        metrics: a `metrics.json` of the run, that of an evaluation or, where `train.best_metric` is 'nats_per_pixel',
            that of the training; or a folder with one, such as `runs/quickstart_views/evaluation`.

    Returns:
        Nats per pixel, at the posterior means.

    Raises:
        UserError: the file cannot be read, or says nothing of a likelihood.
    """
    path = os.path.join(metrics, _METRICS) if os.path.isdir(metrics) else metrics
    instead = "evaluate that run first, or bind a number to Geco.target"
    try:
        found = read_json(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(
            f"nats_per_pixel_of.metrics = {metrics!r} cannot be read ({first_line(error)}): {instead}."
        ) from error
    evaluated = found.get("reconstruction")
    nats = evaluated.get("nats_per_pixel") if isinstance(evaluated, dict) else found.get("nats_per_pixel")
    nats = nats.get("mean") if isinstance(nats, dict) else nats
    if not number(-float("inf")).holds(nats):
        raise UserError(f"{path} has no nats per pixel: {instead}.")
    return float(nats)
