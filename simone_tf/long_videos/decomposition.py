"""Videos of any length taken apart: overlapping windows, one identity for an object through all of them (paper, §6).

Every window of T frames is taken apart by itself; `Tracker` says which of its slots shows which object of the video,
and what windows say of the frames they share is combined. A window counts for a frame by the inverse of the squared
error of its reconstruction, of the frame times of the window as a whole: where a window draws badly what it saw, its
masks are bad too. Besides latents, nothing is kept of what lies behind: the memory does not grow with the video.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from simone_tf.errors import UserError
from simone_tf.long_videos.frame_blend import FrameBlend, FrameParts, WindowFrame
from simone_tf.long_videos.posterior_pool import pool_with_spread
from simone_tf.long_videos.tracks import SlotNumbers, Tracker, WindowSlots
from simone_tf.long_videos.window_model import Latents, Rendering, WindowModel
from simone_tf.long_videos.windows import Window, check_overlap, cut_windows, default_overlap

# Mean squared error of a rendering that is as good as any: one hundredth of the range of a colour.
_LEAST_ERROR = 1e-4


class VideoLatents(NamedTuple):
    """The latents of a video of F frames, cut into M windows, that shows N objects; float32 where not said."""

    window_starts: np.ndarray  # [M] int32, first frame of each window
    window_object_ids: np.ndarray  # [M, K] int32, the identity of every slot
    object_means: np.ndarray  # [M, K, Do]
    object_log_scales: np.ndarray  # [M, K, Do]
    merged_object_ids: np.ndarray  # [N] int32, ascending
    merged_object_means: np.ndarray  # [N, Do], over the windows by precision
    merged_object_log_scales: np.ndarray  # [N, Do], what windows disagree about included
    frame_means: np.ndarray  # [F, Df], over the windows that hold the frame by precision
    frame_log_scales: np.ndarray  # [F, Df]


class VideoDecomposition:
    """Takes a video apart as it streams in; iterable once.

    Args:
      window_model: what takes one window apart.
      frames: `[H, W, 3]` each, uint8 or floating point in [0, 1], at the model's size. A video shorter than a window is
        filled up by holding its last frame; nothing of that is given out.
      overlap: frames that neighbouring windows share; default half a window. The last window may share more.
      match: whether slots are matched; else a slot's number is its identity.
      camera: `[T, Df]` frame latents, of any video, that the recomposition sees every window's objects by; by default
        that of the window's own first frame, held still.
      recompose: whether to make the recomposition, which costs a second rendering.
      tracker: what identifies the slots in place of `Tracker()`; `match` is not looked at then.
      windows_at_a_time: windows that the model takes at a time.

    Raises:
      UserError: `overlap` is out of range, `camera` is that of another model; and while iterating, there is no frame,
        or the model gives numbers that are not finite.
      ValueError: while iterating, a frame has another shape or type.
    """

    def __init__(
        self,
        window_model: WindowModel,
        frames: Iterable[np.ndarray],
        overlap: int | None = None,
        match: bool = True,
        camera: np.ndarray | None = None,
        *,
        recompose: bool = True,
        tracker: Tracker | None = None,
        windows_at_a_time: int = 4,
    ):
        num_frames = window_model.num_frames
        self._model = window_model
        self._overlap = default_overlap(num_frames) if overlap is None else overlap
        check_overlap(self._overlap, num_frames)
        if camera is not None and (np.ndim(camera) != 2 or len(camera) != num_frames):
            raise UserError(
                f"The camera's frame latents are {list(np.shape(camera))}, {window_model.source} takes those of "
                f"{num_frames} frames: take them from a video that the same model has taken apart."
            )
        self._frames = iter(frames)
        self._tracker = tracker or (Tracker() if match else SlotNumbers())
        self._camera = camera
        self._recompose = recompose
        self._windows_at_a_time = windows_at_a_time
        self._started = self._finished = False
        self._windows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._frame_latents: list[tuple[np.ndarray, np.ndarray]] = []

    def __iter__(self) -> Iterator[FrameParts]:
        """The frames in order, each as soon as no later window can hold it.

        Raises:
          ValueError: when called again.
        """
        if self._started:
            raise ValueError("A VideoDecomposition can be iterated once: its frames are not kept.")
        self._started = True
        return self._iterate()

    def latents(self) -> VideoLatents:
        """All latents of the video, after the iteration.

        Raises:
          ValueError: the iteration has not come to its end.
        """
        if not self._finished:
            raise ValueError("The latents are known after the last frame: iterate first.")
        starts, identities, means, log_scales, weights = map(np.stack, zip(*self._windows, strict=True))
        merged_ids = np.unique(identities)
        merged = [
            pool_with_spread(means[identities == k], log_scales[identities == k], weights[identities == k])
            for k in merged_ids
        ]
        merged_means, merged_log_scales = map(np.stack, zip(*merged, strict=True))
        frame_means, frame_log_scales = map(np.stack, zip(*self._frame_latents, strict=True))
        return VideoLatents(
            starts.astype(np.int32),
            identities,
            means,
            log_scales,
            merged_ids,
            merged_means,
            merged_log_scales,
            frame_means,
            frame_log_scales,
        )

    def _iterate(self) -> Iterator[FrameParts]:
        waiting: dict[int, FrameBlend] = {}
        windows = cut_windows(self._frames, self._model.num_frames, self._model.frame_size, self._overlap)
        for window, latents, rendering, recomposition in self._taken_apart(windows):
            # The last window may start before the end of the one before it; nothing before its start changes any more.
            for index in sorted(index for index in waiting if index < window.start):
                yield self._finish(waiting.pop(index))
            self._add(waiting, window, latents, rendering, recomposition)
        for index in sorted(waiting):
            yield self._finish(waiting.pop(index))
        self._finished = True

    def _taken_apart(self, windows: Iterator[Window]):
        """Every window with its latents, rendering and recomposition, computed a few at a time."""
        while batch := _take(windows, self._windows_at_a_time):
            latents = self._model.encode(np.stack([window.video for window in batch]))
            rendering = self._model.render(latents.object_means, latents.frame_means)
            recomposed = [None] * len(batch)
            if self._recompose:
                camera = self._camera_latents(latents.frame_means)
                recomposed = self._model.render(latents.object_means, camera).reconstruction
            if not (np.isfinite(latents.object_means).all() and np.isfinite(rendering.slot_masks).all()):
                raise UserError(
                    f"{self._model.source} gives numbers that are not finite: its training has diverged; take another "
                    "checkpoint, such as the best, or another model."
                )
            for index, window in enumerate(batch):
                of_window = [type(item)(*(value[index] for value in item)) for item in (latents, rendering)]
                yield window, *of_window, recomposed[index]

    def _camera_latents(self, frame_means: np.ndarray) -> np.ndarray:
        if self._camera is None:
            return np.repeat(frame_means[:, :1], frame_means.shape[1], axis=1)
        if self._camera.shape[1] != frame_means.shape[2]:
            raise UserError(
                f"The camera's frame latents are of {self._camera.shape[1]} numbers, those of {self._model.source} of "
                f"{frame_means.shape[2]}: take them from a video that the same model has taken apart."
            )
        return np.repeat(np.asarray(self._camera, np.float32)[np.newaxis], len(frame_means), axis=0)

    def _add(
        self,
        waiting: dict[int, FrameBlend],
        window: Window,
        latents: Latents,
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
        identities = self._tracker.identify(
            WindowSlots(window.start, window.video, rendering.slot_masks, latents.object_means, colours, error)
        )
        weights = (visible + 1e-6) / error**2
        self._windows.append((window.start, identities, latents.object_means, latents.object_log_scales, weights))
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
                    latent_mean=latents.frame_means[offset],
                    latent_log_scale=latents.frame_log_scales[offset],
                )
            )

    def _finish(self, blend: FrameBlend) -> FrameParts:
        self._frame_latents.append(blend.latent())
        return blend.parts()


def _take(windows: Iterator[Window], count: int) -> list[Window]:
    return list(itertools.islice(windows, count))
