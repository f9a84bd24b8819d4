"""Pictures of clips as they are stored: frames, and below them their true segments in colour.

NumPy in, NumPy out; a clip is a dict of `video` uint8 [T, H, W, 3] and, where there are any, `segments` int [T, H, W].
Clips may differ in length and size. `image_files.save_png` and `image_files.save_gif` write the results.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from simone_tf.pictures.colours import PAPER, colour_segments
from simone_tf.pictures.drawing import enlarge, whole_scale

_GAP, _MARGIN = 4, 12


def clip_sheet(clips: Sequence[Mapping[str, np.ndarray]], columns: int = 8, tile_size: int = 112) -> np.ndarray:
    """A row of frames per clip, and a row of segments below it.

    Args:
      clips: at least one.
      columns: frames shown of each clip, spread evenly.
      tile_size: side in pixels that a frame is brought to, about, by whole factors.

    Returns:
      `[H', W', 3]` uint8.
    """
    blocks = []
    for clip in clips:
        length = len(clip["video"])
        chosen = np.unique(np.linspace(0, length - 1, min(length, columns)).round().astype(int))
        blocks.append([list(row[chosen]) for row in _rows(clip, tile_size)])
    height = sum(_GAP + row[0].shape[0] for rows in blocks for row in rows) + _MARGIN * (len(blocks) + 1)
    width = max(sum(_GAP + tile.shape[1] for tile in rows[0]) for rows in blocks) + 2 * _MARGIN
    canvas = np.full((height, width, 3), PAPER, np.uint8)
    y = _MARGIN
    for rows in blocks:
        for row in rows:
            x = _MARGIN
            for tile in row:
                canvas[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
                x += tile.shape[1] + _GAP
            y += row[0].shape[0] + _GAP
        y += _MARGIN
    return canvas


def clip_animation(clips: Sequence[Mapping[str, np.ndarray]], tile_size: int = 112) -> np.ndarray:
    """All clips side by side, each over its segments; a shorter clip stays at its last frame.

    Returns:
      `[T, H', W', 3]` uint8, T frames of the longest clip.
    """
    blocks = [_rows(clip, tile_size) for clip in clips]
    length = max(len(rows[0]) for rows in blocks)
    height = max(sum(_GAP + row.shape[1] for row in rows) for rows in blocks) + 2 * _MARGIN
    width = sum(_GAP + rows[0].shape[2] for rows in blocks) + 2 * _MARGIN
    canvas = np.full((length, height, width, 3), PAPER, np.uint8)
    x = _MARGIN
    for rows in blocks:
        y = _MARGIN
        for row in rows:
            frames = row[np.minimum(np.arange(length), len(row) - 1)]
            canvas[:, y : y + row.shape[1], x : x + row.shape[2]] = frames
            y += row.shape[1] + _GAP
        x += rows[0].shape[2] + _GAP
    return canvas


def _rows(clip: Mapping[str, np.ndarray], tile_size: int) -> list[np.ndarray]:
    """`[T, h, w, 3]` of the video, then of the segments."""
    rows = [clip["video"]]
    if "segments" in clip:
        rows.append(colour_segments(clip["segments"]))
    return [_scaled(row, tile_size) for row in rows]


def _scaled(frames: np.ndarray, tile_size: int) -> np.ndarray:
    """Enlarges by a whole factor, or leaves out pixels where the frames are much larger than a tile."""
    side = max(frames.shape[1:3])
    if side >= 2 * tile_size:
        step = side // tile_size
        return frames[:, ::step, ::step]
    return enlarge(frames, whole_scale(side, tile_size))
