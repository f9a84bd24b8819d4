"""Which slot of a window shows which object of the video: one identity for an object through all windows.

The slots of a window are matched one to one (Hungarian matching) with the objects known so far. Slot k costs object j

    overlap_weight * (1 - IoU) + latent_weight * distance of latents + colour_weight * distance of colours

* **IoU**: intersection over union of the soft masks, over the frames that the window shares with earlier ones.
* **latents**: squared distance of the posterior means, in units of the mean over pairs of different slots. Latents hold
  an object's place as its window sees it, so that they compare windows that lie near each other.
* **colours**: distance of the mean colour that the slot paints from the object's own over the windows in which it was
  seen last, in RGB. It is what stays of an object that has long been out of view. Light and white balance change over
  a long video, so that it is not remembered for longer than a few windows in which the object is in view.

IoU and latents are means over the last windows. A window counts by how near it lies, and the less the worse it was
reconstructed: where the model fails to draw what it saw, its slots are mixed up too, and what was known before such
windows carries on across them: what overlaps counts in the share that these windows have in all that are compared.
And a slot counts by how well it went on from what was known of its object: where two objects that look alike share a
slot for a window, the slot that is left over for the second shows something else, and what was known of it before tells
the two apart again when they part.

A slot for which every object costs more than `birth_cost` shows a new one; in a window that was reconstructed badly, it
has to cost as many times more. A slot that shows next to nothing tells nothing: it is given what
is left over, and changes nothing that is known of that object.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

# What counts of a slot that shares no pixel with its object, so that there is something to go by when all do so.
_LEAST_IOU = 0.05


class WindowSlots(NamedTuple):
    """What is known of the K slots of a window; float32."""

    start: int  # index of the window's first frame in the video
    masks: np.ndarray  # [K, T, H, W], sums to 1 over K
    latents: np.ndarray  # [K, Do], posterior means of the objects
    colours: np.ndarray  # [K, 3], mean colour that the slot paints
    error: float  # mean squared error of the window's reconstruction


class _Identified(NamedTuple):
    slots: WindowSlots
    identities: np.ndarray  # [K] int32
    trust: np.ndarray  # [K] in [0, 1], how much each slot tells of its object; 0 where it shows next to nothing


@dataclasses.dataclass
class _Object:
    """The mean colour of an object, over windows weighted by how well and how large it was seen."""

    last_seen: int
    colour_sum: np.ndarray
    weight: float

    @property
    def colour(self) -> np.ndarray:
        return self.colour_sum / self.weight


class Tracker:
    """Hands out identities window by window.

    Args:
      overlap_weight, latent_weight, colour_weight: see the module.
      birth_cost: what a slot may cost a known object, at most.
      min_share: share of the window's pixels below which a slot shows next to nothing.
      reach: windows that lie further back than this many times T frames are not compared with.
      half_life: a window counts half as much for every this many times T frames that it lies back.
      colour_decay: what an object's colours count less with every window in which it is seen again.
      max_objects: objects that are remembered; beyond that, the one not seen for longest is forgotten.
    """

    def __init__(
        self,
        overlap_weight: float = 1.0,
        latent_weight: float = 0.4,
        colour_weight: float = 2.0,
        birth_cost: float = 2.5,
        min_share: float = 0.005,
        reach: float = 4.0,
        half_life: float = 0.5,
        colour_decay: float = 0.8,
        max_objects: int = 256,
    ):
        self.overlap_weight = overlap_weight
        self.latent_weight = latent_weight
        self.colour_weight = colour_weight
        self.birth_cost = birth_cost
        self.min_share = min_share
        self.reach = reach
        self.half_life = half_life
        self.colour_decay = colour_decay
        self.max_objects = max_objects
        self._objects: dict[int, _Object] = {}
        self._windows: list[_Identified] = []
        self._next_identity = 0

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """The identities of a window's slots, `[K]` int32, all different; windows come in order."""
        num_frames = slots.masks.shape[1]
        shares = slots.masks.mean(axis=(1, 2, 3))  # [K]
        shown = shares >= self.min_share
        self._windows = [
            window for window in self._windows if slots.start - window.slots.start <= self.reach * num_frames
        ]
        known = list(self._objects)
        cost, iou = self._costs(slots, known)  # [len(known), K] each
        identities = np.full(len(shown), -1, np.int32)
        seen = np.flatnonzero(shown)
        # As many new objects as slots can be had, for the same price each.
        births = np.full((len(seen), len(seen)), self.birth_cost * self._doubt(slots))
        rows, columns = linear_sum_assignment(np.concatenate([cost[:, seen], births]))
        for row, column in zip(rows, columns, strict=True):
            identities[seen[column]] = known[row] if row < len(known) else self._new_identity()
        for slot in np.flatnonzero(~shown):
            identities[slot] = self._left_over(slot, identities)
        self._windows.append(_Identified(slots, identities, shown * _trust(identities, known, iou)))
        self._remember(slots, identities, shares, shown)
        return identities

    def _costs(self, slots: WindowSlots, known: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Cost of every known object for every slot, and their IoU, NaN where no frame is shared; `[N, K]` each."""
        num_slots, num_frames = slots.masks.shape[:2]
        row_of = {identity: row for row, identity in enumerate(known)}
        shared, union = np.zeros((2, len(known), num_slots))
        distance = np.zeros((len(known), num_slots))
        weights, overlapping = np.zeros((2, len(known)))
        scale = _mean_pair_distance(slots.latents)
        for window in self._windows:
            back = slots.start - window.slots.start
            of_window = 0.5 ** (back / (self.half_life * num_frames)) / window.slots.error**2
            here = slots.masks[:, : max(0, num_frames - back)]
            for slot in np.flatnonzero(window.trust):
                row = row_of.get(int(window.identities[slot]))
                if row is None:
                    continue
                weight = of_window * window.trust[slot]
                distance[row] += weight * np.square(window.slots.latents[slot] - slots.latents).sum(-1) / scale
                weights[row] += weight
                if back >= num_frames:
                    continue
                overlapping[row] += weight
                there = window.slots.masks[slot, back:]
                both = np.minimum(there, here).sum(axis=(1, 2, 3))
                shared[row] += weight * both
                union[row] += weight * (there.sum() + here.sum(axis=(1, 2, 3)) - both)
        compared = weights > 0
        iou = np.divide(shared, union, out=np.full_like(shared, np.nan), where=union > 0)
        likeness = np.nan_to_num(iou)
        # Where the windows that overlap were drawn badly, the latents of those before them say more than these masks.
        likeness[compared] *= (overlapping[compared] / weights[compared])[:, np.newaxis]
        # An object that no near window has shown is as far away in latents as any other.
        latents = np.ones_like(distance)
        latents[compared] = distance[compared] / weights[compared, np.newaxis]
        colours = np.array([self._objects[identity].colour for identity in known]).reshape(-1, 1, 3)
        colour_distance = np.linalg.norm(colours - slots.colours, axis=-1)
        cost = self.overlap_weight * (1 - likeness) + self.latent_weight * latents
        return cost + self.colour_weight * colour_distance, iou

    def _doubt(self, slots: WindowSlots) -> float:
        """How many times worse than the best of the last windows this one was reconstructed, at least 1."""
        return max(1.0, slots.error / min((window.slots.error for window in self._windows), default=slots.error))

    def _new_identity(self) -> int:
        self._next_identity += 1
        return self._next_identity - 1

    def _left_over(self, slot: int, identities: np.ndarray) -> int:
        """The identity that the last window's slot of this number had, or else any that is free in that window."""
        last = self._windows[-1].identities if self._windows else np.zeros(0, np.int32)
        for identity in (*last[slot : slot + 1], *last):
            if identity not in identities:
                return int(identity)
        return self._new_identity()

    def _remember(self, slots: WindowSlots, identities: np.ndarray, shares: np.ndarray, shown: np.ndarray) -> None:
        for identity, colour, share, is_shown in zip(identities.tolist(), slots.colours, shares, shown, strict=True):
            weight = max(float(share), 1e-6) / slots.error**2
            item = self._objects.get(identity)
            if item is None:
                # Of an object that has only ever been next to nothing, that much is known.
                self._objects[identity] = _Object(slots.start, weight * colour, weight)
            elif is_shown:
                item.last_seen = slots.start
                item.colour_sum = self.colour_decay * item.colour_sum + weight * colour
                item.weight = self.colour_decay * item.weight + weight
        longest_unseen = sorted(self._objects, key=lambda identity: self._objects[identity].last_seen)
        for identity in longest_unseen[: max(0, len(longest_unseen) - self.max_objects)]:
            del self._objects[identity]


class SlotNumbers:
    """No matching: a slot's number is its identity in every window."""

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """`[K]` int32: 0 to K - 1."""
        return np.arange(len(slots.masks), dtype=np.int32)


class Unlinked:
    """No matching: the slots of every window are objects of their own."""

    def __init__(self):
        self._count = 0

    def identify(self, slots: WindowSlots) -> np.ndarray:
        """`[K]` int32, never used before."""
        self._count += len(slots.masks)
        return np.arange(self._count - len(slots.masks), self._count, dtype=np.int32)


def _trust(identities: np.ndarray, known: list[int], iou: np.ndarray) -> np.ndarray:
    """The squared IoU of every slot with its own object, `[K]`, never quite 0; 1 where there is nothing to compare."""
    row_of = {identity: row for row, identity in enumerate(known)}
    own = [iou[row_of[k], slot] if k in row_of else np.nan for slot, k in enumerate(identities.tolist())]
    return np.square(np.maximum(np.nan_to_num(own, nan=1.0), _LEAST_IOU))


def _mean_pair_distance(latents: np.ndarray) -> float:
    """Mean squared distance of different slots' latents."""
    num_slots = len(latents)
    squares = np.square(latents[:, np.newaxis] - latents).sum()
    return max(float(squares) / max(1, num_slots * (num_slots - 1)), 1e-6)
