"""`python -m simone_tf.export`: a trained run as a SavedModel that needs TensorFlow only."""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on
import argparse
import os
import re

from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.data.formats.records import PACKAGE_PREFIX
from simone_tf.errors import UserError, first_line
from simone_tf.files import read_json
from simone_tf.runs.load import load_run
from simone_tf.runs.load_pretrained import load_pretrained
from simone_tf.runs.pretrained import CARD, read_card
from simone_tf.serving.chunks import CHUNK_SIZE
from simone_tf.serving.signatures import sizes_of
from simone_tf.serving.write_export import check_replaceable, write_export

_MAX_METRICS_BYTES = 2**20


def export(run, export_dir, chunk_size=CHUNK_SIZE):
    """Writes a run's model as a SavedModel.

    Args:
        run: `TrainedRun`, also of a pretrained model.
        export_dir: the folder to be, see `write_export`.
        chunk_size: queries of all clips of a request together that are decoded at a time.

    Raises:
        UserError: the folder holds something else, or cannot be written; the run's metrics cannot be read.
    """
    settings, clips = run.settings, run.settings["clips"]
    # A pretrained model has its metrics in its card.
    card = os.path.join(run.run_dir, CARD)
    metrics = read_card(run.run_dir).get("metrics") if os.path.isfile(card) else _read_metrics(run.run_dir)
    if metrics and isinstance(metrics.get("data"), str):
        metrics["data"] = _portable(metrics["data"])
    origin = {
        "step": run.step,
        "checkpoint": os.path.basename(os.path.dirname(run.checkpoint)) + "/" + os.path.basename(run.checkpoint),
        "precision": settings["precision"],
        "training_data": {"reader": type(clips).__name__, "data_dir": _portable(clips.data_dir), "split": clips.split},
        "metrics": metrics,
        "config": run.config_text,
    }
    sizes = sizes_of(run.model, settings["num_frames"], settings["frame_size"])
    write_export(export_dir, run.model, sizes, origin, chunk_size)


def main(arguments=None):
    """Parses flags, reads the run back, writes the export."""
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
    flags = parser.parse_args(arguments)
    if flags.pretrained and (flags.run_dir or flags.best):
        raise UserError("--pretrained goes with neither --run_dir nor --best: leave one out.")
    folders = (("run_dir", "runs/quickstart"), ("export_dir", "exports/quickstart/1"))
    for name, example in folders[1:] if flags.pretrained else folders:
        value = getattr(flags, name)
        if not value:
            raise UserError(f"--{name} is missing; name a folder, for example --{name}={example}.")
        if "://" in value:
            raise UserError(f"--{name}={value} is an address: name a local folder, and copy it there afterwards.")
    if not 1 <= flags.chunk_size < 2**31:
        raise UserError(f"--chunk_size={flags.chunk_size} is out of range: choose 1 to 2 ** 31 - 1.")
    check_replaceable(flags.export_dir)
    if flags.pretrained:
        run = load_pretrained(flags.pretrained, flags.gin_param)
    else:
        run = load_run(flags.run_dir, flags.gin_param, flags.best)
    say(f"{flags.pretrained or flags.run_dir}: step {run.step}")
    export(run, flags.export_dir, flags.chunk_size)
    say(f"The export is {flags.export_dir}; serving.json in it describes every signature.")
    parent, version = os.path.split(os.path.abspath(flags.export_dir))
    if not version.isdecimal():
        say("For tensorflow_model_server the folder must be named by a version number, such as exports/quickstart/1.")
        return
    name = os.path.basename(parent)
    say(f"To serve it: tensorflow_model_server --rest_api_port=8501 --model_name={name} --model_base_path={parent}")


def _portable(data_dir):
    """A data set that is shipped with the library, wherever that lay, by the name it has everywhere."""
    shipped = re.search(r"(^|[/\\])simone_tf[/\\]data[/\\]embedded[/\\](\w+)$", data_dir)
    return PACKAGE_PREFIX + shipped[2] if shipped else data_dir


def _read_metrics(run_dir):
    """The metrics of the run's end, None where it has not come to its end."""
    path = os.path.join(run_dir, "metrics.json")
    try:
        return read_json(path, _MAX_METRICS_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as the run's metrics ({first_line(error)}): mend it or delete it."
        ) from error


if __name__ == "__main__":
    command.run(main, interrupted="nothing was written, an earlier export is as it was")
