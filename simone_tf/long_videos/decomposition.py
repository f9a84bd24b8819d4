"""Videos of any length taken apart: overlapping windows, one identity for an object through all of them (paper, §6).

Every window of T frames is taken apart by itself; `Tracker` says which of its slots shows which object of the video,
and what windows say of the frames they share is combined. A window counts for a frame by the inverse of the squared
error of its reconstruction, of the frame times of the window as a whole: where a window draws badly what it saw, its
masks are bad too. Besides latents, nothing is kept of what lies behind: the memory does not grow with the video.

At a cut to another scene (`cuts`) windows end and begin anew, and so do identities: no object, and nothing that is
combined over windows, belongs to two scenes.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from simone_tf.errors import UserError
from simone_tf.long_videos.cuts import CutFinder
from simone_tf.long_videos.frame_blend import FrameBlend, FrameParts, WindowFrame
from simone_tf.long_videos.tracks import SlotNumbers, Tracker, Unlinked, WindowSlots
from simone_tf.long_videos.video_latents import VideoLatents
from simone_tf.long_videos.window_model import Posterior, Rendering, WindowModel
from simone_tf.long_videos.windows import Window, as_float_frames, check_overlap, cut_windows, default_overlap

# Mean squared error of a rendering that is as good as any: one hundredth of the range of a colour.
_LEAST_ERROR = 1e-4


class VideoDecomposition:
    """Takes a video apart as it streams in; iterable once.

    Args:
      window_model: what takes one window apart.
      frames: `[H, W, 3]` each, uint8 or floating point in [0, 1], at the model's size. A scene shorter than a window is
        filled up by holding its last frame; nothing of that is given out.
      overlap: frames that neighbouring windows share; default half a window. The last window may share more.
      given: what else the model is given, by name of `window_model.given`: `[F, C]`, a row for every frame of the
        video; None where it is given nothing.
      viewpoint: what the recomposition sees every window's objects by, `[T, D]` or `[T, C]` by name of
        `window_model.viewpoint_latents` and `given`, of any video; by default that of the window's own first frame,
        held still.
      recompose: whether to make the recomposition, which costs a second rendering; a model whose viewpoint is not apart
        from the scene has none.
      tracker: what identifies the slots, default `Tracker()`.
      windows_at_a_time: windows that the model takes at a time.
      find_cuts: whether cuts to other scenes are looked for; else the video is taken for one scene.

    Raises:
      UserError: `overlap` is out of range, `given` or `viewpoint` is not what the model takes; and while iterating,
        there is no frame, there are not as many rows in `given` as frames, or the model gives numbers that are not
        finite.
      ValueError: while iterating, a frame has another shape or type.
    """

    def __init__(
        self,
        window_model: WindowModel,
        frames: Iterable[np.ndarray],
        overlap: int | None = None,
        *,
        given: Mapping[str, np.ndarray] | None = None,
        viewpoint: Mapping[str, np.ndarray] | None = None,
        recompose: bool = True,
        tracker: Tracker | SlotNumbers | Unlinked | None = None,
        windows_at_a_time: int = 4,
        find_cuts: bool = True,
    ):
        num_frames = window_model.num_frames
        self._model = window_model
        self._overlap = default_overlap(num_frames) if overlap is None else overlap
        check_overlap(self._overlap, num_frames)
        self._frames = as_float_frames(frames, window_model.frame_size)
        self._tracker = tracker or Tracker()
        self._given = self._checked_given(given or {})
        self._viewpoint = None if viewpoint is None else self._checked_viewpoint(viewpoint)
        self._finder = CutFinder(window_model, self._frames, self._given) if find_cuts else None
        self._scene_start = 0
        self._recompose = recompose and window_model.recomposes
        self._windows_at_a_time = windows_at_a_time
        self._started = self._finished = False
        self._latents = VideoLatents(window_model.latents)

    def __iter__(self) -> Iterator[FrameParts]:
        """The frames in order, each as soon as no later window can hold it.

        Raises:
          ValueError: when called again.
        """
        if self._started:
            raise ValueError("A VideoDecomposition can be iterated once: its frames are not kept.")
        self._started = True
        return self._iterate()

    def latents(self) -> dict[str, np.ndarray]:
        """All latents of the video by name, after the iteration; see `video_latents`.

        Raises:
          ValueError: the iteration has not come to its end.
        """
        if not self._finished:
            raise ValueError("The latents are known after the last frame: iterate first.")
        return self._latents.arrays(has_cuts=bool(self.cuts))

    @property
    def cuts(self) -> list[int]:
        """The frames that begin another scene, as far as they were given out or read ahead, ascending."""
        return sorted(self._finder.cuts) if self._finder else []

    def _checked_given(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = {}
        for name, size in self._model.given.items():
            found = np.shape(given[name]) if name in given else None
            if found is None or len(found) != 2 or found[1] != size:
                stated = "nothing" if found is None else list(found)
                raise UserError(
                    f"{self._model.source} is given `{name}`, {size} numbers for every frame, and here it is {stated}: "
                    f"give [F, {size}] numbers for the F frames of the video."
                )
            arrays[name] = np.asarray(given[name], np.float32)
        return arrays

    def _checked_viewpoint(self, viewpoint: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        latents = {name: self._model.latents[name].size for name in self._model.viewpoint_latents}
        arrays = {}
        for name, size in {**latents, **self._model.given}.items():
            wanted = (self._model.num_frames, size)
            found = np.shape(viewpoint[name]) if name in viewpoint else ()
            if found != wanted:
                raise UserError(
                    f"The viewpoint's `{name}` is {list(found)}, {self._model.source} takes {list(wanted)}: take it "
                    f"from {'a video that the same model has taken apart' if name in latents else 'frames like those'}."
                )
            arrays[name] = np.asarray(viewpoint[name], np.float32)
        return arrays

    def _iterate(self) -> Iterator[FrameParts]:
        waiting: dict[int, FrameBlend] = {}
        size = self._model.frame_size
        frames, cuts = (self._finder, self._finder.cuts) if self._finder else (self._frames, ())
        windows = cut_windows(frames, self._model.num_frames, size, self._overlap, self._given, cuts)
        for window, posteriors, rendering, recomposition in self._taken_apart(windows):
            # The last window may start before the end of the one before it; nothing before its start changes any more.
            for index in sorted(index for index in waiting if index < window.start):
                yield self._finish(waiting.pop(index))
            self._add(waiting, window, posteriors, rendering, recomposition)
        for index in sorted(waiting):
            yield self._finish(waiting.pop(index))
        self._finished = True

    def _taken_apart(
        self, windows: Iterator[Window]
    ) -> Iterator[tuple[Window, dict[str, Posterior], Rendering, np.ndarray | None]]:
        """Every window with its posteriors, rendering and recomposition, computed a few at a time."""
        while batch := _take(windows, self._windows_at_a_time):
            given = {name: np.stack([window.given[name] for window in batch]) for name in self._given}
            posteriors = self._model.encode({"video": np.stack([window.video for window in batch]), **given})
            means = {name: posterior.mean for name, posterior in posteriors.items()}
            self._check_finite(*means.values())
            rendering = self._model.render(means, given)
            self._check_finite(rendering.slot_masks)
            recomposed: Sequence[np.ndarray | None] | np.ndarray = [None] * len(batch)
            if self._recompose:
                seen = self._seen_by(means, given)
                others = {name: seen.get(name, mean) for name, mean in means.items()}
                recomposed = self._model.render(others, {name: seen[name] for name in given}).reconstruction
            for index, window in enumerate(batch):
                of_window = {name: _at(posterior, index) for name, posterior in posteriors.items()}
                yield window, of_window, Rendering(*(value[index] for value in rendering)), recomposed[index]

    def _check_finite(self, *values: np.ndarray) -> None:
        if not all(np.isfinite(array).all() for array in values):
            raise UserError(
                f"{self._model.source} gives numbers that are not finite: its training has diverged; take another "
                "checkpoint, such as the best, or another model."
            )

    def _seen_by(self, means: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Latents `[B, T, D]` and given fields `[B, T, C]` that the recomposition shows a batch of windows by."""
        own = {**{name: means[name] for name in self._model.viewpoint_latents}, **given}
        if self._viewpoint is None:
            return {name: np.repeat(values[:, :1], values.shape[1], axis=1) for name, values in own.items()}
        return {name: np.repeat(self._viewpoint[name][np.newaxis], len(values), axis=0) for name, values in own.items()}

    def _add(
        self,
        waiting: dict[int, FrameBlend],
        window: Window,
        posteriors: dict[str, Posterior],
        rendering: Rendering,
        recomposition: np.ndarray | None,
    ) -> None:
        """Identifies a window's slots and hands to each frame what the window shows of it."""
        real = slice(window.num_frames)
        errors = np.square(rendering.reconstruction[real] - window.video[real]).mean(axis=(1, 2, 3)) + _LEAST_ERROR
        error = float(errors.mean())
        visible = rendering.slot_masks[:, real].sum(axis=(1, 2, 3))  # [K]
        painted = np.einsum("kthw,kthwc->kc", rendering.slot_masks[:, real], rendering.slot_rgb[:, real])
        colours = painted / np.maximum(visible, 1e-6)[:, np.newaxis]
        compared = self._compared(posteriors, window.num_frames)
        if window.scene_start != self._scene_start:
            self._scene_start = window.scene_start
            self._tracker.start_scene()
        identities = self._tracker.identify(
            WindowSlots(window.start, window.video, rendering.slot_masks, compared, colours, error)
        )
        weights = (visible + 1e-6) / error**2
        self._latents.add_window(window.start, window.num_frames, identities, weights, posteriors)
        for offset in range(window.num_frames):
            index = window.start + offset
            blend = waiting.setdefault(index, FrameBlend(index, window.video[offset]))
            blend.add(
                WindowFrame(
                    weight=1.0 / (float(errors[offset]) * error),
                    object_ids=identities,
                    masks=rendering.slot_masks[:, offset],
                    rgb=rendering.slot_rgb[:, offset],
                    reconstruction=rendering.reconstruction[offset],
                    recomposition=None if recomposition is None else recomposition[offset],
                    latents={name: _at(posteriors[name], offset) for name in self._model.viewpoint_latents},
                )
            )

    def _compared(self, posteriors: Mapping[str, Posterior], num_frames: int) -> np.ndarray:
        """What slots are compared by, `[K, D]`: all that is inferred of each, its mean over the frames of the video."""
        of_slots = [np.zeros((self._model.num_slots, 0), np.float32)]
        for name in self._model.object_latents:
            mean = posteriors[name].mean
            of_slots.append(mean[:, :num_frames].mean(1) if "frame" in self._model.latents[name].axes else mean)
        return np.concatenate(of_slots, axis=1)

    def _finish(self, blend: FrameBlend) -> FrameParts:
        self._latents.add_frame(blend.latents())
        return blend.parts()


def _at(posterior: Posterior, index: int) -> Posterior:
    return Posterior(posterior.mean[index], None if posterior.log_scale is None else posterior.log_scale[index])


def _take(windows: Iterator[Window], count: int) -> list[Window]:
    return list(itertools.islice(windows, count))
