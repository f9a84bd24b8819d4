"""Small repeating pictures for the floor and walls of generated rooms."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from simone_tf.scenes.scene import RGB

SIDE = 64


def _checker(seed: int) -> np.ndarray:
    half = np.arange(SIDE) // (SIDE // 2)
    return (half[:, None] ^ half[None, :]).astype(np.float64)


def _stripes(seed: int) -> np.ndarray:
    return np.repeat((np.arange(SIDE) // (SIDE // 4) % 2)[None], SIDE, axis=0).astype(np.float64)


def _noise(seed: int) -> np.ndarray:
    # A sum of random periodic waves is smooth and repeats without seams.
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    waves = np.zeros((SIDE, SIDE))
    for _ in range(12):
        cycles = rng.integers(-3, 4, size=2)
        waves += np.sin(2 * np.pi * ((cycles[0] * x + cycles[1] * y) / SIDE + rng.random()))
    return (waves - waves.min()) / max(float(np.ptp(waves)), 1e-9)


# Name -> share of the second colour at each of SIDE x SIDE texels, given a seed.
TEXTURES: dict[str, Callable[[int], np.ndarray]] = {
    "flat": lambda seed: np.zeros((SIDE, SIDE)),
    "checker": _checker,
    "stripes": _stripes,
    "noise": _noise,
}


def texture_png(name: str, first: RGB, second: RGB, seed: int) -> bytes:
    """Returns a `[64, 64, 3]` PNG that blends two colours in the pattern `name`; `seed` only matters to noise."""
    share = TEXTURES[name](seed)[..., None]
    pixels = np.array(first) * (1 - share) + np.array(second) * share
    buffer = io.BytesIO()
    Image.fromarray(np.round(255 * pixels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
