"""Where each object of a video is seen, pixel by pixel, carried from frame to frame.

A map says of every pixel with what probability it shows an object. From one frame to the next, maps

* move with the picture as a whole, as the camera turns, and blur a little, as objects move;
* are weighed by how well each pixel fits the colour that the object had last;
* and where a window has been taken apart, by what its slots say of the pixel.

So what a slot mixes up comes apart again: of two objects that share a slot for a while, each keeps the pixels near
which it was, and those of its colour. A slot says of its own object, and of those others with whose predicted maps it
overlaps. The largest slot, the backdrop, is left out of that: what a window has not told from the backdrop would
remain backdrop for good.

Maps are kept of the last window's frames only, at 32 pixels a side at most: it is about where things are, not about
their outlines, and costs little beside the model.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from simone_tf.long_videos.frame_shift import frame_shift, shifted

_SIDE = 32
# Pixels by which an object's place is uncertain after a frame.
_BLUR = 1.0
# Probability that a pixel shows what no map says it does.
_SURPRISE = 0.02
# Spread of an object's colours around their mean, and the likelihood of any other colour, as of a shaded side.
_COLOUR_SPREAD, _ODD_COLOUR = 0.12, 0.02
# What a slot says of its own object at least, the rest being shared with what it overlaps.
_OWN_SHARE = 0.2


class IdentityMaps:
    """The maps of the last window's frames."""

    def __init__(self):
        self._window: _Window | None = None
        self._shifts: dict[int, tuple[int, int]] = {}

    @property
    def identities(self) -> tuple[int, ...]:
        """The N objects that have maps."""
        return self._window.identities if self._window else ()

    def predict(self, start: int, pictures: np.ndarray, colours: Mapping[int, np.ndarray]) -> np.ndarray:
        """The maps of the next window's frames by all that is known without its slots.

        Args:
          start: index of its first frame in the video, not before that of the last window.
          pictures: `[T, H, W, 3]`, `shrunk`.
          colours: RGB of every object in `identities`.

        Returns:
          `[N, T, H, W]`, sums to 1 over N; N is 0 before the first window.
        """
        if self._window is None:
            return np.zeros((0, *pictures.shape[:3]))
        self._shifts = {}
        return self._carried(start, pictures, colours, self.identities, None)

    def update(
        self,
        start: int,
        pictures: np.ndarray,
        colours: Mapping[int, np.ndarray],
        predicted: np.ndarray,
        masks: np.ndarray,
        slot_identities: Sequence[int],
        trust: float,
    ) -> None:
        """Takes in what the slots of the window say.

        Args:
          start, pictures, colours: as for `predict`.
          predicted: what `predict` gave.
          masks: `[K, T, H, W]`, `shrunk`, sums to 1 over K.
          slot_identities: the K objects that the slots show, all different.
          trust: in (0, 1], how much the slots have to say: the exponent of their probabilities.
        """
        if self._window is None:
            self._window = _Window(start, pictures, tuple(slot_identities), masks.astype(np.float64))
            return
        rows = {identity: row for row, identity in enumerate(self.identities)}
        mass = predicted.sum(axis=(1, 2, 3))
        others = [identity for identity in self.identities if identity not in slot_identities]
        others = sorted(others, key=lambda identity: -mass[rows[identity]])[: len(masks)]
        identities = (*slot_identities, *others)
        of_all = np.stack([predicted[rows[k]] if k in rows else np.zeros(masks.shape[1:]) for k in identities])
        told = np.einsum("kthw,kn->nthw", masks, _shares(masks, of_all))
        # No slot is so sure of a pixel that it could not be overruled.
        told = (told + 1e-6) ** trust
        maps = self._carried(start, pictures, colours, identities, told)
        self._window = _Window(start, pictures, identities, maps)

    def mean_colours(self) -> dict[int, tuple[np.ndarray, float]]:
        """RGB of the last window's pixels under each object's maps, and the share of all pixels that these make up."""
        window = self._window
        sure = np.square(window.maps)
        sums = np.einsum("nthw,thwc->nc", sure, window.pictures)
        weights = sure.sum(axis=(1, 2, 3))
        pixels = sure[0].size
        return {
            identity: (colour / max(weight, 1e-6), weight / pixels)
            for identity, colour, weight in zip(window.identities, sums, weights, strict=True)
        }

    def _carried(
        self,
        start: int,
        pictures: np.ndarray,
        colours: Mapping[int, np.ndarray],
        identities: Sequence[int],
        told: np.ndarray | None,
    ) -> np.ndarray:
        """The maps `[N, T, H, W]` of the window's frames; `told` is what the slots say, of the same shape."""
        last = self._window
        rows = {identity: row for row, identity in enumerate(last.identities)}
        nowhere = np.zeros(last.maps.shape[1:])
        known = np.stack([last.maps[rows[k]] if k in rows else nowhere for k in identities])
        maps, now = [], known[:, -1]
        for offset, picture in enumerate(pictures):
            back = start + offset - last.start
            if back < len(last.pictures):
                now = known[:, back]
                evidence = None if told is None else told[:, offset]
            else:
                before = pictures[offset - 1] if offset else last.pictures[-1]
                if offset not in self._shifts:
                    self._shifts[offset] = frame_shift(before, picture)
                now = gaussian_filter(shifted(now, self._shifts[offset]), (0, _BLUR, _BLUR))
                evidence = _likelihood(picture, [colours.get(k) for k in identities])
                evidence = evidence if told is None else evidence * told[:, offset]
            if evidence is not None:
                now = (now + _SURPRISE) * evidence
                now = now / np.maximum(now.sum(axis=0), 1e-12)
            maps.append(now)
        return np.stack(maps, axis=1)


class _Window(NamedTuple):
    start: int
    pictures: np.ndarray  # [T, H, W, 3]
    identities: tuple[int, ...]
    maps: np.ndarray  # [N, T, H, W]


def shrunk(values: np.ndarray, rows_axis: int) -> np.ndarray:
    """Means over blocks of pixels: the axes `rows_axis` and the next brought to 32 pixels a side at most; float64."""
    for axis in (rows_axis, rows_axis + 1):
        size = values.shape[axis]
        edges = np.linspace(0, size, min(size, _SIDE), endpoint=False).astype(int)
        lengths = np.diff([*edges, size]).reshape([-1 if at == axis else 1 for at in range(values.ndim)])
        values = np.add.reduceat(values, edges, axis=axis, dtype=np.float64) / lengths
    return values


def _likelihood(picture: np.ndarray, colours: Sequence[np.ndarray | None]) -> np.ndarray:
    """How well each pixel fits the colour of each object, `[N, H, W]`; 1 where an object's colour is not known."""
    fits = np.ones((len(colours), *picture.shape[:2]))
    for row, colour in enumerate(colours):
        if colour is not None:
            squares = np.square(picture - colour).sum(-1)
            fits[row] = np.exp(-squares / (2 * _COLOUR_SPREAD**2)) + _ODD_COLOUR
    return fits


def _shares(masks: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What each of K slots says of N objects, the first K of which are the slots' own; `[K, N]`, sums to 1 over N.

    A slot speaks for its own object only, where that was nowhere to be seen: there is nothing to divide then.
    """
    own = np.eye(len(masks), len(predicted))
    overlap = np.einsum("kthw,nthw->kn", masks, predicted)
    backdrop = int(masks.sum(axis=(1, 2, 3)).argmax())
    overlap[:, backdrop] = overlap[backdrop] = 0.0
    total = overlap.sum(axis=1, keepdims=True)
    spread = np.where(total > 1e-4 * masks[0].size, overlap / np.maximum(total, 1e-12), own)
    slot_mass, own_mass = masks.sum(axis=(1, 2, 3)), predicted[: len(masks)].sum(axis=(1, 2, 3))
    sharing = (1 - _OWN_SHARE) * np.minimum(1.0, own_mass / np.maximum(slot_mass, 1e-6))
    return own + sharing[:, np.newaxis] * (spread - own)
