"""Folders with a picture per frame: which pictures are the frames, and in what order."""

import os
import re

from simone_tf.data.videos.file_kinds import PICTURE_SUFFIXES
from simone_tf.data.videos.picture_series import (
    KUBRIC_FRAMES,
    check_one_series,
    is_pattern,
    kubric_layers,
    of_pattern,
)
from simone_tf.errors import UserError, first_line


def is_picture_folder(path: str) -> bool:
    """Whether a path is a folder, or names a series of pictures in one: `folder/left_*`."""
    return os.path.isdir(path) or is_pattern(path)


def list_pictures(folder: str, layer: str = KUBRIC_FRAMES) -> list[str]:
    """The paths of the pictures of a folder in natural order; hidden files and other kinds are left out.

    Args:
      folder: a folder, or a pattern for the names of some of its pictures, such as `folder/left_*`.
      layer: of a folder as Kubric writes it, what the pictures wanted show: "rgba" or "segmentation".

    Raises:
      UserError: there is none, or they are of several numbered series and no pattern says which is meant.
    """
    folder, pattern = os.path.split(folder) if is_pattern(folder) else (folder, None)
    names = [name for name in listed(folder or ".") if name.lower().endswith(PICTURE_SUFFIXES)]
    kinds = ", ".join(PICTURE_SUFFIXES)
    if pattern is not None:
        names = of_pattern(names, pattern)
        if not names:
            raise UserError(f"{folder or '.'} holds no picture ({kinds}) named {pattern}: check the pattern.")
    elif not names:
        raise UserError(f"{folder} holds no picture ({kinds}): name a folder of frames.")
    elif layers := kubric_layers(names):
        names = layers.get(layer, [])
        if not names:
            raise UserError(f"{folder} is a folder of Kubric without {layer}_ pictures: name a folder that has them.")
    else:
        check_one_series(folder, names)
    return [os.path.join(folder, name) for name in names]


def has_kubric_layer(folder: str, layer: str) -> bool:
    """Whether a path is a folder as Kubric writes it, with pictures that show what is asked for."""
    return os.path.isdir(folder) and layer in kubric_layers(listed(folder))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts names as people count: frame2 before frame10."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part]


def listed(folder: str) -> list[str]:
    """What a folder holds, in natural order; hidden files are left out."""
    try:
        return sorted((name for name in os.listdir(folder) if not name.startswith(".")), key=natural_key)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({first_line(error)}): check its permissions.") from error
