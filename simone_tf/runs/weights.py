"""A model's weights as a `.npz` file: names that follow the model's own attributes, shapes and size checked."""

import math
import os
import zipfile
import zlib

import keras
import numpy as np

from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, is_lfs_pointer
from simone_tf.npz import save_npz


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable of a built model by the attributes that lead to it, such as `decoder.hidden.0.kernel`.

    Keras's own paths number the layers of a process, so that two models in it would have different names.

    Raises:
        ValueError: a variable is held in a place that is no attribute.
    """
    found: dict[str, keras.Variable] = {}
    _collect(model, "", found, set())
    if {id(variable) for variable in found.values()} != {id(variable) for variable in model.variables}:
        raise ValueError(f"{type(model).__name__} holds variables outside its attributes and tuples of layers.")
    return found


def save_weights(path: str | os.PathLike, model: keras.Model) -> None:
    """Writes the weights of a built model, float32, without pickle; OSError if it cannot be written."""
    arrays = {name: np.asarray(variable, "<f4", order="C") for name, variable in named_variables(model).items()}
    with open(path, "wb") as file:
        save_npz(file, arrays)


def load_weights(path: str | os.PathLike, model: keras.Model) -> None:
    """Reads weights into a built model; all names and shapes have to be the model's.

    Raises:
        UserError: the file is missing, damaged, or of another model; the model is left as it was.
    """
    variables = named_variables(model)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if set(members) != set(variables):
                names = ", ".join(sorted(set(members) ^ set(variables))[:3])
                raise UserError(f"{path} holds the weights of another model ({names}): use the config beside it.")
            arrays = {name: _read(archive, members[name], tuple(v.shape)) for name, v in variables.items()}
    except _MisfitError as error:
        raise UserError(
            f"{path} does not fit this config ({error} as the config says): use the config beside it, without bindings "
            "that change the architecture."
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        if not isinstance(error, OSError) and _is_pointer(path):
            raise UserError(f"{path}: {LFS_POINTER}.") from error
        raise UserError(f"{path} cannot be read ({first_line(error)}): install or pack it again.") from error
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _is_pointer(path):
    with open(path, "rb") as file:
        return is_lfs_pointer(file.read(64))


def _read(archive, info, shape):
    """One array, which is as large as the model says: what the file says of its size is checked before it is read."""
    size = 4 * math.prod(shape)
    try:
        with archive.open(info) as file:
            found = _read_header(file)
            if found[0] != shape and file.tell() + 4 * math.prod(found[0]) == info.file_size:
                raise _MisfitError(f"{info.filename.removesuffix('.npy')} is {_sides(found[0])}, not {_sides(shape)}")
            if info.file_size != file.tell() + size:
                raise ValueError(f"it has {info.file_size} bytes, its variable {size}")
            if found != (shape, False, np.dtype("<f4")):
                raise ValueError(f"it is {found[2]} {_sides(found[0])}, its variable float32 {_sides(shape)}")
            content = file.read()
    except (ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{info.filename}: {first_line(error)}") from error
    if len(content) != size:
        raise ValueError(f"{info.filename} has {len(content)} bytes, its variable {size}")
    return np.frombuffer(content, "<f4").reshape(shape)


class _MisfitError(Exception):
    """An array is whole, and of another shape than the model's."""


def _read_header(file):
    """Shape, whether it is stored by columns, and type; ValueError quotes nothing of a damaged header."""
    try:
        if np.lib.format.read_magic(file) == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error):
        raise
    # NumPy parses the header with Python's own parser: what that raises on damaged text has no common class.
    except Exception as error:
        raise ValueError("its header is damaged") from error
    raise ValueError("its format is not version 1.0")


def _sides(shape):
    return first_line(ValueError(str(list(shape))))


def _collect(layer, prefix, found, visited):
    visited.add(id(layer))
    for attribute, value in vars(layer).items():
        name = prefix + attribute.lstrip("_")
        for part_name, part in _parts_of(name, value):
            if isinstance(part, keras.Variable):
                found.setdefault(part_name, part)
            elif isinstance(part, keras.layers.Layer) and id(part) not in visited:
                _collect(part, f"{part_name}.", found, visited)


def _parts_of(name, value):
    """The attribute itself, or the members of a tuple by their numbers."""
    if isinstance(value, tuple):
        return [(f"{name}.{index}", member) for index, member in enumerate(value)]
    return [(name, value)]
