"""Sheets of latent traversals (Figure 5) and of objects crossed with camera paths (Figure 6), as uint8 arrays."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from simone_tf.pictures.colours import PAPER
from simone_tf.pictures.drawing import enlarge, whole_scale
from simone_tf.pictures.pixels import as_uint8

_INK, _MARK, _BAR = (40, 40, 40), (220, 30, 30), (40, 100, 200)
_GAP, _LABEL, _MARGIN, _BARS = 4, 74, 10, 110


def traversal_sheet(traversal, video, outline, frame=None, tile_size=96):
    """One object's attributes, a row each, moved by fixed offsets, a column each, in one frame of the clip.

    The object is circled in the input, above the column of offset 0. Bars at the right say how much of the clip's
    pixels each attribute changes; the attributes come in that order.

    Args:
        traversal: `traversals.Traversal`.
        video: `[T, H, W, 3]` float in [0, 1], the input.
        outline: `[T, H, W]` bool, the object's segment.
        frame: which frame; by default the one that shows most of the object.
        tile_size: about how many pixels a tile is wide.

    Returns:
        `[H', W', 3]` uint8.
    """
    frame = largest_view(outline) if frame is None else frame
    scale = whole_scale(video.shape[2], tile_size)
    rows = [[_tile(picture[frame], scale) for picture in attribute] for attribute in traversal.frames]
    first = [None] * len(traversal.offsets)
    first[int(np.flatnonzero(traversal.offsets == 0)[0])] = circled(video, outline, frame, tile_size)
    labels = [f"latent {attribute}" for attribute in traversal.attributes]
    columns = [f"{offset:+g}" if offset else "0" for offset in traversal.offsets]
    return _grid([first, *rows], ["input", *labels], columns, [None, *traversal.changes[traversal.attributes]])


def circled(video, outline, frame, tile_size=96):
    """A frame of a clip, about `tile_size` pixels wide, with a segment circled in red: `[H', W', 3]` uint8."""
    scale = whole_scale(video.shape[2], tile_size)
    tile = _tile(as_uint8(video[frame]), scale)
    if not outline[frame].any():
        return tile
    # The largest piece: a few pixels elsewhere, such as a shadow's, would widen the circle to the whole picture.
    pieces, _ = ndimage.label(outline[frame])
    points = np.argwhere(pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]))[:, ::-1] + 0.5  # [P, 2], x before y
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = (np.linalg.norm(points - middle, axis=1).max() + 1.5) * scale
    centre = middle * scale
    image = Image.fromarray(tile)
    ImageDraw.Draw(image).ellipse([*(centre - radius), *(centre + radius)], outline=_MARK, width=2)
    return np.asarray(image)


def largest_view(outline):
    """The frame in which a segment `[T, H, W]` bool shows most pixels, the first of several."""
    return int(np.argmax(np.sum(outline, axis=(1, 2))))


def crossing_frames(crossed, videos, tile_size=96):
    """The animated grid of objects (rows) seen along camera paths (columns); the inputs stand in the first row.

    Args:
        crossed: `[N, N, T, H, W, 3]` uint8, as `Traverser.cross` gives it.
        videos: `[N, T, H, W, 3]` float in [0, 1].

    Returns:
        `[T, H', W', 3]` uint8.
    """
    scale = whole_scale(crossed.shape[4], tile_size)
    names = [chr(ord("A") + number) for number in range(len(crossed))]
    frames = []
    for time in range(crossed.shape[2]):
        inputs = [_tile(as_uint8(video[time]), scale) for video in videos]
        rows = [[_tile(clip[time], scale) for clip in row] for row in crossed]
        row_names = ["input", *(f"objects {name}" for name in names)]
        frames.append(_grid([inputs, *rows], row_names, [f"view {name}" for name in names]))
    return np.stack(frames)


def _tile(picture, scale):
    return enlarge(picture[np.newaxis], scale)[0]


def _grid(rows, row_labels, column_labels, bars=None):
    """Tiles in rows, None for an empty place, with labels, and a bar at the end of each row that has one."""
    font = ImageFont.load_default(13)
    height, width = next(tile.shape[:2] for tile in rows[0] if tile is not None)
    top = _MARGIN + 18
    right = _LABEL + len(column_labels) * (width + _GAP)
    size = right + (_BARS if bars else 0) + _MARGIN, top + len(rows) * (height + _GAP) + _MARGIN
    canvas = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(canvas)
    for index, label in enumerate(column_labels):
        draw.text((_LABEL + index * (width + _GAP) + width // 2, _MARGIN), label, _INK, font, anchor="ma")
    if bars:
        draw.text((right + 4, _MARGIN), "pixel change", _INK, font)
        most = max([bar for bar in bars if bar is not None] + [1e-9])
    for number, (row, label) in enumerate(zip(rows, row_labels, strict=True)):
        y = top + number * (height + _GAP)
        draw.text((_LABEL - 6, y + height // 2), label, _INK, font, anchor="rm")
        for index, tile in enumerate(row):
            if tile is not None:
                canvas.paste(Image.fromarray(tile), (_LABEL + index * (width + _GAP), y))
        if bars and bars[number] is not None:
            length, middle = round(bars[number] / most * (_BARS - 12)), y + height // 2
            draw.rectangle((right + 4, middle - 2, right + 4 + length, middle + 9), fill=_BAR)
            draw.text((right + 4, middle - 6), f"{bars[number]:.4f}", _INK, font, anchor="ls")
    return np.asarray(canvas)
