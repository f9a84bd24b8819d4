"""Cuts from one scene to another, found while a video streams in.

A frame is looked at where it differs from the one before in more than a quarter of its pixels, and clearly more than
the frames around it differ from theirs, unless it is the same picture in another light. Whether it begins another
scene, or shows the same objects from elsewhere, the model decides (`scene_change`). So a fade is no cut, for no two of
its frames differ that much more than others; nor is a single odd frame, such as a flash, between frames of one scene. A
single odd frame between two scenes, such as a mixture of both, counts to the one that it resembles.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from simone_tf.long_videos.scene_change import Stretch, scene_changes
from simone_tf.long_videos.window_model import WindowModel

# Mean absolute difference of two frames, and share of their pixels that differ by more than that, colours in [0, 1].
_LEAST_DIFFERENCE, _LEAST_SHARE = 0.05, 0.25
# Share of a frame's variance that the one before explains, made brighter or darker: then it is the same picture.
_SAME_PICTURE = 0.8
# How many times more two frames differ than those around them.
_SUDDEN = 1.5


class CutFinder:
    """Hands frames on, and says at which of them a scene begins; iterable once.

    It reads ahead only where frames differ suddenly, by two windows at most, and asks the model only there.

    Args:
      window_model: the model that takes the video apart.
      frames: `[H, W, 3]` float32 in [0, 1] each.
      given: what else the model is given, by name a row `[C]` for every frame.

    Attributes:
      cuts: the frames at which a scene begins, but for the video's first, as far as frames were asked for.
    """

    def __init__(self, window_model: WindowModel, frames: Iterable[np.ndarray], given: Mapping[str, np.ndarray]):
        self._model, self._frames, self._given = window_model, iter(frames), given
        self._length = window_model.num_frames
        self._before: collections.deque[np.ndarray] = collections.deque(maxlen=self._length)  # of this scene
        self._differences: collections.deque[float] = collections.deque(maxlen=self._length)  # up to the newest before
        self._ahead: collections.deque[np.ndarray] = collections.deque()  # the next frame, and what was read after it
        self._index = 0  # of the next frame
        self._settled: collections.deque[bool] = collections.deque()  # whether it begins a scene, and those after it
        self.cuts: set[int] = set()

    def __iter__(self) -> Iterator[np.ndarray]:
        while self._read(1):
            frame = self._ahead[0]
            if self._before:
                if not self._settled:
                    self._settled.extend(self._settle())
                self._differences.append(_difference(self._before[-1], frame))
                if self._settled.popleft():
                    self.cuts.add(self._index)
                    self._before.clear()
            self._before.append(self._ahead.popleft())
            self._index += 1
            yield frame

    def _settle(self) -> list[bool]:
        """Whether the next frame begins a scene; of a single odd one also whether the frame after it does."""
        if not self._stands_out(0):
            return [False]
        if not self._read(2) or not self._stands_out(1):
            return [self._changes(0)]
        # It stands alone: what lies around it is compared.
        if not self._changes(1):
            return [False, False]
        begins = _difference(self._ahead[0], self._ahead[1]) <= _difference(self._before[-1], self._ahead[0])
        return [begins, not begins]

    def _changes(self, at: int) -> bool:
        """Whether what begins at this place ahead shows other objects than what was handed on."""
        end = at + 1
        while end - at < self._length and self._read(end + 1) and not self._stands_out(end):
            end += 1
        first = self._index
        before = Stretch([*self._before], self._rows(first - len(self._before), first))
        after = Stretch([*self._ahead][at:end], self._rows(first + at, first + end))
        if any(len(table) < first + end for table in self._given.values()):
            return False  # Too few rows, of which `cut_windows` will tell.
        return scene_changes(self._model, before, after)

    def _stands_out(self, at: int) -> bool:
        """Whether the frame at this place ahead differs suddenly from the one before it."""
        pair = (self._ahead[at - 1] if at else self._before[-1]), self._ahead[at]
        difference = _difference(*pair)
        if difference < _LEAST_DIFFERENCE or _changed_share(*pair) <= _LEAST_SHARE:
            return False
        before = [*self._differences, *(self._difference_ahead(place) for place in range(at))][-self._length :]
        if difference < _SUDDEN * _usual(before) or _explained(*pair) > _SAME_PICTURE:
            return False
        self._read(at + 1 + self._length)
        places = range(at + 1, min(len(self._ahead), at + 1 + self._length))
        after = [self._difference_ahead(place) for place in places]
        return len(after) < 2 or difference >= _SUDDEN * _usual(after)

    def _difference_ahead(self, place: int) -> float:
        return _difference(self._ahead[place - 1] if place else self._before[-1], self._ahead[place])

    def _rows(self, start: int, end: int) -> dict[str, np.ndarray]:
        return {name: table[start:end] for name, table in self._given.items()}

    def _read(self, count: int) -> bool:
        """Reads ahead to `count` frames; whether there are that many."""
        while len(self._ahead) < count:
            frame = next(self._frames, None)
            if frame is None:
                return False
            self._ahead.append(frame)
        return True


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).mean())


def _changed_share(first: np.ndarray, second: np.ndarray) -> float:
    return float((np.abs(first - second).max(axis=-1) > _LEAST_DIFFERENCE).mean())


def _explained(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the second frame's variance that a gain and an offset of each channel of the first explain."""
    first, second = (frame.reshape(-1, 3).astype(np.float64) for frame in (first, second))
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    common = np.square((first * second).sum(axis=0)) / np.maximum(np.square(first).sum(axis=0), 1e-9)
    return float(common.sum() / max(np.square(second).sum(), 1e-9))


def _usual(differences: Sequence[float]) -> float:
    """Their lower quartile, so that cuts among them do not count; 0 of none."""
    return sorted(differences)[len(differences) // 4] if differences else 0.0
