"""A grid of views of one scene, as the page's template takes it: pictures made beforehand, moved through by sliders."""

from typing import Any

import numpy as np

from simone_tf.evaluation.report.report import data_uri
from simone_tf.evaluation.report.words import degrees
from simone_tf.evaluation.views.flights import FlyAround
from simone_tf.pictures.colours import colour_segments
from simone_tf.pictures.drawing import enlarge, whole_scale
from simone_tf.pictures.pixels import as_uint8

_SHOWN, _SEEN_SIZE = 4, 64
_WORDS = {"yaw": "yaw", "frame": "viewpoint of frame", "distance": "distance", "pitch": "pitch", "": ""}


def view_explorer(
    name: str, flown: FlyAround, seen: np.ndarray, colours: np.ndarray, tile_size: int = 224
) -> dict[str, Any]:
    """A scene that a reader of the page can look at from other places.

    Args:
        name: shown above the sliders.
        flown: the views.
        seen: `[n, H, W, 3]` uint8, what the model was shown.
        colours: `[K, 3]` uint8 of the slots; of one slot no segments are shown.
        tile_size: about how many screen pixels a view is wide.

    Returns:
        dict for the template: the views as one picture for each way to show them, the second axis in rows.
    """
    _, _, height, width, _ = flown.reconstruction.shape
    sheets = {"drawn": as_uint8(flown.reconstruction)}
    if len(colours) > 1:
        sheets["segments"] = colour_segments(flown.segments, colours)
    scale = max(1, round(tile_size / width))
    strip = enlarge(seen, whole_scale(width, _SEEN_SIZE))[
        np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _SHOWN)).round().astype(int))
    ]
    start = int(np.argmin(np.abs(flown.first))) if flown.first_name == "yaw" else 0
    return {
        "name": name,
        "picture": data_uri(np.concatenate(list(strip), axis=1)),
        "sprites": [(label, data_uri(_sheet(pictures))) for label, pictures in sheets.items()],
        "first": [_said(value, flown.first_name) for value in flown.first],
        "first_name": _WORDS[flown.first_name],
        "first_start": start,
        "second": [_said(value, flown.second_name) for value in flown.second],
        "second_name": _WORDS[flown.second_name],
        "second_start": len(flown.second) // 2,
        "width": width * scale,
        "height": height * scale,
    }


def _sheet(pictures: np.ndarray) -> np.ndarray:
    """`[D, Y, H, W, 3]` as one picture `[D H, Y W, 3]`."""
    rows, columns, height, width, _ = pictures.shape
    return pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _said(value: float, name: str) -> str:
    return {
        "yaw": degrees(value),
        "pitch": degrees(value),
        "distance": f"{value:.2f} of that of the seen frames",
        "frame": f"{value:.2f}",
        "": "",
    }[name]
