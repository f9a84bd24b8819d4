"""One picture of a whole video taken apart: frames spread evenly over it, a row for each part and for each object."""

from collections.abc import Collection, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simone_tf.pictures.colours import PAPER
from simone_tf.pictures.drawing import checker, object_colour

_COLUMNS = 8
_MOST_KEPT = 32  # several times the columns, so that those taken of them are nearly even
_MAX_OBJECTS = 10
_TILE = 120
_GAP, _GROUP_GAP, _MARGIN, _FONT_SIZE, _CHIP = 4, 14, 14, 14, 12
_INK, _RIM = (40, 40, 40), (160, 160, 160)


class ContactSheet:
    """Collects tiles of frames as they come; memory does not grow with the number of frames.

    Args:
        frame_size: (H, W) of the pictures, which sets the shape of the tiles.
    """

    def __init__(self, frame_size: tuple[int, int]):
        height, width = frame_size
        factor = _TILE / max(height, width)
        self._tile_size = (max(1, round(height * factor)), max(1, round(width * factor)))
        self._kept: list[tuple[int, dict[str, np.ndarray], dict[int, np.ndarray]]] = []
        self._stride = 1

    def wants(self, index: int) -> bool:
        """Whether the frame of this number is one to `add`."""
        return index % self._stride == 0

    def add(self, index: int, parts: Mapping[str, np.ndarray], objects: Mapping[int, np.ndarray]) -> None:
        """Keeps tiles of a frame.

        Args:
            index: number of the frame; numbers rise.
            parts: uint8 pictures by the names of their rows; every frame has the same.
            objects: uint8 pictures by identity.
        """
        if not self.wants(index):
            return
        tiles = {name: self._tile(picture) for name, picture in parts.items()}
        self._kept.append((index, tiles, {number: self._tile(picture) for number, picture in objects.items()}))
        if len(self._kept) == _MOST_KEPT:
            self._kept = self._kept[::2]
            self._stride *= 2

    def draw(self, areas: Mapping[int, float], plain_id: int | Collection[int] | None = None) -> np.ndarray:
        """The sheet, uint8 `[H', W', 3]`.

        Args:
            areas: identity -> pixels over the whole video; the largest objects are shown, largest first.
            plain_id: the identity that the pictures do not colour, or several; named without a colour.
        """
        chosen = np.unique(np.linspace(0, len(self._kept) - 1, min(len(self._kept), _COLUMNS)).round().astype(int))
        columns = [self._kept[index] for index in chosen]
        seen = {number for _, _, objects in columns for number in objects}
        objects = sorted((number for number in areas if number in seen), key=lambda number: -areas[number])
        blank = checker(self._tile_size)
        rows = [(name, None, [tiles[name] for _, tiles, _ in columns]) for name in columns[0][1]]
        plain = plain_id if isinstance(plain_id, Collection) else {plain_id}
        parts = len(rows)
        for number in objects[:_MAX_OBJECTS]:
            tiles = [cut_outs.get(number, blank) for _, _, cut_outs in columns]
            colour = PAPER if number in plain else tuple(int(value) for value in object_colour(number))
            rows.append((f"object {number}", colour, tiles))
        return self._draw_rows([f"{index}" for index, _, _ in columns], rows, parts)

    def _tile(self, picture):
        grows = picture.shape[0] < self._tile_size[0]
        resampling = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
        return np.asarray(Image.fromarray(picture).resize(self._tile_size[::-1], resampling))

    def _draw_rows(self, titles, rows, parts):
        font = ImageFont.load_default(_FONT_SIZE)
        height, width = self._tile_size
        left = _MARGIN + round(max(font.getlength(label) for label, _, _ in rows)) + _CHIP + 18
        top = _MARGIN + _FONT_SIZE + 8
        total_height = top + len(rows) * (height + _GAP) + (_GROUP_GAP if len(rows) > parts else 0) + _MARGIN
        canvas = Image.new("RGB", (left + len(titles) * (width + _GAP) + _MARGIN, total_height), PAPER)
        draw = ImageDraw.Draw(canvas)
        draw.text((_MARGIN, _MARGIN + _FONT_SIZE // 2), "frame", font=font, fill=_INK, anchor="lm")
        for column, title in enumerate(titles):
            middle = left + column * (width + _GAP) + width // 2
            draw.text((middle, _MARGIN + _FONT_SIZE // 2), title, font=font, fill=_INK, anchor="mm")
        for row, (label, colour, tiles) in enumerate(rows):
            y = top + row * (height + _GAP) + (_GROUP_GAP if row >= parts else 0)
            middle, x = y + height // 2, _MARGIN
            if colour is not None:
                draw.rectangle((x, middle - _CHIP // 2, x + _CHIP - 1, middle + _CHIP // 2), colour, _RIM)
                x += _CHIP + 6
            draw.text((x, middle), label, font=font, fill=_INK, anchor="lm")
            for column, tile in enumerate(tiles):
                canvas.paste(Image.fromarray(tile), (left + column * (width + _GAP), y))
        return np.asarray(canvas)
