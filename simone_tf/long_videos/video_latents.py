"""The latents of a video of any length, gathered window by window and frame by frame; NumPy only.

Of a video of F frames, cut into M windows, that shows N objects, arrays by name, float32 where not said:

    window_starts          [M] int32, first frame of each window
    window_object_ids      [M, K] int32, the identity of every slot
    merged_object_ids      [N] int32, ascending
    window_num_frames      [M] int32, frames that are the video's, at the window's beginning; only of a video with cuts,
                           where a scene may be shorter than a window

and of every kind of latent, called `<name>` here (`object` and `frame`, of a model that names its latents so):

    <name>_means           [M, K, D] of one that every slot has, [M, K, T, D] where it has it in every frame,
                           [M, D] of the scene; of frames [F, D], over the windows that hold the frame by precision
    <name>_log_scales      alike; missing where the model infers points
    merged_<name>_means    [N, D] of one that every slot has, over the windows (and their frames) by precision
    merged_<name>_log_scales  alike, what windows disagree about included
"""

from collections.abc import Mapping

import numpy as np

from simone_tf.long_videos.posterior_pool import pool_with_spread
from simone_tf.long_videos.window_model import Posterior
from simone_tf.models.scene_model import Latent, object_latents, viewpoint_latents


class VideoLatents:
    """Gathers what the windows of a video and its frames say of their latents; see the module.

    Args:
        latents: what the model infers, by name.
    """

    def __init__(self, latents: Mapping[str, Latent]):
        self._latents = latents
        self._of_slots = object_latents(latents)
        self._of_frames = viewpoint_latents(latents)
        self._num_frames: list[int] = []
        # Lists of arrays, without anything around each of them that a long video would have to keep.
        self._starts: list[int] = []
        self._identities: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._means: dict[str, list[np.ndarray]] = {name: [] for name in latents}
        self._log_scales: dict[str, list[np.ndarray]] = {
            name: [] for name, latent in latents.items() if not latent.is_point
        }

    def add_window(
        self,
        start: int,
        num_frames: int,
        identities: np.ndarray,
        weights: np.ndarray,
        posteriors: Mapping[str, Posterior],
    ) -> None:
        """Adds a window; those of frames are not taken from it.

        Args:
            start: index of its first frame in the video.
            num_frames: frames that are the video's, of which a window has fewer than T only where it is the only one of
                its scene.
            identities: `[K]` int32.
            weights: `[K]`, what each slot counts.
            posteriors: by name, `[*axes, D]`.
        """
        self._num_frames.append(num_frames)
        self._starts.append(start)
        self._identities.append(identities)
        self._weights.append(weights)
        self._add({name: posterior for name, posterior in posteriors.items() if name not in self._of_frames})

    def add_frame(self, posteriors: Mapping[str, Posterior]) -> None:
        """Adds a frame, of which all windows that hold it have been heard: `[D]` by name of the latents of frames."""
        self._add(posteriors)

    def arrays(self, has_cuts: bool = False) -> dict[str, np.ndarray]:
        """All of them by name; at least one window was added."""
        identities, weights = np.stack(self._identities), np.stack(self._weights)
        log_scales = {name: np.stack(values) for name, values in self._log_scales.items()}
        gathered = {name: Posterior(np.stack(means), log_scales.get(name)) for name, means in self._means.items()}
        arrays = {"window_starts": np.array(self._starts, np.int32), "window_object_ids": identities}
        if has_cuts:
            arrays["window_num_frames"] = np.array(self._num_frames, np.int32)
        for name in self._of_slots:
            arrays |= _named(name, gathered[name])
        arrays["merged_object_ids"] = np.unique(identities)
        for name in self._of_slots:
            merged = [
                self._merged(name, gathered[name], identities == identity, weights)
                for identity in arrays["merged_object_ids"]
            ]
            means, scales = zip(*merged, strict=True)
            stacked = Posterior(np.stack(means), None if scales[0] is None else np.stack(scales))
            arrays |= _named(f"merged_{name}", stacked)
        for name in self._latents:
            if name not in self._of_slots:
                arrays |= _named(name, gathered[name])
        return arrays

    def _add(self, posteriors: Mapping[str, Posterior]) -> None:
        for name, posterior in posteriors.items():
            self._means[name].append(posterior.mean)
            if posterior.log_scale is not None:
                self._log_scales[name].append(posterior.log_scale)

    def _merged(self, name: str, gathered: Posterior, chosen: np.ndarray, weights: np.ndarray) -> Posterior:
        """One object's latents `[D]` over all slots of all windows that show it, `chosen [M, K]`."""
        in_frames = "frame" in self._latents[name].axes
        counts = np.array(self._num_frames)[np.nonzero(chosen)[0]]

        def of_object(values: np.ndarray) -> np.ndarray:
            values = values[chosen]
            return values[np.arange(values.shape[1]) < counts[:, np.newaxis]] if in_frames else values

        log_scales = None if gathered.log_scale is None else of_object(gathered.log_scale)
        weights = np.repeat(weights[chosen], counts if in_frames else 1)
        return Posterior(*pool_with_spread(of_object(gathered.mean), log_scales, weights))


def _named(name: str, posterior: Posterior) -> dict[str, np.ndarray]:
    arrays = {f"{name}_means": posterior.mean}
    return arrays if posterior.log_scale is None else arrays | {f"{name}_log_scales": posterior.log_scale}
