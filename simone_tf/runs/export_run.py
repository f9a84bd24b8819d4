"""A trained run, or a pretrained model, written as an export that says where it comes from."""

import os
import re

from simone_tf.data.formats.records import PACKAGE_PREFIX
from simone_tf.data.pipeline.mixture import sets_of
from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, read_json
from simone_tf.runs.load import Run
from simone_tf.runs.pretrained import CARD, read_card
from simone_tf.serving import CHUNK_SIZE
from simone_tf.serving.sizes import sizes_of
from simone_tf.serving.write_export import write_export

_MAX_METRICS_BYTES = 2**20


def export_run(run: Run, export_dir: str, chunk_size: int = CHUNK_SIZE) -> None:
    """Writes a run's model as a SavedModel.

    Args:
        run: `Run`, also of a pretrained model.
        export_dir: the folder to be, see `write_export`.
        chunk_size: queries of all clips of a request together that are decoded at a time.

    Raises:
        UserError: the folder holds something else, or cannot be written; the run's metrics cannot be read.
    """
    settings = run.settings
    # A pretrained model has its metrics in its card.
    card = os.path.join(run.run_dir, CARD)
    metrics = read_card(run.run_dir).get("metrics") if os.path.isfile(card) else _read_metrics(run.run_dir)
    if metrics and isinstance(metrics.get("data"), str):
        metrics["data"] = _portable(metrics["data"])
    training = [
        {"reader": type(clips).__name__, "data_dir": _portable(clips.data_dir), "split": clips.split}
        for clips in sets_of(settings.clips).values()
    ]
    origin = {
        "step": run.step,
        "checkpoint": os.path.basename(os.path.dirname(run.checkpoint)) + "/" + os.path.basename(run.checkpoint),
        "precision": settings.precision,
        "training_data": training[0] if len(training) == 1 else training,
        "metrics": metrics,
        "config": run.config,
    }
    sizes = sizes_of(run.model, settings.num_frames, settings.frame_size)
    write_export(export_dir, run.model, sizes, origin, chunk_size)


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
        mend = "check its permissions" if isinstance(error, OSError) else "mend it or move it away"
        if str(error) == LFS_POINTER:
            raise UserError(f"{path}: {LFS_POINTER}.") from error
        raise UserError(f"{path} cannot be read as the run's metrics ({first_line(error)}): {mend}.") from error
