"""Pictures of one frame taken apart: objects in colour over the frame, and an object cut out. NumPy in, NumPy out."""

import numpy as np
from PIL import Image

from simone_tf.pictures.colours import PALETTE
from simone_tf.pictures.pixels import as_uint8

_TINT = 0.45
_TONES = (208, 236)
_SQUARES = 12  # along the shorter side
_SMOOTH = Image.Resampling.BILINEAR


def object_colour(object_id: int) -> np.ndarray:
    """The colour of an identity, `[3]` uint8; after the palette's last the first comes again."""
    return PALETTE[object_id % len(PALETTE)]


def whole_scale(side: int, tile_size: int) -> int:
    """The whole factor that brings `side` pixels to about `tile_size`, at least 1."""
    return max(1, round(tile_size / side))


def enlarge(frames: np.ndarray, scale: int) -> np.ndarray:
    """Every pixel `scale` times in height and width: `[T, H, W, ...]` -> `[T, scale H, scale W, ...]`."""
    return np.repeat(np.repeat(frames, scale, axis=1), scale, axis=2)


def winners(masks: np.ndarray, object_ids: np.ndarray) -> np.ndarray:
    """The identity with the largest mask at each pixel: `[H, W]` of `masks` `[N, H, W]` and `object_ids` `[N]`."""
    return np.asarray(object_ids)[np.argmax(masks, axis=0)]


def overlay(shown: np.ndarray, masks: np.ndarray, object_ids: np.ndarray, plain_id: int | None) -> np.ndarray:
    """Objects in their colours, with outlines, over a frame.

    Args:
        shown: uint8 `[H', W', 3]`, the frame at the size to draw in.
        masks: `[N, H, W]` float, brought to that size smoothly.
        object_ids: `[N]` identities.
        plain_id: the identity that is left as it is, such as what covers most of the video.

    Returns:
        uint8 `[H', W', 3]`.
    """
    height, width = shown.shape[:2]
    smooth = np.stack([np.asarray(Image.fromarray(mask).resize((width, height), _SMOOTH)) for mask in masks])
    segments = winners(smooth, object_ids)
    colours = np.stack([object_colour(number) for number in object_ids]).astype(np.float32)
    painted = colours[np.argmax(smooth, axis=0)]
    strength = np.where(segments == plain_id, 0.0, _TINT)[..., np.newaxis]
    strength[_outlines(segments, max(1, min(height, width) // 100)) & (segments != plain_id)] = 1.0
    return np.rint(shown * (1.0 - strength) + painted * strength).astype(np.uint8)


def _outlines(segments, thickness):
    """Pixels with one of another segment within `thickness`, up, down, left or right."""
    found = np.zeros(segments.shape, bool)
    for step in range(1, thickness + 1):
        differs = segments[step:] != segments[:-step]
        found[step:] |= differs
        found[:-step] |= differs
        differs = segments[:, step:] != segments[:, :-step]
        found[:, step:] |= differs
        found[:, :-step] |= differs
    return found


def checker(size: tuple[int, int], side: int | None = None, tones: tuple[int, int] = _TONES) -> np.ndarray:
    """The ground that what is transparent lies on, uint8 `[H, W, 3]`: squares of two greys.

    Args:
        size: (H, W).
        side: of a square, in pixels; by default so that there are about twelve along the shorter side.
        tones: the greys.
    """
    if side is None:
        side = max(1, min(size) // _SQUARES)
    squares = (np.arange(size[0])[:, np.newaxis] // side + np.arange(size[1]) // side) % 2
    return np.repeat(np.array(tones, np.uint8)[squares][..., np.newaxis], 3, axis=-1)


def cut_out(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What one object paints, as opaque as its mask, over a chequered ground: uint8 `[H, W, 3]`.

    Args:
        rgb: `[H, W, 3]` float, about [0, 1].
        mask: `[H, W]` float in [0, 1].
    """
    opaque = np.clip(mask, 0.0, 1.0)[..., np.newaxis]
    ground = checker(mask.shape).astype(np.float32) / 255.0
    return as_uint8(opaque * rgb + (1.0 - opaque) * ground)
