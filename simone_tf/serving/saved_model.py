"""Reading an export back: every way in which a folder may not be one is told in a sentence."""

import os
from typing import Any, NamedTuple

import tensorflow as tf

from simone_tf.errors import UserError, first_line
from simone_tf.files import file_sums
from simone_tf.plain_paths import plain_folder
from simone_tf.serving import serving_json
from simone_tf.serving.signatures import Signature, TensorText, signature_table
from simone_tf.serving.sizes import Sizes

GRAPH = "saved_model.pb"


class Export(NamedTuple):
    """An export that was read."""

    loaded: Any  # what `tf.saved_model.load` gives; its functions live as long as it does
    sizes: Sizes
    description: dict  # serving.json


def load_export(export_dir: str, names: tuple[str, ...] = ("encode", "decode")) -> Export:
    """Reads an export into this process.

    A SavedModel is a program: read only those whose origin you trust.

    Args:
        export_dir: the folder that holds `saved_model.pb`.
        names: signatures that the caller needs.

    Raises:
        UserError: the folder is missing, is no SavedModel, none of simone_tf's, or damaged.
    """
    export_dir = os.fspath(export_dir)
    if not os.path.isdir(export_dir):
        raise UserError(f"{export_dir}: there is no such folder; name the folder of an export.")
    if not os.path.isfile(os.path.join(export_dir, GRAPH)):
        versions = sorted(name for name in os.listdir(export_dir) if name.isdecimal())
        hint = f"; did you mean {os.path.join(export_dir, versions[-1])}?" if versions else "; name one that does."
        raise UserError(f"{export_dir} holds no {GRAPH}, so it is no SavedModel{hint}")
    description = serving_json.read(export_dir)
    check_files(export_dir, description)
    sizes = serving_json.sizes_in(description)
    try:
        with plain_folder(export_dir) as plain:
            loaded = tf.saved_model.load(plain)
    except (tf.errors.OpError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"{export_dir} cannot be read as a SavedModel ({first_line(error)}): export again.") from error
    table = signature_table(sizes)
    for name in names:
        if name not in table or name not in loaded.signatures or not _fits(loaded.signatures[name], table[name]):
            raise UserError(
                f"{export_dir}: the signature {name} is missing or is not what its {serving_json.FILE} says: export "
                "again."
            )
    return Export(loaded, sizes, description)


def model_files(export_dir: str) -> list[str]:
    """The files that make up the model, by their names relative to the folder; OSError if it cannot be read."""
    variables = sorted(os.listdir(os.path.join(export_dir, "variables")))
    return [GRAPH, *(os.path.join("variables", name) for name in variables)]


def check_files(export_dir: str, description: dict) -> None:
    """Compares the files with what the description says of them.

    Raises:
        UserError: one is missing, cut off or changed.
    """
    try:
        found = file_sums(export_dir, model_files(export_dir))
    except PermissionError as error:
        raise UserError(f"{error.filename} cannot be read ({first_line(error)}): check its permissions.") from error
    except OSError as error:
        raise UserError(f"{export_dir} is not whole ({first_line(error)}): copy it or export it again.") from error
    stated = description.get("files")
    if not isinstance(stated, dict) or not stated:
        raise UserError(f"{os.path.join(export_dir, serving_json.FILE)} names no files: export again.")
    for name in sorted({*stated, *found}):
        if stated.get(name) != found.get(name):
            state = "is missing" if name not in found else "is not the file that was exported"
            raise UserError(f"{os.path.join(export_dir, name)} {state}: copy the export or export it again.")


def _fits(function: tf.types.experimental.ConcreteFunction, signature: Signature) -> bool:
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    return _same(inputs, signature.inputs) and _same(outputs, signature.outputs)


def _same(specs: dict[str, tf.TensorSpec], texts: dict[str, TensorText]) -> bool:
    return set(specs) == set(texts) and all(
        spec.dtype.name == texts[name].dtype and tuple(spec.shape) == texts[name].shape for name, spec in specs.items()
    )
