"""Views of a scene that a model draws without having seen them."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.evaluation.views.tasks import ViewTask
from simone_tf.models.clip_fields import MOMENTS
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.scene_model import Decomposition, SceneModel, decomposition_of


class Views(NamedTuple):
    """Clips drawn of what was seen of them."""

    context: Decomposition  # of the frames that were seen, [B, n, ...]
    unseen: Decomposition  # of those that were not, [B, m, ...]
    context_nats: tf.Tensor | None  # log-likelihood of the pixels, [B, n]; None of a model without one
    unseen_nats: tf.Tensor | None  # [B, m]
    posteriors: dict[str, Posterior]  # of what was seen


def interpolates(model: SceneModel) -> bool:
    """Whether a model infers a viewpoint for every frame, and nothing else of a frame, so that others lie between."""
    others = [latent for name, latent in model.latents.items() if name not in model.viewpoint_latents]
    return bool(model.viewpoint_latents) and not model.given and not any("frame" in latent.axes for latent in others)


def not_synthesized(model: SceneModel) -> str | None:
    """One sentence on why a model draws no unseen views; None where it does."""
    if model.renders_views or interpolates(model):
        return None
    return (
        "This model has no scene apart from its frames that could be asked for another view: no view synthesis."
        if any("frame" in latent.axes for latent in model.latents.values())
        else "This model knows no viewpoints that it could be asked for: no view synthesis."
    )


class ViewSynthesizer:
    """Draws unseen frames of clips from seen ones.

    A model that is given viewpoints is given those of the unseen frames. One that infers them cannot be asked for a
    place where nothing was seen; between two seen frames it is asked by the frame latents between theirs, linearly in
    time. It infers from the seen frames alone: nothing of the unseen ones enters.

    Args:
        model: built, one of which `not_synthesized` says nothing.
        chunk_size: pixels of a clip decoded at a time; None for all at once.
    """

    def __init__(self, model: SceneModel, chunk_size: int | None = 4096):
        self._model = model
        self._chunk_size = chunk_size
        self._functions: dict[Any, Callable[[Mapping[str, tf.Tensor]], Views]] = {}  # one of each task

    def __call__(self, batch: Mapping[str, tf.Tensor], task: ViewTask, moments: tuple[float, ...] = ()) -> Views:
        """Draws the frames of a task.

        Args:
            batch: the model's `inputs` of whole clips, `video [B, F, H, W, 3]` among them.
            task: which frames are seen and which not.
            moments: when the unseen frames are, counted in frames; by default their numbers.
        """
        key = (task, moments)
        if key not in self._functions:
            draw = self._by_viewpoints if self._model.renders_views else self._by_interpolation
            drawn = functools.partial(draw, task=task, moments=moments or task.unseen)
            self._functions[key] = tf.function(drawn, autograph=False)
        return self._functions[key]({name: batch[name] for name in self._model.inputs})

    def _by_viewpoints(self, batch: Mapping[str, tf.Tensor], task: ViewTask, moments: tuple[float, ...]) -> Views:
        model, size = self._model, batch["video"].shape[2:4]

        def frames(names: tuple[str, ...], numbers: tuple[int, ...], times: tuple[float, ...]) -> dict[str, tf.Tensor]:
            chosen = {name: tf.gather(batch[name], numbers, axis=1) for name in names}
            count = tf.shape(batch["video"])[0]
            return chosen | {MOMENTS: tf.tile(tf.constant([times], tf.float32), [count, 1])}

        seen = frames(model.inputs, task.context, task.context)
        posteriors = model.encode(seen)
        means = {name: posterior.mean for name, posterior in posteriors.items()}

        def draw(numbers: tuple[int, ...], times: tuple[float, ...]) -> Decomposition:
            given = frames(tuple(model.given), numbers, times)
            return decomposition_of(model.render(means, given, size, self._chunk_size))

        context, unseen = draw(task.context, task.context), draw(task.unseen, moments)
        return self._views(batch, task, context, unseen, posteriors)

    def _by_interpolation(self, batch: Mapping[str, tf.Tensor], task: ViewTask, moments: tuple[float, ...]) -> Views:
        del moments
        model, size = self._model, batch["video"].shape[2:4]
        count, step = len(task.context), task.context[1] - task.context[0]
        posteriors = model.encode({"video": tf.gather(batch["video"], task.context, axis=1)})
        means = {name: posterior.mean for name, posterior in posteriors.items()}
        # `step` frames for each that was seen, so that these keep the times they have in a clip of theirs alone.
        weights = tf.constant(interpolation_weights(count, step), tf.float32)  # [step n, n]
        means |= {name: tf.einsum("sn,bnd->bsd", weights, means[name]) for name in model.viewpoint_latents}
        whole = decomposition_of(model.render(means, {}, size, self._chunk_size))

        def part(frames: tuple[int, ...]) -> Decomposition:
            places = tf.constant(frames) - task.context[0]
            return Decomposition(
                tf.gather(whole.reconstruction, places, axis=1),
                tf.gather(whole.segments, places, axis=1),
                tf.gather(whole.slot_rgb, places, axis=2),
                tf.gather(whole.slot_masks, places, axis=2),
            )

        return self._views(batch, task, part(task.context), part(task.unseen), posteriors)

    def _views(
        self,
        batch: Mapping[str, tf.Tensor],
        task: ViewTask,
        context: Decomposition,
        unseen: Decomposition,
        posteriors: dict[str, Posterior],
    ) -> Views:
        def nats(frames: tuple[int, ...], drawn: Decomposition) -> tf.Tensor | None:
            found = self._model.log_prob(tf.gather(batch["video"], frames, axis=1), drawn)
            return None if found is None else tf.reduce_mean(found, axis=[2, 3])

        return Views(context, unseen, nats(task.context, context), nats(task.unseen, unseen), posteriors)


def interpolation_weights(count: int, step: int) -> np.ndarray:
    """`[step * count, count]`: what each of `count` values counts for at every `1 / step`; held behind the last."""
    places = np.minimum(np.arange(step * count) / step, count - 1)
    return np.maximum(0.0, 1.0 - np.abs(places[:, np.newaxis] - np.arange(count)))
