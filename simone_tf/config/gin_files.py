"""Reading gin files and bindings, misspelt names told, and keeping what was used; loads no TensorFlow by itself."""

import contextlib
import difflib
import inspect
import os
import re
import tokenize
from typing import NamedTuple

import gin

from simone_tf.config import bindings, registry
from simone_tf.errors import LostWorkerError, UserError, first_line, one_sentence
from simone_tf.files import LFS_POINTER, is_lfs_pointer, is_utf8, write_text

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


class _Piece(NamedTuple):
    """Lines that gin is handed at once: a file's between two of its includes, or one parameter."""

    source: str  # path, or flag
    text: str
    said: bindings.Text


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
    pieces = _read(gin_files, gin_params, run_dir)
    gin.clear_config()
    registry.register()
    for piece in pieces:
        with _errors_told(piece.source):
            # A misspelt name must be an error: skip_unknown would hide it.
            gin.parse_config(piece.text, skip_unknown=False)
    gin.finalize()


def check_names(gin_files=(), gin_params=(), run_dir=None):
    """Tells what of a configuration can be told from its text alone: missing files, misspelt names.

    For commands, which would need seconds for TensorFlow before `parse_config` could say the same.

    Args:
        gin_files, gin_params, run_dir: as for `parse_config`.

    Raises:
        UserError: as `parse_config`.
    """
    _read(gin_files, gin_params, run_dir)


def _read(gin_files, gin_params, run_dir):
    """The `_Piece`s of a configuration in their order, their names checked."""
    gin_files = list(gin_files)
    if not gin_files:
        stored = os.path.join(run_dir, CONFIG_FILE) if run_dir else None
        if stored is None or not os.path.isfile(stored):
            where = f", and {run_dir} holds no {CONFIG_FILE} of an earlier run" if run_dir else ""
            raise UserError(f"No --gin_file was given{where}; name one, for example --gin_file=gin/quickstart.gin.")
        gin_files = [stored]
    pieces = []
    for path in gin_files:
        if not os.path.isfile(path):
            raise UserError(f"--gin_file={path}: there is no such file; run from the folder that holds gin/.")
        pieces += _read_file(path, os.path.dirname(path), ())
    for param in gin_params:
        if re.match(r"\s*include\b", param):
            raise UserError(f"--gin_param={param}: a file is not included but named by --gin_file.")
        pieces.append(_piece(f"--gin_param={param}", param))
    _check_names(pieces)
    return pieces


def _piece(source, text):
    if not is_utf8(text):
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        where = "--gin_param" if source.startswith("--") else source
        raise UserError(
            f"{where}: {shown} holds bytes that are no UTF-8, which TensorFlow cannot open: rename the file."
        )
    with _errors_told(source):
        return _Piece(source, text, bindings.read_text(text))


@contextlib.contextmanager
def _errors_told(source):
    """Turns what gin's parser says of a text into a `UserError` that names the place."""
    try:
        yield
    except UserError:
        raise
    except _PARSE_ERRORS as error:
        if isinstance(error, SyntaxError) and str(error.filename).endswith(".py"):
            raise UserError(
                f"{error.filename}, line {error.lineno}, which the configuration {source} imports, is no Python: "
                f"{error.msg}."
            ) from error
        # Of a syntax error the text alone: the rest is gin's own idea of the place.
        found = getattr(error, "msg", None) if isinstance(error, SyntaxError) else None
        line = getattr(error, "lineno", None)
        if isinstance(error, tokenize.TokenError):
            found, (line, _) = error.args
        found = _one_line(found or error)
        # Python's words for the likeliest slip tell of a node at an address.
        found = re.sub(
            r"malformed node .* Failed to parse token '(.*?)'", r"\1 is no value (a text needs quotes)", found
        )
        place = re.search(r"\s*In bindings string line (\d+)\s*", found)
        if place:
            line, found = (
                int(place[1]),
                f"{found[: place.start()].rstrip('.')}, in: {found[place.end() :].rstrip(' ^')}",
            )
        # A parameter has one line.
        where = f", line {line}," if line and not source.startswith("--") else ""
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = "; Python looks for modules where the command is run, and in PYTHONPATH"
        raise UserError(f"The configuration {source}{where} is wrong: {found}{hint}") from error
    except Exception as error:
        raise UserError(
            f"The configuration {source} imports a module that fails with {type(error).__name__}: {first_line(error)}."
        ) from error


def _read_file(path, folder, including):
    """The `_Piece`s of a gin file, those of its includes in their places.

    Gin's own search also asks Python for packages named like the include's folder, and fails when it meets one.

    Args:
        path: the file.
        folder: folder of the file the user named; includes that are not beside `path` are looked up there.
        including: the files that are being included, to tell a circle.
    """
    if path in including:
        raise UserError(f"{path} includes itself by way of {', '.join(including)}: take one include out.")
    try:
        # Windows' editors begin a file with a mark. `splitlines` would also break lines inside values and comments.
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        mend = "name and permissions" if isinstance(error, OSError) else "name"
        raise UserError(f"{path} cannot be read as a gin file ({first_line(error)}); check its {mend}.") from error
    if lines and is_lfs_pointer(lines[0].encode()):
        raise UserError(f"{path}: {LFS_POINTER}.")
    pieces, begin = [], 0

    def read_up_to(end):
        # Empty lines stand for what came before, so that gin counts the file's own lines.
        return [_piece(path, "\n".join([""] * begin + lines[begin:end]))]

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
        pieces += read_up_to(number)
        pieces += _read_file(included, folder, (*including, path))
        begin = number + 1
    return pieces + read_up_to(len(lines))


@contextlib.contextmanager
def errors_in_one_sentence():
    """Turns what gin and the classes that a configuration builds say of its values into a `UserError`.

    An error inside `train` that comes from none of them is the program's own and passes as it is.
    """
    try:
        yield
    except LostWorkerError:
        raise
    except UserError as error:
        # Gin adds lines of its own ("In call to configurable ...") to what passes through it.
        raise UserError(one_sentence(error)) from error
    except RuntimeError as error:
        if not str(error).startswith("Required bindings"):
            raise
        raise UserError(f"The configuration is wrong: {_one_line(error)}") from error
    except (TypeError, ValueError) as error:
        # Gin appends the names of the configurables that the error passed through, innermost first.
        place = re.search(r"In call to configurable '([^']+)'", str(error))
        if place is None or place[1] not in registry.BUILT:
            raise
        raise UserError(f"The configuration of {place[1]} does not work: {first_line(error)}.") from error


def operative_config():
    """The bindings that were used so far, as text that `parse_config` reads back."""
    return gin.operative_config_str()


def configured():
    """Name -> value of every binding that was read, used or not, macros replaced by their values."""
    return bindings.resolved(bindings.read_bindings(gin.config_str()))


def write_operative_config(run_dir):
    """Writes the operative config to `<run_dir>/config.gin`, at once or not at all."""
    write_text(os.path.join(run_dir, CONFIG_FILE), operative_config())


def default_value(binding_name):
    """The value that an argument has when nothing binds it; `inspect.Parameter.empty` where there is none."""
    selector, _, argument = binding_name.rpartition("/")[2].rpartition(".")
    try:
        configurable = gin.get_configurable(selector)
        # Of a class gin makes a subclass, the signature of which says nothing.
        made_by = configurable.__init__ if isinstance(configurable, type) else configurable
        parameter = inspect.signature(made_by).parameters.get(argument)
    except ValueError:
        return inspect.Parameter.empty
    return inspect.Parameter.empty if parameter is None else parameter.default


def _check_names(pieces):
    """Every name has to mean something; gin takes a misspelt macro for another one, and binds under any scope."""
    statements = [
        (piece.source if piece.source.startswith("--") else f"{piece.source}, line {binding.line}", binding)
        for piece in pieces
        for binding in piece.said.bindings
    ]
    # What an imported module registers is known once it is imported: then gin tells.
    if not any(piece.said.imports for piece in pieces):
        for place, binding in statements:
            _check_selectors(place, binding)
    # Also what a later statement overrides counts as a use: its macros and scopes are well spelt.
    uses = [use for _, binding in statements for use in bindings.references(binding.value)]
    macros = {use.name for use in uses if isinstance(use, bindings.Macro)}
    scopes = {use.name.rpartition("/")[0] for use in uses if isinstance(use, bindings.Reference)} - {""}
    # What a macro makes, gin makes under the macro's name, and writes so into the operative configuration.
    makers = [binding for _, binding in statements if not binding.argument]
    scopes |= {
        each.name
        for each in makers
        if each.name in macros and any(isinstance(use, bindings.Reference) for use in bindings.references(each.value))
    }
    # Under a/b all bindings of a hold as well.
    scopes |= {scope[: match.start()] for scope in scopes for match in re.finditer("/", scope)}
    for place, binding in statements:
        if not binding.argument and binding.name not in macros:
            raise UserError(f"{place}: no configuration file uses %{binding.name}; check its spelling.")
        if binding.argument and binding.scope and binding.scope not in scopes:
            known = f" (there is {', '.join(sorted(scopes))})" if scopes else ""
            raise UserError(f"{place}: nothing uses the scope {binding.scope} of {binding.name}{known}; mend its name.")
    # But what is overridden need not be set.
    final = {(each.scope, each.selector.rpartition(".")[2], each.argument): each for _, each in statements}.values()
    set_macros = {binding.name for binding in final if not binding.argument}
    needed = {use.name for binding in final for use in bindings.references(binding.value)}
    for name in sorted(needed & macros - set_macros):
        raise UserError(f"The configuration uses %{name}, which nothing sets; set it with --gin_param='{name} = ...'.")


def _check_selectors(place, binding):
    named = [binding.selector] if binding.argument else []
    references = (use for use in bindings.references(binding.value) if isinstance(use, bindings.Reference))
    named += [use.name.rpartition("/")[2] for use in references]
    for selector in named:
        if not registry.is_known(selector):
            close = difflib.get_close_matches(selector, registry.NAMES, 1)
            meant = f"did you mean {close[0]}?" if close else "check its spelling, or import the module that has it."
            raise UserError(f"{place}: the configuration names {selector}, which there is not; {meant}")


def _one_line(error):
    return re.sub(r"\s+", " ", str(error)).strip()[:400] or type(error).__name__
