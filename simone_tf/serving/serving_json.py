"""`serving.json`, the file beside an exported model that says in words and numbers what it is."""

import json
import math
import os
import re

from simone_tf.errors import UserError, first_line
from simone_tf.files import read_json, without_nan
from simone_tf.serving.signatures import Signature, Sizes

FILE = "serving.json"
FORMAT = "simone_tf export"
FORMAT_VERSION = 1

_MAX_BYTES = 16 * 2**20
_MAX_ELEMENTS = 2**31 - 1
_JOINTS = re.compile(r",\n\s+")
_SIZES = ("num_frames", "num_slots", "object_latent_size", "frame_latent_size")


def describe_sizes(sizes: Sizes) -> dict:
    """The part of the file that a program needs to use the model."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, **sizes._asdict(), "frame_size": [*sizes.frame_size]}


def describe_signatures(table: dict[str, Signature]) -> dict:
    """The signatures as the file holds them; a size of null is free."""
    return {
        name: {
            "meaning": signature.meaning,
            **{
                part: {
                    key: {**text._asdict(), "shape": [*text.shape]} for key, text in getattr(signature, part).items()
                }
                for part in ("inputs", "outputs")
            },
        }
        for name, signature in table.items()
    }


def to_text(description: dict) -> str:
    """The file's text; what JSON has no word for (NaN, infinity) becomes null."""
    text = json.dumps(without_nan(description), indent=2, allow_nan=False) + "\n"
    # Shapes in one line each. A line break inside a text is written as an escape, so that no text is touched.
    return re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda found: f"[{_JOINTS.sub(', ', found[1])}]", text)


def is_export(folder: str) -> bool:
    """Whether a folder holds the file of an export, of whatever version."""
    try:
        return read_json(os.path.join(folder, FILE), _MAX_BYTES).get("format") == FORMAT
    except (OSError, ValueError):
        return False


def read(export_dir: str) -> dict:
    """Reads the file of an export; its `Sizes` are checked, the rest is as found.

    Raises:
        UserError: it is missing, damaged, or not that of an export.
    """
    path = os.path.join(export_dir, FILE)
    try:
        description = read_json(path, _MAX_BYTES)
        if description.get("format") != FORMAT:
            raise ValueError(f'"format" is not "{FORMAT}"')
        if description.get("format_version") != FORMAT_VERSION:
            raise ValueError(f'"format_version" is not {FORMAT_VERSION}')
        sizes_in(description)
    except FileNotFoundError:
        raise UserError(
            f"{export_dir} holds a SavedModel, but no {FILE}, which every export of simone_tf has: name an export of "
            "python -m simone_tf.export."
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): check its permissions.") from error
    except ValueError as error:
        raise UserError(f"{path} is not that of an export of simone_tf ({first_line(error)}): export again.") from error
    return description


def sizes_in(description: dict) -> Sizes:
    """The `Sizes` that a description states.

    Raises:
        ValueError: one is missing or no size, or they are absurd together.
    """
    values = {name: description.get(name) for name in _SIZES}
    frame_size = description.get("frame_size")
    if not isinstance(frame_size, list) or len(frame_size) != 2:
        raise ValueError('"frame_size" is not [height, width]')
    for name, value in (*values.items(), *(("frame_size", side) for side in frame_size)):
        if type(value) is not int or value < 1:
            raise ValueError(f'"{name}" is not a size')
    sizes = Sizes(**values, frame_size=tuple(frame_size))
    elements = 3 * math.prod((sizes.num_frames, *frame_size, sizes.num_slots))
    if max(elements, sizes.object_latent_size, sizes.frame_latent_size) > _MAX_ELEMENTS:
        raise ValueError("its sizes make a clip of more than 2 ** 31 numbers")
    return sizes
