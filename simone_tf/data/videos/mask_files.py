"""Reading the true segments of a video from a folder of pictures, one per frame.

Numbers or colours: in grey pictures (8 or 16 bits) and in pictures with a palette the stored number is the instance,
in RGB pictures every colour is one. 0, and black, is the background; what is transparent is background too, also by a
transparent number of the palette. A mask is turned as its EXIF orientation says, as frames are.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from simone_tf.data.videos.picture_files import only_page, open_picture, orientation_of, upright
from simone_tf.data.videos.picture_folders import is_picture_folder, list_pictures
from simone_tf.data.videos.picture_series import KUBRIC_MASKS
from simone_tf.data.videos.smoothed_edges import SmoothedEdges
from simone_tf.data.videos.source_files import is_file
from simone_tf.errors import UserError

MAX_COLOURS = 1024
"""More colours than this in one video come from smoothed edges or lossy compression, not from instances."""


class MaskFolder:
    """The segments of one video.

    Args:
      folder: holds one picture per frame, taken in the natural order of their names; a pattern (`folder/mask_*`) where
        it holds other pictures too. Of a folder as Kubric writes it the masks are `segmentation_...`.

    Raises:
      UserError: the folder does not exist, holds no picture, or several series of them.
    """

    def __init__(self, folder: str):
        if is_file(folder) or not is_picture_folder(folder):
            raise UserError(f"{folder} does not exist: masks are one folder per video, named like the video.")
        self.folder = folder
        self.paths = list_pictures(folder, KUBRIC_MASKS)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self) -> Iterator[np.ndarray]:
        """The masks in order: int32 [H, W], 0 = background, k = instance k, the same k in every frame.

        Colours are numbered 1, 2, ... as they first appear, within a picture from the top left. Where many instances
        look like what smoothing makes of an edge, a warning tells so once all masks are read.

        Raises:
          UserError: a picture is damaged, of lossy JPEG, or holds numbers above 65535 or too many colours; or numbers
            and colours are mixed.
        """
        with SmoothedEdges(self.folder) as edges:
            yield from self._read(edges)

    def _read(self, edges: SmoothedEdges) -> Iterator[np.ndarray]:
        ids: dict[int, int] = {0: 0}
        first_is_colour = None
        for path in self.paths:
            with open_picture(path) as image:
                if image.format in ("JPEG", "MPO"):
                    raise UserError(f"{path} is a JPEG, which blurs the edges of masks: save the masks as PNG.")
                image.seek(only_page(path, image))
                maximum = _stated_maximum(image)
                image.load()
                is_colour = image.mode not in ("1", "L", "LA", "P", "PA", "I", "I;16", "I;16B", "I;16L")
                values = _colour_codes(image) if is_colour else _numbers(path, image, maximum)
                values = upright(values, orientation_of(image))
            if first_is_colour is None:
                first_is_colour = is_colour
            if is_colour != first_is_colour:
                raise UserError(f"{self.folder} mixes masks in colour and in numbers ({path}): save all in one way.")
            edges.add(path, values, is_colour)
            yield _numbered(self.folder, values, ids) if is_colour else values


def _numbers(path: str, image: Image.Image, maximum: int | None) -> np.ndarray:
    transparent = None
    if image.mode in ("LA", "PA"):
        transparent = np.asarray(image.getchannel("A")) == 0
        image = image.getchannel(image.mode[0])
    elif image.mode == "1":
        image = image.convert("L")
    values = np.asarray(image).astype(np.int64)
    if transparent is None and "transparency" in image.info:
        transparent = _is_transparent(values, image.info["transparency"])
    if maximum:
        values = np.rint(values * (maximum / (65535 if maximum > 255 else 255))).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UserError(f"{path} holds the number {values.max()}: instances are numbered from 1 to 65535.")
    if transparent is not None:
        values = np.where(transparent, 0, values)
    return values.astype(np.int32)


def _stated_maximum(image: Image.Image) -> int | None:
    """The maximum that the header of a PGM states, by which Pillow stretches its numbers; None where it does not."""
    for tile in image.tile if image.format == "PPM" else ():
        if isinstance(tile[3], tuple) and len(tile[3]) > 1 and isinstance(tile[3][1], int):
            return tile[3][1]
    return None


def _is_transparent(values: np.ndarray, stated: int | bytes) -> np.ndarray:
    """Where numbers are transparent: one number is, or the file states the opacity of every number of its palette."""
    if isinstance(stated, int):
        return values == stated
    opacity = np.full(max(256, len(stated)), 255)
    opacity[: len(stated)] = list(stated)
    return opacity[values] == 0


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
