"""CATER's actions: what an object does for a while, as functions of time, and the track of an object that does several.

Actions of CATER (Girdhar and Ramanan 2020, section 3): slide along the floor, pick-place, rotate, and contain, which is
the pick-place of a cone onto a smaller object. Times are in frames.
"""

import dataclasses

import numpy as np

# Shares of a pick-place: the object is up after the first and comes down after the second.
UP, DOWN = 0.3, 0.7


@dataclasses.dataclass(frozen=True)
class Action:
    """A movement from `start` to `end` that begins and ends at rest."""

    start: float
    end: float
    # Displacement over the floor (x, y).
    displacement: tuple[float, float] = (0.0, 0.0)
    # How far the object is lifted on the way; 0 for a slide.
    lift: float = 0.0
    # Turn about the vertical axis, radians.
    turn: float = 0.0

    def offset(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Displacement `[M, 3]` and turn `[M]` so far, at `times` `[M]`."""
        share = np.clip((times - self.start) / (self.end - self.start), 0.0, 1.0)
        along = _eased((share - UP) / (DOWN - UP)) if self.lift else _eased(share)
        height = self.lift * (_eased(share / UP) - _eased((share - DOWN) / (1 - DOWN)))
        x, y = self.displacement
        return np.stack([along * x, along * y, height], axis=1), _eased(share) * self.turn


class Track:
    """Where an object is over time: a first place (x, y, z) and yaw, then one action after the other."""

    def __init__(self, place: np.ndarray, yaw: float):
        self.actions: list[Action] = []
        self._place, self._yaw = np.asarray(place, np.float64), yaw

    def at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions `[M, 3]` and yaw `[M]` at `times` `[M]`."""
        positions = np.tile(self._place, (len(times), 1))
        yaw = np.full(len(times), self._yaw)
        for action in self.actions:
            moved, turned = action.offset(times)
            positions += moved
            yaw += turned
        return positions, yaw

    def end(self) -> np.ndarray:
        """The place (x, y, z) after the last action."""
        return self._place + sum((np.array([*action.displacement, 0.0]) for action in self.actions), np.zeros(3))


def _eased(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 with zero speed and acceleration at both ends."""
    share = np.clip(share, 0.0, 1.0)
    return share**3 * (10 + share * (6 * share - 15))
