"""Whether two stretches of a video show the same objects, by the model's own evidence; NumPy only.

Pixels cannot say it: they differ as much when the camera jumps as when the scene is another one. The model is asked
three times, of the frames before, of those after, and of half a window of each as if it were one. To say that the
scene has changed

* the window of both has to be drawn worse than the two by themselves (error), and
* the slots before and after, matched one to one by their latents, have to lie apart as far as different slots do
  (latents), and
* at least one of them has to paint another colour than its match (colours).

The product of the three is compared with one number. It was chosen on the embedded set of `quickstart`, with pairs of
clips for cuts and stretches of one clip for jumps of the camera: each of the three by itself confuses more of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from simone_tf.long_videos.window_model import WindowModel

# Evidence from which on the scene has changed. Of the shipped model: 64 pairs of clips have 0.35 or more, 62 of the 64
# pairs that look most alike 0.24 or more, 64 jumps from a clip's first view to its last at most 0.21, all but one 0.09.
_LEAST_EVIDENCE = 0.22
# What the error of the window of both is compared with: that much of it speaks for a cut even where it is drawn well.
_DRAWN_WELL = 0.8
# Times by which the error counts at most: where each part is drawn perfectly, any change of light is far more.
_MOST_WORSE = 10.0
# Distance of the latents where a model has none of its slots, so that error and colours decide.
_NO_LATENTS = 1.4
# Times by which the error counts where a window has one frame and cannot hold both, so that latents and colours decide.
_NO_WINDOW = 1.9
# Share of a window's pixels below which a slot shows next to nothing.
_LEAST_SHARE = 0.005
# Mean squared error of a rendering that is as good as any.
_LEAST_ERROR = 1e-4


class Stretch(NamedTuple):
    """Consecutive frames of one scene, at most a window of them."""

    frames: list[np.ndarray]  # [H, W, 3] float32 each
    given: dict[str, np.ndarray]  # what else the model is given of them, a row for each, by name


def scene_changes(window_model: WindowModel, before: Stretch, after: Stretch) -> bool:
    """Whether the objects of the frames before are others than those after; see the module.

    Args:
      window_model: the model.
      before, after: neighbouring frames, at least one each.
    """
    return evidence(window_model, before, after) > _LEAST_EVIDENCE


def evidence(window_model: WindowModel, before: Stretch, after: Stretch) -> float:
    """How much speaks for another scene; NaN where the model gives numbers that are not finite."""
    num_frames = window_model.num_frames
    windows = [_window(before, 0, num_frames), _window(after, 0, num_frames)]
    if num_frames > 1:
        early = num_frames // 2
        halves = _window(before, len(before.frames) - early, early), _window(after, 0, num_frames - early)
        windows.append(Stretch(halves[0].frames + halves[1].frames, _joined(halves[0].given, halves[1].given)))
    video = np.stack([np.stack(window.frames) for window in windows])
    given = {name: np.stack([window.given[name] for window in windows]) for name in window_model.given}
    means = {name: posterior.mean for name, posterior in window_model.encode({"video": video, **given}).items()}
    if not all(np.isfinite(mean).all() for mean in means.values()):
        return float("nan")
    rendering = window_model.render(means, given)
    errors = np.square(rendering.reconstruction - video).mean(axis=(1, 2, 3, 4)) + _LEAST_ERROR
    worse = errors[2] / errors[:2].mean() if num_frames > 1 else _NO_WINDOW

    visible = rendering.slot_masks[:2].sum(axis=(2, 3, 4))  # [2, K]
    colours = np.einsum("bkthw,bthwc->bkc", rendering.slot_masks[:2], video[:2]) / np.maximum(visible, 1e-6)[..., None]
    shown = visible >= _LEAST_SHARE * video[0, ..., 0].size
    latents = _slot_latents(window_model, means)
    first, second = ((latents[at][shown[at]], colours[at][shown[at]]) for at in (0, 1))
    apart = np.square(first[0][:, np.newaxis] - second[0]).sum(axis=-1)
    painted = np.linalg.norm(first[1][:, np.newaxis] - second[1], axis=-1)
    if not apart.size or not np.isfinite(painted).all():
        return float("nan")
    has_latents = latents.shape[-1] > 0
    matched = linear_sum_assignment(apart if has_latents else painted)
    distance = float(apart[matched].mean()) / _usual_distance(latents) if has_latents else _NO_LATENTS
    return (min(max(float(worse), 1.0), _MOST_WORSE) - _DRAWN_WELL) * distance * float(painted[matched].max())


def _window(stretch: Stretch, start: int, length: int) -> Stretch:
    """Frames from `start` on; what is missing is the first frame, or the last one, held."""
    rows = np.clip(np.arange(start, start + length), 0, len(stretch.frames) - 1)
    return Stretch([stretch.frames[row] for row in rows], {name: table[rows] for name, table in stretch.given.items()})


def _joined(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([table, second[name]]) for name, table in first.items()}


def _slot_latents(window_model: WindowModel, means: Mapping[str, np.ndarray]) -> np.ndarray:
    """All that is inferred of each slot before and after, its mean over frames, `[2, K, D]`."""
    parts = [np.zeros((2, window_model.num_slots, 0), np.float32)]
    for name in window_model.object_latents:
        mean = means[name][:2]
        parts.append(mean.mean(axis=2) if "frame" in window_model.latents[name].axes else mean)
    return np.concatenate(parts, axis=-1)


def _usual_distance(latents: np.ndarray) -> float:
    """Mean squared distance of different slots of a window, `[2, K, D]`; of a single slot, of the two windows."""
    count = latents.shape[1]
    pairs = latents[:, :, np.newaxis] - latents[:, np.newaxis] if count > 1 else latents[:1] - latents[1:]
    number = 2 * count * (count - 1) if count > 1 else 1
    return max(float(np.square(pairs).sum()) / number, 1e-6)
