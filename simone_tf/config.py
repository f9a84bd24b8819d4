"""The one place where gin meets the library: what a config file can name, reading it, and keeping what was used."""

import contextlib
import functools
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

    Includes are looked up in the folder of the file that was named.

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
        _parse(path, _with_includes(path, os.path.dirname(path), ()))
    for param in gin_params:
        _parse(f"--gin_param={param}", param)
    _check_macros(gin_params)
    gin.finalize()


def _parse(source, bindings):
    try:
        # A misspelt name must be an error: skip_unknown would hide it.
        gin.parse_config(bindings, skip_unknown=False)
    except (ValueError, SyntaxError, TypeError, NameError, AttributeError) as error:
        raise UserError(f"The configuration {source} is wrong: {_one_line(error)}") from error


def _with_includes(path, folder, including):
    """The text of a gin file with its includes in their places.

    Gin's own search also asks Python for packages named like the include's folder, and fails when it meets one.

    Args:
        path: the file.
        folder: folder of the file the user named; includes are looked up there.
        including: the files that are being included, to tell a circle.
    """
    if path in including:
        raise UserError(f"{path} includes itself by way of {', '.join(including)}: take one include out.")
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a gin file ({error}); check its name.") from error
    parts = []
    for line in lines:
        include = re.fullmatch(r"include\s+(['\"])(.+)\1\s*(#.*)?", line)
        if include is None:
            parts.append(line)
            continue
        included = os.path.join(folder, include[2])
        if not os.path.isfile(included):
            raise UserError(f"{path} includes {include[2]!r}, but there is no {included}; correct the include.")
        parts.append(_with_includes(included, folder, (*including, path)))
    return "\n".join(parts)


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


def _check_macros(gin_params):
    """Gin takes a misspelt macro for the definition of another one, and tells of one that is not set in many lines."""
    text = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "''", gin.config_str())
    set_macros = set(re.findall(r"^(\w+) = ", text, re.MULTILINE))
    used_macros = set(re.findall(r"%(\w+)", text))
    for param in gin_params:
        name = param.split("=")[0].strip()
        if name in set_macros - used_macros:
            raise UserError(f"--gin_param={param}: no configuration file uses %{name}; check its spelling.")
    for name in sorted(used_macros - set_macros):
        raise UserError(f"The configuration uses %{name}, which nothing sets; set it with --gin_param='{name} = ...'.")


def _one_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r"\s+", " ", " ".join(lines))[:400] or type(error).__name__
