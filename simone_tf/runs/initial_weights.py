"""A fresh run that starts from the weights of a trained model in place of drawn ones."""

import os

from simone_tf.config import bindings, gin_files
from simone_tf.errors import UserError, first_line
from simone_tf.runs.pretrained import WEIGHTS, find_pretrained, read_card
from simone_tf.runs.weights import load_weights
from simone_tf.training.averaging import WeightAverage
from simone_tf.training.checkpoints import restore_weights
from simone_tf.training.step import TrainingStep

PRETRAINED = "pretrained:"


def start_from(step: TrainingStep, source: str) -> str:
    """Gives a step that has taken none the weights of a trained model; optimizer and step number stay new.

    The data may be other data, the clips longer or larger: only what the model's weights are has to be the same.

    Args:
        step: built `TrainingStep`; its model holds the weights afterwards, and so does its average.
        source: 'pretrained:NAME' as for `load_pretrained`, or a run folder, of which the newest checkpoint is taken
            (the averaged weights where it kept an average).

    Returns:
        What the weights are of, for people.

    Raises:
        UserError: there is no such model, it is damaged, or a weight has another size than the model's.
    """
    try:
        if source.startswith(PRETRAINED):
            folder = find_pretrained(source.removeprefix(PRETRAINED))
            trained = read_card(folder)["step"]
            load_weights(os.path.join(folder, WEIGHTS), step.model)
        else:
            average = WeightAverage(step.model) if _keeps_average(source) else None
            _, trained = restore_weights(source, step.model, average)
    except UserError as error:
        misfit = error.__cause__ if isinstance(error.__cause__, ValueError | AssertionError | KeyError) else None
        # What the other commands advise does not help here.
        reason = first_line(misfit) if misfit else str(error).rpartition(": ")[0] or str(error)
        raise UserError(
            f"train.initialize_from = {source!r} cannot be used ({reason}): name a model of the same architecture, or "
            "leave it out to start from drawn weights."
        ) from error
    if step.average is not None:
        step.average.start_again(step.model)
    return f"{source}, trained for {trained} steps"


def _keeps_average(run_dir: str) -> bool:
    path = os.path.join(run_dir, gin_files.CONFIG_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            said = bindings.resolved(bindings.read_bindings(file.read()))
    except FileNotFoundError:
        raise UserError(f"there is no {path}, so that it is no run folder") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}") from error
    return said.get("train.average_decay") is not None
