"""`serving.json`, the file beside an exported model that says in words and numbers what it is."""

import json
import math
import os
import re

from simone_tf.errors import UserError, first_line
from simone_tf.files import read_json, without_nan
from simone_tf.models.scene_model import AXES, Latent
from simone_tf.serving.signatures import Signature
from simone_tf.serving.sizes import Sizes

FILE = "serving.json"
FORMAT = "simone_tf export"
FORMAT_VERSION = 1

_MAX_BYTES = 16 * 2**20
_MAX_ELEMENTS = 2**31 - 1
_JOINTS = re.compile(r",\n\s+")
_MAX_NAMES = 64
_FIRST_LATENTS = {"object": ("slot",), "frame": ("frame",)}
"""Those of exports from before the file listed them."""


def describe_sizes(sizes: Sizes) -> dict:
    """The part of the file that a program needs to use the model."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "num_frames": sizes.num_frames,
        "frame_size": [*sizes.frame_size],
        "num_slots": sizes.num_slots,
        **{f"{name}_latent_size": latent.size for name, latent in sizes.latents.items()},
        "latents": {
            name: {"axes": [*latent.axes], "size": latent.size, "is_point": latent.is_point}
            for name, latent in sizes.latents.items()
        },
        "given": sizes.given,
    }


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
    num_frames, num_slots = (_size(name, description.get(name)) for name in ("num_frames", "num_slots"))
    frame_size = description.get("frame_size")
    if not isinstance(frame_size, list) or len(frame_size) != 2:
        raise ValueError('"frame_size" is not [height, width]')
    height, width = (_size("frame_size", side) for side in frame_size)
    signatures = description.get("signatures")
    sizes = Sizes(
        num_frames,
        (height, width),
        num_slots,
        _latents_in(description),
        {name: _size(name, size) for name, size in _named(description, "given").items()},
        isinstance(signatures, dict) and "decode_queries" in signatures,
    )
    clip = (3, num_frames, height, width, num_slots)
    if any(
        math.prod(shape) > _MAX_ELEMENTS
        for shape in (clip, *sizes.latent_shapes.values(), *sizes.given_shapes.values())
    ):
        raise ValueError("its sizes make a clip of more than 2 ** 31 numbers")
    return sizes


def _latents_in(description: dict) -> dict[str, Latent]:
    if "latents" not in description:
        return {
            name: Latent(axes, _size(f"{name}_latent_size", description.get(f"{name}_latent_size")))
            for name, axes in _FIRST_LATENTS.items()
        }
    latents = {}
    for name, value in _named(description, "latents").items():
        axes = value.get("axes") if isinstance(value, dict) else None
        # In the order of `AXES`, each at most once.
        if not isinstance(axes, list) or axes != [axis for axis in AXES if axis in axes]:
            raise ValueError(f'"latents" has no axes of {name}')
        latents[name] = Latent(tuple(axes), _size(name, value.get("size")), value.get("is_point") is True)
    if not latents:
        raise ValueError('"latents" names none')
    return latents


def _named(description: dict, key: str) -> dict:
    """What stands under a key by names that can be those of tensors; nothing where the key is missing."""
    values = description.get(key, {})
    if not isinstance(values, dict) or len(values) > _MAX_NAMES or not all(map(str.isidentifier, values)):
        raise ValueError(f'"{key}" is not a table of names')
    return values


def _size(name: str, value: object) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_ELEMENTS:
        raise ValueError(f'"{name}" is not a size')
    return value
