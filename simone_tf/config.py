"""The one place where gin meets the library: what a config file can name, reading it, and keeping what was used."""

import contextlib
import functools
import logging
import os
import re

import gin

from simone_tf.data.cater import CaterWithMasks
from simone_tf.data.pipeline import training_batches
from simone_tf.data.records import ClipRecords
from simone_tf.errors import UserError
from simone_tf.models.decoder import PixelDecoder
from simone_tf.models.encoder import Encoder
from simone_tf.models.latents import LatentHead
from simone_tf.models.likelihood import PixelMixture
from simone_tf.models.queries import RandomQueries, StridedQueries
from simone_tf.models.simone import SIMONe
from simone_tf.models.transformer import Transformer
from simone_tf.training.optimizers import make_adam
from simone_tf.training.schedules import WarmupCosine

CONFIG_FILE = "config.gin"

_CONFIGURABLES = {
    "Adam": make_adam,
    "CaterWithMasks": CaterWithMasks,
    "ClipRecords": ClipRecords,
    "Encoder": Encoder,
    "LatentHead": LatentHead,
    "PixelDecoder": PixelDecoder,
    "PixelMixture": PixelMixture,
    "RandomQueries": RandomQueries,
    "SIMONe": SIMONe,
    "StridedQueries": StridedQueries,
    "Transformer": Transformer,
    "WarmupCosine": WarmupCosine,
    "training_batches": training_batches,
}


@functools.cache
def register():
    """Makes the library's classes and functions known to gin; harmless when called again."""
    for name, configurable in _CONFIGURABLES.items():
        gin.external_configurable(configurable, name)


def parse_config(gin_files=(), gin_params=(), run_dir=None):
    """Reads gin files and single bindings; without any, the config that a run folder was trained with.

    Includes are looked up from the working directory and from the folder of each given file.

    Args:
        gin_files: paths of gin files, later ones win.
        gin_params: bindings such as `"num_steps = 100"`, these win over the files.
        run_dir: run folder whose `config.gin` is read first when no gin file is given.

    Raises:
        UserError: for a missing file, an unknown name, or a value that does not parse.
    """
    register()
    gin.clear_config()
    gin_files = list(gin_files)
    if not gin_files:
        stored = os.path.join(run_dir, CONFIG_FILE) if run_dir else None
        if stored is None or not os.path.isfile(stored):
            where = f", and {run_dir} holds no {CONFIG_FILE} of an earlier run" if run_dir else ""
            raise UserError(f"No --gin_file was given{where}; name one, for example --gin_file=gin/quickstart.gin.")
        gin_files = [stored]
    for path in gin_files:
        if not os.path.isfile(path):
            raise UserError(f"--gin_file={path}: there is no such file; run from the folder that holds gin/.")
        gin.add_config_file_search_path(os.path.dirname(os.path.abspath(path)))
    try:
        with _quiet_gin():
            # A misspelt name must be an error: skip_unknown would hide it.
            gin.parse_config_files_and_bindings(
                gin_files, list(gin_params), skip_unknown=False, print_includes_and_imports=False
            )
    except (ValueError, SyntaxError, OSError, TypeError, NameError, AttributeError) as error:
        sources = ", ".join([*gin_files, *gin_params])
        raise UserError(f"The configuration ({sources}) is wrong: {_one_line(error)}") from error


@contextlib.contextmanager
def errors_in_one_sentence():
    """Turns gin's complaint about a value that no file sets, raised when it is needed, into a `UserError`."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("Required bindings"):
            raise
        raise UserError(f"The configuration is wrong: {_one_line(error)}") from error


def operative_config():
    """The bindings that were used so far, as text that `parse_config` reads back."""
    return gin.operative_config_str()


def write_operative_config(run_dir):
    """Writes the operative config to `<run_dir>/config.gin`, at once or not at all."""
    path = os.path.join(run_dir, CONFIG_FILE)
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(operative_config())
    os.replace(f"{path}.new", path)


@contextlib.contextmanager
def _quiet_gin():
    """Gin logs an error for every folder in which an include is not, also when it is in the next one."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _one_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines))[:400] or type(error).__name__
