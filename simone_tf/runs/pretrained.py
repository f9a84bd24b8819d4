"""The folder of a pretrained model: weights, config and card, and how what was packed is told from what was changed.

weights.npz   float32 arrays by name, no pickle
config.gin    every binding of its training
card.json     where it comes from: data, command, seed, metrics, size and SHA-256 of the two files
card.md       the same for people
"""

import os

from simone_tf.errors import UserError, first_line
from simone_tf.files import LFS_POINTER, file_sums, is_lfs_pointer, read_json

WEIGHTS, CONFIG, CARD, CARD_TEXT = "weights.npz", "config.gin", "card.json", "card.md"

SUMMED = (WEIGHTS, CONFIG)
"""The files whose sums stand in the card."""

SHIPPED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pretrained")
"""The folder of the models that are installed with the library."""

FORMAT = "simone_tf pretrained"
FORMAT_VERSION = 1

_MAX_CARD_BYTES = 2**20


def shipped_names() -> list[str]:
    """The models that are installed with the library, sorted."""
    if not os.path.isdir(SHIPPED):
        return []
    return sorted(name for name in os.listdir(SHIPPED) if os.path.isfile(os.path.join(SHIPPED, name, CARD)))


def find_pretrained(name: str) -> str:
    """The folder of a pretrained model.

    Args:
        name: one of `shipped_names()`, or the path of a folder that `tools/pack_pretrained.py` made, with a separator
            in it (`./mine`).

    Raises:
        UserError: there is none of that name.
    """
    if os.sep in name:
        if not os.path.isdir(name):
            raise UserError(f"--pretrained={name}: there is no such folder; name one that pack_pretrained.py made.")
        return name
    if name not in shipped_names():
        known = ", ".join(shipped_names()) or "none"
        raise UserError(f"--pretrained={name}: there is no such model; installed with the library: {known}.")
    return os.path.join(SHIPPED, name)


def read_card(folder: str) -> dict:
    """Reads `card.json` and compares the files with the sums in it.

    Raises:
        UserError: a file is missing, damaged, or not the one that was packed.
    """
    path = os.path.join(folder, CARD)
    try:
        card = read_json(path, _MAX_CARD_BYTES)
        if card.get("format") != FORMAT:
            raise ValueError(f'its "format" is not "{FORMAT}"')
        if card.get("format_version") != FORMAT_VERSION or type(card.get("step")) is not int:
            raise ValueError(f'its "format_version" is not {FORMAT_VERSION}, or it has no "step"')
        if not isinstance(card.get("files"), dict):
            raise ValueError('its "files" is no table of sums')
        found = file_sums(folder, SUMMED)
    except (OSError, ValueError) as error:
        place = getattr(error, "filename", None) or path
        if str(error) == LFS_POINTER:
            raise UserError(f"{place}: {LFS_POINTER}.") from error
        raise UserError(f"{place} cannot be read ({first_line(error)}): install or pack the model again.") from error
    for name, sums in found.items():
        if card["files"].get(name) != sums:
            with open(os.path.join(folder, name), "rb") as file:
                if is_lfs_pointer(file.read(64)):
                    raise UserError(f"{os.path.join(folder, name)}: {LFS_POINTER}.")
            raise UserError(
                f"{os.path.join(folder, name)} is not the file that {CARD} describes (another size or SHA-256): "
                "install or pack the model again."
            )
    return card
