"""The one place where gin meets the library: what a config file can name, reading it, and keeping what was used."""

import contextlib
import functools
import inspect
import os
import re
import tokenize

import gin

from simone_tf.config import bindings
from simone_tf.data.formats.cater import CaterWithMasks
from simone_tf.data.formats.clevr import ClevrWithMasks
from simone_tf.data.formats.gqn import GQNRooms
from simone_tf.data.formats.movi import MOVi
from simone_tf.data.formats.multi_dsprites import MultiDSprites
from simone_tf.data.formats.objects_room import ObjectsRoom
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.tetrominoes import Tetrominoes
from simone_tf.data.pipeline.batches import training_batches
from simone_tf.errors import UserError, first_line
from simone_tf.files import write_text
from simone_tf.models.parts.decoder import PixelDecoder
from simone_tf.models.parts.latents import LatentHead
from simone_tf.models.parts.likelihood import PixelMixture
from simone_tf.models.parts.queries import RandomQueries, StridedQueries
from simone_tf.models.parts.transformer import Transformer
from simone_tf.models.simone.encoder import Encoder
from simone_tf.models.simone.model import SIMONe
from simone_tf.training.optimizers import make_adam
from simone_tf.training.schedules import WarmupCosine

CONFIG_FILE = "config.gin"

# What gin, Python's tokenizer and an import statement raise.
_PARSE_ERRORS = (
    ValueError,
    SyntaxError,
    TypeError,
    NameError,
    AttributeError,
    ImportError,
    OSError,
    RecursionError,
    tokenize.TokenError,
)

_CONFIGURABLES = {
    "Adam": make_adam,
    "CaterWithMasks": CaterWithMasks,
    "ClevrWithMasks": ClevrWithMasks,
    "ClipRecords": ClipRecords,
    "Encoder": Encoder,
    "GQNRooms": GQNRooms,
    "LatentHead": LatentHead,
    "MOVi": MOVi,
    "MultiDSprites": MultiDSprites,
    "ObjectsRoom": ObjectsRoom,
    "PixelDecoder": PixelDecoder,
    "PixelMixture": PixelMixture,
    "RandomQueries": RandomQueries,
    "SIMONe": SIMONe,
    "StridedQueries": StridedQueries,
    "Tetrominoes": Tetrominoes,
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

    Includes are looked up beside the file that has them, then beside the file that was named. Every name has to mean
    something: a macro that no value refers to, and bindings under a scope that no reference has, are errors like an
    unknown name.

    Args:
        gin_files: paths of gin files, later ones win.
        gin_params: bindings such as `"num_steps = 100"`, these win over the files.
        run_dir: run folder whose `config.gin` is read first when no gin file is given.

    Raises:
        UserError: for a missing file, an unknown or unused name, or a value that does not parse.
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
    statements = []
    for path in gin_files:
        if not os.path.isfile(path):
            raise UserError(f"--gin_file={path}: there is no such file; run from the folder that holds gin/.")
        statements += _parse_file(path, os.path.dirname(path), ())
    for param in gin_params:
        if re.match(r"\s*include\b", param):
            raise UserError(f"--gin_param={param}: a file is not included but named by --gin_file.")
        statements += [(f"--gin_param={param}", binding) for binding in _parse(f"--gin_param={param}", param)]
    _check_names(statements)
    gin.finalize()


def _parse(source, text):
    """Hands a text to gin; returns its `Binding`s."""
    try:
        # A misspelt name must be an error: skip_unknown would hide it.
        gin.parse_config(text, skip_unknown=False)
        return bindings.read_bindings(text)
    except _PARSE_ERRORS as error:
        # Of a syntax error the text alone: the rest is gin's own idea of the place.
        found = getattr(error, "msg", None) if isinstance(error, SyntaxError) else None
        line = getattr(error, "lineno", None)
        if isinstance(error, tokenize.TokenError):
            found, (line, _) = error.args
        found = _one_line(found or error)
        place = re.search(r"\s*In bindings string line (\d+)\s*", found)
        if place:
            line, found = (
                int(place[1]),
                f"{found[: place.start()].rstrip('.')}, in: {found[place.end() :].rstrip(' ^')}",
            )
        # A parameter has one line.
        where = f", line {line}," if line and not source.startswith("--") else ""
        raise UserError(f"The configuration {source}{where} is wrong: {found}") from error


def _parse_file(path, folder, including):
    """Hands a gin file to gin, its includes in their places; returns its `Binding`s as (place, binding).

    Gin's own search also asks Python for packages named like the include's folder, and fails when it meets one.

    Args:
        path: the file.
        folder: folder of the file the user named; includes that are not beside `path` are looked up there.
        including: the files that are being included, to tell a circle.
    """
    if path in including:
        raise UserError(f"{path} includes itself by way of {', '.join(including)}: take one include out.")
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a gin file ({first_line(error)}); check its name.") from error
    statements, begin = [], 0

    def parse_up_to(end):
        # Empty lines stand for what came before, so that gin counts the file's own lines.
        text = "\n".join([""] * begin + lines[begin:end])
        return [(f"{path}, line {binding.line}", binding) for binding in _parse(path, text)]

    for number, line in enumerate(lines):
        if not re.match(r"\s*include\b", line):
            continue
        include = re.fullmatch(r"\s*include\s+(['\"])(.+)\1\s*(#.*)?", line)
        if include is None:
            raise UserError(f"{path}, line {number + 1}: an include is written include 'file.gin', found {line!r}.")
        beside = os.path.join(os.path.dirname(path), include[2])
        included = beside if os.path.isfile(beside) else os.path.join(folder, include[2])
        if not os.path.isfile(included):
            raise UserError(f"{path} includes {include[2]!r}, but there is no {included}; correct the include.")
        statements += parse_up_to(number)
        statements += _parse_file(included, folder, (*including, path))
        begin = number + 1
    return statements + parse_up_to(len(lines))


@contextlib.contextmanager
def errors_in_one_sentence():
    """Turns what gin and the classes that a configuration builds say of its values into a `UserError`.

    An error inside `train` that comes from none of them is the program's own and passes as it is.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("Required bindings"):
            raise
        raise UserError(f"The configuration is wrong: {_one_line(error)}") from error
    except (TypeError, ValueError) as error:
        # Gin appends the names of the configurables that the error passed through, innermost first.
        place = re.search(r"In call to configurable '([^']+)'", str(error))
        if place is None or place[1] not in _CONFIGURABLES:
            raise
        raise UserError(f"The configuration of {place[1]} does not work: {first_line(error)}.") from error


def operative_config():
    """The bindings that were used so far, as text that `parse_config` reads back."""
    return gin.operative_config_str()


def write_operative_config(run_dir):
    """Writes the operative config to `<run_dir>/config.gin`, at once or not at all."""
    write_text(os.path.join(run_dir, CONFIG_FILE), operative_config())


def default_value(binding_name):
    """The value that an argument has when nothing binds it; `inspect.Parameter.empty` where there is none."""
    selector, _, argument = binding_name.rpartition("/")[2].rpartition(".")
    try:
        parameter = inspect.signature(gin.get_configurable(selector)).parameters.get(argument)
    except ValueError:
        return inspect.Parameter.empty
    return inspect.Parameter.empty if parameter is None else parameter.default


def _check_names(statements):
    """Gin takes a misspelt macro for the definition of another one, and binds under any scope."""
    # Also what a later statement overrides counts as a use: its macros and scopes are well spelt.
    uses = [use for _, binding in statements for use in bindings.references(binding.value)]
    macros = {use.name for use in uses if isinstance(use, bindings.Macro)}
    scopes = {use.name.rpartition("/")[0] for use in uses if isinstance(use, bindings.Reference)} - {""}
    # Under a/b all bindings of a hold as well.
    scopes |= {scope[: match.start()] for scope in scopes for match in re.finditer("/", scope)}
    for place, binding in statements:
        if not binding.argument and binding.name not in macros:
            raise UserError(f"{place}: no configuration file uses %{binding.name}; check its spelling.")
        if binding.argument and binding.scope and binding.scope not in scopes:
            known = f" (there is {', '.join(sorted(scopes))})" if scopes else ""
            raise UserError(f"{place}: nothing uses the scope {binding.scope} of {binding.name}{known}; mend its name.")
    # But what is overridden need not be set.
    final = bindings.read_bindings(gin.config_str())
    set_macros = {binding.name for binding in final if not binding.argument}
    needed = {use.name for binding in final for use in bindings.references(binding.value)}
    for name in sorted(needed & macros - set_macros):
        raise UserError(f"The configuration uses %{name}, which nothing sets; set it with --gin_param='{name} = ...'.")


def _one_line(error):
    return re.sub(r"\s+", " ", str(error)).strip()[:400] or type(error).__name__
