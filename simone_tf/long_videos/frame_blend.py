"""One frame as the windows that hold it show it together."""

from typing import NamedTuple

import numpy as np

from simone_tf.long_videos.posterior_pool import pool
from simone_tf.long_videos.window_model import Posterior


class FrameParts(NamedTuple):
    """One frame of a video taken apart; N identities show in the windows that hold it."""

    index: int  # of the frame in the video
    frame: np.ndarray  # [H, W, 3] float32, what the model saw
    reconstruction: np.ndarray  # [H, W, 3] float32
    object_ids: np.ndarray  # [N] int32, ascending
    masks: np.ndarray  # [N, H, W] float32, sums to 1 over N
    rgb: np.ndarray  # [N, H, W, 3] float32
    recomposition: np.ndarray | None  # [H, W, 3] float32; None: not made


class WindowFrame(NamedTuple):
    """A frame as one window shows it."""

    weight: float  # how well the window draws it
    object_ids: np.ndarray  # [K] int32
    masks: np.ndarray  # [K, H, W]
    rgb: np.ndarray  # [K, H, W, 3]
    reconstruction: np.ndarray  # [H, W, 3]
    recomposition: np.ndarray | None  # [H, W, 3]
    latents: dict[str, Posterior]  # by name of the latents of frames, [D]


class FrameBlend:
    """Collects what the windows show of a frame.

    Masks, reconstructions and recompositions are weighted means; the colour of an object is the mean over the windows
    that show it, weighted by its masks too, so that masks and colours still add up to the reconstruction.
    """

    def __init__(self, index: int, frame: np.ndarray):
        self.index = index
        self._frame = frame
        self._seen: list[WindowFrame] = []

    def add(self, seen: WindowFrame) -> None:
        """Adds a window."""
        self._seen.append(seen)

    def parts(self) -> FrameParts:
        """The frame taken apart."""
        weights = np.array([seen.weight for seen in self._seen])
        weights /= weights.sum()
        identities = np.unique(np.concatenate([seen.object_ids for seen in self._seen]))
        masks = np.zeros((len(identities), *self._frame.shape[:2]), np.float32)
        # Where no mask is, a window's colours still count, so that there is one.
        paint, amount = np.zeros((*masks.shape, 3), np.float32), np.zeros_like(masks)
        for weight, seen in zip(weights.astype(np.float32), self._seen, strict=True):
            rows = np.searchsorted(identities, seen.object_ids)
            masks[rows] += weight * seen.masks
            visible = weight * np.maximum(seen.masks, 1e-6)
            amount[rows] += visible
            paint[rows] += visible[..., np.newaxis] * seen.rgb
        recomposed = [seen.recomposition for seen in self._seen if seen.recomposition is not None]
        return FrameParts(
            index=self.index,
            frame=self._frame,
            reconstruction=self._mean(weights, [seen.reconstruction for seen in self._seen]),
            object_ids=identities.astype(np.int32),
            masks=masks / masks.sum(0),
            rgb=paint / amount[..., np.newaxis],
            recomposition=self._mean(weights, recomposed) if recomposed else None,
        )

    def latents(self) -> dict[str, Posterior]:
        """The frame's posteriors, `[D]`, by name of the latents of frames."""
        weights = np.array([seen.weight for seen in self._seen])
        pooled = {}
        for name in self._seen[0].latents:
            means, log_scales = zip(*(seen.latents[name] for seen in self._seen), strict=True)
            pooled[name] = Posterior(*pool(means, None if log_scales[0] is None else log_scales, weights))
        return pooled

    @staticmethod
    def _mean(weights: np.ndarray, pictures: list[np.ndarray]) -> np.ndarray:
        return np.tensordot(weights.astype(np.float32), np.stack(pictures), axes=1)
