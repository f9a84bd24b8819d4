"""Reading the true segments of a video from a folder of pictures, one per frame.

Numbers or colours: in grey pictures (8 or 16 bits) and in pictures with a palette the stored number is the instance,
in RGB pictures every colour is one. 0, and black, is the background; what is transparent is background too.
"""

import os
from collections.abc import Iterator

import numpy as np
from PIL import Image

from simone_tf.data.videos.picture_files import open_picture
from simone_tf.data.videos.video_files import list_pictures
from simone_tf.errors import UserError

MAX_COLOURS = 1024
"""More colours than this in one video come from smoothed edges or lossy compression, not from instances."""


class MaskFolder:
    """The segments of one video.

    Args:
      folder: holds one picture per frame, taken in the natural order of their names.

    Raises:
      UserError: the folder does not exist or holds no picture.
    """

    def __init__(self, folder: str):
        if not os.path.isdir(folder):
            raise UserError(f"{folder} does not exist: masks are one folder per video, named like the video.")
        self.folder = folder
        self.paths = list_pictures(folder)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self) -> Iterator[np.ndarray]:
        """The masks in order: int32 [H, W], 0 = background, k = instance k, the same k in every frame.

        Colours are numbered 1, 2, ... as they first appear, within a picture from the top left.

        Raises:
          UserError: a picture is damaged, of lossy JPEG, or holds numbers above 65535 or too many colours; or numbers
            and colours are mixed.
        """
        ids: dict[int, int] = {0: 0}
        first_is_colour = None
        for path in self.paths:
            with open_picture(path) as image:
                if image.format == "JPEG":
                    raise UserError(f"{path} is a JPEG, which blurs the edges of masks: save the masks as PNG.")
                is_colour = image.mode not in ("1", "L", "LA", "P", "PA", "I", "I;16", "I;16B", "I;16L")
                values = _colour_codes(image) if is_colour else _numbers(path, image)
            if first_is_colour is None:
                first_is_colour = is_colour
            if is_colour != first_is_colour:
                raise UserError(f"{self.folder} mixes masks in colour and in numbers ({path}): save all in one way.")
            yield _numbered(self.folder, values, ids) if is_colour else values


def _numbers(path: str, image: Image.Image) -> np.ndarray:
    transparent = None
    if image.mode == "LA":
        transparent = np.asarray(image.getchannel("A")) == 0
        image = image.getchannel("L")
    elif image.mode == "1":
        image = image.convert("L")
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UserError(f"{path} holds the number {values.max()}: instances are numbered from 1 to 65535.")
    if transparent is not None:
        values = np.where(transparent, 0, values)
    return values.astype(np.int32)


def _colour_codes(image: Image.Image) -> np.ndarray:
    """int32 [H, W]: one number per colour, 0 for black and for what is transparent."""
    pixels = np.asarray(image.convert("RGBA")).astype(np.int32)
    codes = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    return np.where(pixels[..., 3] == 0, 0, codes)


def _numbered(folder: str, codes: np.ndarray, ids: dict[int, int]) -> np.ndarray:
    """Turns colours into instances; `ids` remembers those seen before."""
    colours, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    for index in np.argsort(first):
        ids.setdefault(int(colours[index]), len(ids))
        if len(ids) > MAX_COLOURS:
            raise UserError(
                f"{folder} has masks of more than {MAX_COLOURS} colours: save them without smoothed edges and "
                "without lossy compression."
            )
    numbers = np.array([ids[int(colour)] for colour in colours], np.int32)
    return numbers[inverse.reshape(codes.shape)]
