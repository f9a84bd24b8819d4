"""Pictures of views that were not seen (paper, Figure 3): what was seen above, below it a row for each way to see them.

NumPy in, NumPy out. Rows are uint8 `[M, H, W, 3]`, all of the same M views, by their labels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simone_tf.pictures.colours import PAPER
from simone_tf.pictures.drawing import enlarge, whole_scale

_INK, _FAINT = (40, 40, 40), (120, 124, 130)
_GAP, _GROUP_GAP, _MARGIN, _FONT_SIZE = 4, 16, 12, 13


def views_figure(
    seen: np.ndarray,
    rows: Mapping[str, np.ndarray],
    columns: Sequence[str],
    *,
    max_seen: int = 4,
    max_columns: int = 9,
    tile_size: int = 96,
) -> np.ndarray:
    """A sheet with a column for each view, `[H', W', 3]` uint8.

    Args:
      seen: `[n, H, W, 3]` uint8, what the model was shown.
      rows: label -> `[M, H, W, 3]` uint8.
      columns: M labels.
      max_seen: of more frames so many are shown, the first and the last among them.
      max_columns: of more views only some, at equal steps.
      tile_size: side in pixels that a frame is enlarged to, about.
    """
    scale = whole_scale(max(seen.shape[1:3]), tile_size)
    strip = enlarge(seen[_spread(len(seen), max_seen)], scale)
    # At equal steps, which yaws of a turn are read by.
    chosen = list(range(0, len(columns), -(-len(columns) // max_columns)))
    tiles = {label: enlarge(frames[chosen], scale) for label, frames in rows.items()}
    return _laid_out(strip, _seen_in_words(strip, seen), tiles, [columns[index] for index in chosen])


def views_frames(
    seen: np.ndarray, rows: Mapping[str, np.ndarray], columns: Sequence[str], *, max_seen: int = 4, tile_size: int = 96
) -> np.ndarray:
    """The same animated, `[M, H', W', 3]` uint8: one view after the other, the rows side by side."""
    scale = whole_scale(max(seen.shape[1:3]), tile_size)
    strip = enlarge(seen[_spread(len(seen), max_seen)], scale)
    frames = []
    for index, view in enumerate(columns):
        tiles = np.stack([enlarge(row[index : index + 1], scale)[0] for row in rows.values()])
        frames.append(_laid_out(strip, _seen_in_words(strip, seen), {view: tiles}, list(rows), wide=[*columns]))
    return np.stack(frames)


def _spread(count: int, most: int) -> list[int]:
    """Numbers of at most `most` of `count` things, the first and the last among them."""
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(count, most)).round())]


def _seen_in_words(strip: np.ndarray, seen: np.ndarray) -> str:
    """What the strip is called: one may not take the frames shown for all that were seen."""
    return "seen" if len(strip) == len(seen) else f"seen, {len(strip)} of {len(seen)}"


def _laid_out(
    strip: np.ndarray,
    strip_label: str,
    tiles: Mapping[str, np.ndarray],
    columns: Sequence[str],
    wide: Sequence[str] = (),
) -> np.ndarray:
    """The strip above a table of tiles; `wide` are labels that the left margin has room for besides its own."""
    font = ImageFont.load_default(_FONT_SIZE)
    _, height, width, _ = strip.shape
    left = _MARGIN + max(int(np.ceil(font.getlength(label))) for label in (strip_label, *tiles, *wide)) + 10
    step = max(width + _GAP, max(int(np.ceil(font.getlength(label))) for label in columns) + 8)
    table_top = _MARGIN + height + _GROUP_GAP + _FONT_SIZE + 8
    across = max(left + len(strip) * (width + _GAP), left + len(columns) * step) - _GAP
    canvas = Image.new("RGB", (across + _MARGIN, table_top + len(tiles) * (height + _GAP) - _GAP + _MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, _MARGIN + height // 2), strip_label, _FAINT, font, anchor="lm")
    for index, tile in enumerate(strip):
        canvas.paste(Image.fromarray(tile), (left + index * (width + _GAP), _MARGIN))
    for index, label in enumerate(columns):
        draw.text((left + index * step + width // 2, table_top - 6), label, _INK, font, anchor="ms")
    for row, (label, frames) in enumerate(tiles.items()):
        y = table_top + row * (height + _GAP)
        draw.text((_MARGIN, y + height // 2), label, _INK, font, anchor="lm")
        for index, tile in enumerate(frames):
            canvas.paste(Image.fromarray(tile), (left + index * step, y))
    return np.asarray(canvas)
