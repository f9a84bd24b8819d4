"""Makes a run folder of a state that tools/run_lowered_step.py trained.

    python tools/import_state.py --lowered=lowered/quickstart --trained=lowered/trained --run_dir=runs/quickstart

The folder is read by train (which goes on), evaluate, decompose and export like any other; the measures of the steps
stand in its TensorBoard page.
"""

# isort: off
from simone_tf.cli import quiet_tensorflow  # noqa: F401  (before anything else imports TensorFlow)

# isort: on

import argparse
import os
import zipfile

import numpy as np
import tensorflow as tf

from simone_tf import locks
from simone_tf.cli import command
from simone_tf.cli.console import say
from simone_tf.config import gin_files
from simone_tf.errors import UserError, first_line
from simone_tf.runs.build import build_step
from simone_tf.runs.lowered_step import STATE, assign_state, read_manifest
from simone_tf.runs.settings import read_settings
from simone_tf.training.checkpoints import Checkpoints
from simone_tf.training.summaries import Summaries

MEASURES = "measures.npz"
LOGGED = 2000
"""The most points of a curve."""


def read_measures(path, names):
    """`[N, M]` of the steps from the lowered one on; UserError where they are not those of the step."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found, values = file["names"].tolist(), file["values"]
        if found != names or values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError("other measures than the step has")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): name the folder of the training.") from error
    return values


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lowered", required=True, help="folder that tools/lower_step.py wrote")
    parser.add_argument("--trained", required=True, help="folder that tools/run_lowered_step.py wrote")
    parser.add_argument("--run_dir", required=True, help="new folder of the run")
    flags = parser.parse_args(argv)
    if os.path.isdir(flags.run_dir) and os.listdir(flags.run_dir):
        raise UserError(f"--run_dir={flags.run_dir} holds files already: name a new folder.")
    manifest = read_manifest(flags.lowered)
    settings = read_settings(run_dir=flags.lowered)
    step = build_step(tf.distribute.get_strategy(), settings)
    assign_state(os.path.join(flags.trained, STATE), step)
    values = read_measures(os.path.join(flags.trained, MEASURES), manifest["measures"])
    subject = f"--run_dir={flags.run_dir} is being trained"
    with locks.held(locks.inside(flags.run_dir, "train"), subject, "name another --run_dir"):
        summaries = Summaries(flags.run_dir)
        for row in range(0, len(values), max(1, len(values) // LOGGED)):
            measures = zip(manifest["measures"], values[row].tolist(), strict=True)
            summaries.scalars(manifest["step"] + row + 1, {f"train/{name}": value for name, value in measures})
        summaries.close()
        gin_files.write_operative_config(flags.run_dir)
        parts = {"model": step.model, "optimizer": step.optimizer, "step": step.step}
        parts |= {} if step.average is None else {"average": step.average}
        Checkpoints(flags.run_dir, parts).save(int(step.step.numpy()))
    say(f"{flags.run_dir}: a run at step {int(step.step.numpy())}; train, evaluate and export go on from it.")


if __name__ == "__main__":
    command.run(main, "the run folder is not complete")
