"""The pictures of an evaluation as files: PNG for print, GIF for motion."""

import glob
import os
import re

import numpy as np

from simone_tf.errors import UserError, first_line
from simone_tf.pictures.image_files import save_gif, save_png


class FigureFiles:
    """Writes pictures into a folder, and removes those of an earlier evaluation that are not made any more.

    Args:
        folder: made when missing.
        ours: what the names of these pictures look like; no others are ever removed.

    Raises:
        UserError: the folder cannot be made.
    """

    def __init__(self, folder: str, ours: re.Pattern[str]):
        self._folder = folder
        self._ours = ours
        self._names: set[str] = set()
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder} cannot be made ({first_line(error)}): mend its permissions.") from error

    def save(self, name: str, sheet: np.ndarray, frames: np.ndarray) -> None:
        """A sheet `[H, W, 3]` and an animation `[T, H, W, 3]`, uint8; no animation of one frame.

        Raises:
            UserError: a picture cannot be written.
        """
        save_png(os.path.join(self._folder, f"{name}.png"), sheet)
        self._names.add(f"{name}.png")
        if len(frames) > 1:
            save_gif(os.path.join(self._folder, f"{name}.gif"), frames)
            self._names.add(f"{name}.gif")

    def remove_older(self) -> None:
        """Removes what has a name of ours and was not saved."""
        for path in glob.glob(os.path.join(glob.escape(self._folder), "*")):
            name = os.path.basename(path)
            if self._ours.fullmatch(name) and name not in self._names:
                os.remove(path)
