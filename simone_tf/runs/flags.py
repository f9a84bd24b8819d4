"""--run_dir, --pretrained, --best and --saved_model: the model that a command means.

Nothing here loads TensorFlow but what reads a model: flags and names are told first.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from simone_tf.cli.command import check_name
from simone_tf.config import gin_files
from simone_tf.errors import UserError

if TYPE_CHECKING:
    from simone_tf.long_videos.window_model import WindowModel
    from simone_tf.runs.load import Run


def check_one_model(flags: argparse.Namespace) -> None:
    """Of a command that takes a run, an export or a pretrained model.

    Raises:
        UserError: none of them is named, or several are, or --best goes with none.
    """
    named = [name for name in ("run_dir", "saved_model", "pretrained") if getattr(flags, name)]
    if len(named) != 1:
        found = "Several models are named" if named else "No model is named"
        raise UserError(
            f"{found}: give one of --run_dir=FOLDER (a trained run), --saved_model=FOLDER (an export) and "
            "--pretrained=NAME (such as quickstart)."
        )
    check_name(f"--{named[0]}=", getattr(flags, named[0]))
    if flags.best and not flags.run_dir:
        raise UserError("--best chooses among the checkpoints of a run: give --run_dir too, or leave it out.")


def check_adapt(flags: argparse.Namespace) -> float | None:
    """The minutes of --adapt, None without it.

    Raises:
        UserError: they are no number above 0, or the model is one that is not trained further.
    """
    if flags.adapt is None:
        return None
    told = f"--adapt={flags.adapt}"
    try:
        minutes = float(flags.adapt)
    except ValueError:
        minutes = math.nan
    if not (math.isfinite(minutes) and minutes > 0):
        raise UserError(f"{told} is no time to train for: give minutes, a number above 0, such as --adapt=2.")
    if flags.saved_model:
        raise UserError(f"{told} goes with --run_dir or --pretrained: an export (--saved_model) cannot be trained.")
    if flags.best:
        raise UserError(f"{told} starts from the newest checkpoint of --run_dir: leave --best out.")
    return minutes


def check_run_or_pretrained(flags: argparse.Namespace) -> None:
    """Of a command that takes a run, or a pretrained model in its place.

    Raises:
        UserError: both are named, or none, or the run is an address.
    """
    if flags.pretrained and (flags.run_dir or flags.best):
        raise UserError("--pretrained goes with neither --run_dir nor --best: leave one out.")
    if not flags.pretrained:
        check_folder("run_dir", flags.run_dir, "runs/quickstart")


def check_folder(name: str, value: str | None, example: str) -> None:
    """Raises UserError where the folder `--name=value` is not given, or is an address."""
    if not value:
        raise UserError(f"--{name} is missing; name a folder, for example --{name}={example}.")
    if "://" in value:
        raise UserError(f"--{name}={value} is an address: name a local folder, and copy it there afterwards.")
    check_name(f"--{name}=", value)


def check_params(run_dir: str | None, gin_params: Iterable[str]) -> None:
    """Tells what is misspelt in bindings that go with a run's own config; what else is wrong, `load_run` tells.

    Raises:
        UserError: as `gin_files.check_names`.
    """
    if run_dir and os.path.isfile(os.path.join(run_dir, gin_files.CONFIG_FILE)):
        gin_files.check_names((), gin_params, run_dir)


def read_run(flags: argparse.Namespace) -> Run:
    """The run that --run_dir (with --best) or --pretrained names, bindings of --gin_param put over its config.

    Raises:
        UserError: it cannot be read.
    """
    from simone_tf.runs.load import load_pretrained, load_run

    gin_params = tuple(getattr(flags, "gin_param", ()))
    if flags.pretrained:
        return load_pretrained(flags.pretrained, gin_params)
    return load_run(flags.run_dir, gin_params, getattr(flags, "best", False))


def read_window_model(flags: argparse.Namespace) -> WindowModel:
    """The same as what takes windows apart; also an export, of --saved_model.

    Raises:
        UserError: it cannot be read.
    """
    from simone_tf.long_videos.window_model import of_saved_model

    if getattr(flags, "saved_model", None):
        return of_saved_model(flags.saved_model)
    return window_model_of(read_run(flags), f"pretrained {flags.pretrained}" if flags.pretrained else flags.run_dir)


def window_model_of(run: Run, source: str) -> WindowModel:
    """A run's model as what takes windows apart; `source` is what a message calls it."""
    from simone_tf.long_videos.window_model import of_run_model

    return of_run_model(run.model, run.settings.num_frames, run.settings.frame_size, source)
