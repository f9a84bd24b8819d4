"""Which slot of a window shows which object of the video: one identity for an object through all windows.

The slots of a window are matched one to one (Hungarian matching) with the objects known so far. Slot k costs object j

    overlap_weight * (1 - IoU) + latent_weight * distance of latents + colour_weight * distance of colours

* **IoU**: intersection over union of the slot's soft masks and the maps of where the object is expected, over all
  frames of the window. Those that it shares with earlier windows have maps that these made; for the others they are
  carried on (see `identity_maps`).
* **latents**: squared distance of the posterior means, in units of the mean over pairs of different slots. Latents hold
  an object's place as its window sees it, so that they compare windows that lie near each other.
* **colours**: distance of the mean colour that the slot paints from the object's own over the windows in which it was
  seen last, in RGB. It is what stays of an object that has long been out of view. Light and white balance change over
  a long video, so that it is not remembered for longer than a few windows in which the object is in view.

A slot for which every object costs more than `birth_cost` shows a new one; in a window that was reconstructed badly, it
has to cost as many times more. A slot that shows next to nothing tells nothing: it is given what is left over, and
changes nothing that is known of that object.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from simone_tf.long_videos.identity_maps import IdentityMaps, shrunk

# Distance of latents beyond which they differ, and no more: slots that are all alike lie next to nothing apart.
_FARTHEST = 4.0


class WindowSlots(NamedTuple):
    """What is known of the K slots of a window; float32."""

    start: int  # index of the window's first frame in the video
    video: np.ndarray  # [T, H, W, 3] in [0, 1]
    masks: np.ndarray  # [K, T, H, W], sums to 1 over K
    latents: np.ndarray  # [K, Do], posterior means of the objects
    colours: np.ndarray  # [K, 3], mean colour that the slot paints
    error: float  # mean squared error of the window's reconstruction


@dataclasses.dataclass
class _Object:
    last_seen: int  # start of the last window in which it was more than next to nothing
    latents: np.ndarray  # [Do], of that window
    colour: np.ndarray  # RGB


class Tracker:
    """Hands out identities window by window.

    Args:
      overlap_weight, latent_weight, colour_weight: see the module.
      birth_cost: what a slot may cost a known object, at most.
      min_share: share of the window's pixels below which a slot shows next to nothing.
      reach: latents of windows that lie further back than this many times T frames are not compared with.
      colour_decay: what an object's colours count less with every window in which it is seen again.
      max_objects: objects that are remembered; beyond that, the one not seen for longest is forgotten.
    """

    def __init__(
        self,
        overlap_weight: float = 2.0,
        latent_weight: float = 0.2,
        colour_weight: float = 1.0,
        birth_cost: float = 2.5,
        min_share: float = 0.005,
        reach: float = 4.0,
        colour_decay: float = 0.8,
        max_objects: int = 256,
    ):
        self.overlap_weight = overlap_weight
        self.latent_weight = latent_weight
        self.colour_weight = colour_weight
        self.birth_cost = birth_cost
        self.min_share = min_share
        self.reach = reach
        self.colour_decay = colour_decay
        self.max_objects = max_objects
        self._objects: dict[int, _Object] = {}
        self._maps = IdentityMaps()
        self._errors: list[tuple[int, float]] = []  # start and error of the windows within reach
        self._last_identities = np.zeros(0, np.int32)
        self._next_identity = 0

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """The identities of a window's slots, `[K]` int32, all different; windows come in order."""
        shown = slots.masks.mean(axis=(1, 2, 3)) >= self.min_share  # [K]
        reach = self.reach * len(slots.video)
        self._errors = [(start, error) for start, error in self._errors if slots.start - start <= reach]
        masks, pictures = shrunk(slots.masks, rows_axis=2), shrunk(slots.video, rows_axis=1)
        colours = {identity: item.colour for identity, item in self._objects.items()}
        predicted = self._maps.predict(slots.start, pictures, colours)
        known = list(self._objects)
        cost = self._costs(slots, masks, predicted, known)
        identities = np.full(len(shown), -1, np.int32)
        seen = np.flatnonzero(shown)
        # As many new objects as slots can be had, for the same price each.
        doubt = self._doubt(slots)
        births = np.full((len(seen), len(seen)), self.birth_cost * doubt)
        rows, columns = linear_sum_assignment(np.concatenate([cost[:, seen], births]))
        for row, column in zip(rows, columns, strict=True):
            identities[seen[column]] = known[row] if row < len(known) else self._new_identity()
        for slot in np.flatnonzero(~shown):
            identities[slot] = self._left_over(slot, identities)
        self._maps.update(slots.start, pictures, colours, predicted, masks, identities.tolist(), 1 / doubt)
        self._remember(slots, identities, shown, 1 / doubt)
        return identities

    def start_scene(self) -> None:
        """After a cut: nothing that was seen before is compared with any more, and all identities are new ones."""
        self._objects, self._maps, self._errors = {}, IdentityMaps(), []
        self._last_identities = np.zeros(0, np.int32)

    def _costs(self, slots: WindowSlots, masks: np.ndarray, predicted: np.ndarray, known: list[int]) -> np.ndarray:
        """Cost of every known object for every slot, `[len(known), K]`."""
        iou, latents, colours = np.zeros((3, len(known), len(masks)))
        latents += 1.0  # An object that no near window has shown is as far away as any other.
        scale = _mean_pair_distance(slots.latents)
        rows = {identity: row for row, identity in enumerate(self._maps.identities)}
        sizes = masks.sum(axis=(1, 2, 3))
        for row, identity in enumerate(known):
            item = self._objects[identity]
            if identity in rows:
                there = predicted[rows[identity]]
                both = np.minimum(there, masks).sum(axis=(1, 2, 3))
                iou[row] = both / np.maximum(there.sum() + sizes - both, 1e-6)
            if slots.start - item.last_seen <= self.reach * len(slots.video):
                latents[row] = np.minimum(np.square(item.latents - slots.latents).sum(-1) / scale, _FARTHEST)
            colours[row] = np.linalg.norm(item.colour - slots.colours, axis=-1)
        return self.overlap_weight * (1 - iou) + self.latent_weight * latents + self.colour_weight * colours

    def _doubt(self, slots: WindowSlots) -> float:
        """How many times worse than the best of the last windows this one was reconstructed, at least 1."""
        return max(1.0, slots.error / min((error for _, error in self._errors), default=slots.error))

    def _new_identity(self) -> int:
        self._next_identity += 1
        return self._next_identity - 1

    def _left_over(self, slot: int, identities: np.ndarray) -> int:
        """The identity that the last window's slot of this number had, or else any that is free in that window."""
        for identity in (*self._last_identities[slot : slot + 1], *self._last_identities):
            if identity not in identities:
                return int(identity)
        return self._new_identity()

    def _remember(self, slots: WindowSlots, identities: np.ndarray, shown: np.ndarray, trust: float) -> None:
        self._last_identities = identities
        self._errors.append((slots.start, slots.error))
        seen_colours = self._maps.mean_colours()
        for slot, identity in enumerate(identities.tolist()):
            item = self._objects.get(identity)
            if item is None:
                # Of an object that has only ever been next to nothing, that much is known.
                self._objects[identity] = _Object(slots.start, slots.latents[slot], slots.colours[slot])
            elif shown[slot]:
                item.last_seen, item.latents = slots.start, slots.latents[slot]
        for identity, (colour, share) in seen_colours.items():
            if share >= self.min_share and identity in self._objects:
                item = self._objects[identity]
                item.colour = item.colour + trust * (1 - self.colour_decay) * (colour - item.colour)
        longest_unseen = sorted(self._objects, key=lambda identity: self._objects[identity].last_seen)
        for identity in longest_unseen[: max(0, len(longest_unseen) - self.max_objects)]:
            del self._objects[identity]


class SlotNumbers:
    """No matching: a slot's number is its identity in every window of a scene."""

    def __init__(self):
        self._first = self._count = 0

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """`[K]` int32: 0 to K - 1, in the next scene K to 2 K - 1, and so on."""
        self._count = len(slots.masks)
        return np.arange(self._first, self._first + self._count, dtype=np.int32)

    def start_scene(self) -> None:
        """After a cut."""
        self._first += self._count


class Unlinked:
    """No matching: the slots of every window are objects of their own."""

    def __init__(self):
        self._count = 0

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """`[K]` int32, never used before."""
        self._count += len(slots.masks)
        return np.arange(self._count - len(slots.masks), self._count, dtype=np.int32)

    def start_scene(self) -> None:
        """After a cut: its slots are new ones anyway."""


def _mean_pair_distance(latents: np.ndarray) -> float:
    """Mean squared distance of different slots' latents."""
    num_slots = len(latents)
    squares = np.square(latents[:, np.newaxis] - latents).sum()
    return max(float(squares) / max(1, num_slots * (num_slots - 1)), 1e-6)
