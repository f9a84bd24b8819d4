"""What takes one window of T frames apart, whatever it runs on: a model in this process or an export; NumPy only."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.models.scene_model import SceneModel
from simone_tf.pictures.pixels import as_float
from simone_tf.serving import CHUNK_SIZE
from simone_tf.serving.chunks import queries_at_a_time
from simone_tf.serving.saved_model import load_export
from simone_tf.serving.sizes import Sizes, sizes_of

_Tensors = Mapping[str, tf.Tensor]
_Encode = Callable[[_Tensors], Mapping[str, tuple[tf.Tensor, tf.Tensor | None]]]
_Render = Callable[[_Tensors, _Tensors], Sequence[tf.Tensor]]
_Check = Callable[[Mapping[str, np.ndarray]], None]


class Posterior(NamedTuple):
    """What is inferred of one kind of latent, as `scene_model.Posterior`; float32."""

    mean: np.ndarray  # [B, *axes, D]
    log_scale: np.ndarray | None  # natural logarithm of the standard deviation; None: a point


class Rendering(NamedTuple):
    """Windows drawn from latents, as `scene_model.Rendering`; float32, colours about [0, 1]."""

    reconstruction: np.ndarray  # [B, T, H, W, 3], mean of the mixture
    slot_rgb: np.ndarray  # [B, K, T, H, W, 3]
    slot_masks: np.ndarray  # [B, K, T, H, W], sums to 1 over K


class WindowModel:
    """Takes windows apart and draws them; made by `of_run_model` or `of_saved_model`.

    Args:
        sizes: what the model is given and infers.
        source: what a message calls the model, such as its folder.
        encode: function of clip fields by name, float32 tensors, that gives by name of the latents the pairs of mean
            and log scale (None of a point).
        render: function of latents and of what else is given, both by name, that gives the fields of `Rendering` in
            their order.
        check_given: function of numbers `[..., C]` by name of `given` that raises a `UserError` where they cannot be
            what the model is given; None where nothing tells, as of an export.

    Attributes:
        num_frames: T.
        frame_size: (H, W) in pixels.
        num_slots: K.
        latents: `Latent` by name.
        given: numbers C of each frame, by name of the fields besides video that the model is given.
        viewpoint_latents: names of the latents that describe a frame whatever is in it.
        object_latents: names of the latents of which every slot has its own.
        recomposes: whether objects can be shown from another viewpoint than their own.
        renders_views: whether a scene can be drawn from viewpoints that it was not seen from.
    """

    def __init__(self, sizes: Sizes, source: str, encode: _Encode, render: _Render, check_given: _Check | None = None):
        self.num_frames, self.frame_size, self.num_slots = sizes.num_frames, sizes.frame_size, sizes.num_slots
        self.latents, self.given = sizes.latents, sizes.given
        self.viewpoint_latents, self.object_latents = sizes.viewpoint_latents, sizes.object_latents
        self.recomposes = sizes.recomposes
        self.renders_views = sizes.renders_views
        self.source = source
        self._given_shapes = sizes.given_shapes
        self._encode = encode
        self._render = render
        self._check_given = check_given

    def check_given(self, given: Mapping[str, np.ndarray]) -> None:
        """Looks whether numbers can be what the model is given, by name `[..., C]`, as far as that is known.

        Raises:
            UserError: in one sentence, such as for a camera's matrix that mirrors.
        """
        if self._check_given is not None:
            self._check_given(given)

    def encode(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> dict[str, Posterior]:
        """Infers the posteriors, by name of `latents`.

        Args:
            batch: `video [B, T, H, W, 3]`, float32 in [0, 1] or uint8, and the fields `given [B, T, C]`, by name;
                video alone where that is all.

        Raises:
            ValueError: one is missing, or its shape or type is another one.
        """
        fields = dict(batch) if isinstance(batch, Mapping) else {"video": batch}
        video = np.asarray(fields.get("video"))
        wanted = (self.num_frames, *self.frame_size, 3)
        if video.ndim != 5 or video.shape[1:] != wanted or video.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"video is {video.dtype} {list(video.shape)}, {self.source} takes uint8 or float32 [B, "
                f"{', '.join(map(str, wanted))}]."
            )
        if video.dtype == np.uint8:
            video = as_float(video)
        tensors = {"video": tf.constant(video), **self._given_in(fields, len(video))}
        return {
            name: Posterior(mean.numpy(), None if log_scale is None else log_scale.numpy())
            for name, (mean, log_scale) in self._encode(tensors).items()
        }

    def render(self, latents: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray] | None = None) -> Rendering:
        """Draws the windows that latents describe, of whatever origin they are, at the model's frame size.

        Args:
            latents: by name, `[B, *axes, D]` float32.
            given: by name of `given`, `[B, T, C]` float32; None where the model is given nothing.

        Raises:
            ValueError: what is given is missing, or its shape is another one.
        """
        tensors = {name: tf.constant(latents[name], tf.float32) for name in self.latents}
        count = len(next(iter(tensors.values())))
        return Rendering(*(value.numpy() for value in self._render(tensors, self._given_in(given or {}, count))))

    def _given_in(self, fields: Mapping[str, np.ndarray], count: int) -> dict[str, tf.Tensor]:
        tensors = {}
        for name, shape in self._given_shapes.items():
            found = np.shape(fields[name]) if name in fields else None
            if found != (count, *shape):
                stated = "missing" if found is None else list(found)
                raise ValueError(f"{name} is {stated}, {self.source} takes {[count, *shape]}.")
            tensors[name] = tf.constant(fields[name], tf.float32)
        return tensors


def of_run_model(
    model: SceneModel, num_frames: int, frame_size: tuple[int, int], source: str, chunk_size: int = CHUNK_SIZE
) -> WindowModel:
    """A trained model in this process, such as `load_run(...).model`.

    Args:
        model: built.
        num_frames: T of its training.
        frame_size: (H, W) of its training, in pixels.
        source: what a message calls it.
        chunk_size: queries of all windows together that are decoded at a time; bounds the memory.
    """
    sizes = sizes_of(model, num_frames, frame_size)

    def specs(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tf.TensorSpec]:
        return {name: tf.TensorSpec([None, *shape], tf.float32, name) for name, shape in shapes.items()}

    clips = specs({"video": (num_frames, *frame_size, 3), **sizes.given_shapes})

    @tf.function(input_signature=[clips], autograph=False)
    def encode(batch: _Tensors) -> dict[str, tuple[tf.Tensor, tf.Tensor | None]]:
        return {name: (posterior.mean, posterior.log_scale) for name, posterior in model.encode(batch).items()}

    @tf.function(input_signature=[specs(sizes.latent_shapes), specs(sizes.given_shapes)], autograph=False)
    def render(latents: _Tensors, given: _Tensors) -> tuple[tf.Tensor, ...]:
        chunk = queries_at_a_time(chunk_size, next(iter(latents.values())))
        return tuple(model.render(latents, given, frame_size, chunk))

    return WindowModel(sizes, source, encode, render, model.check_given)


def of_saved_model(export_dir: str) -> WindowModel:
    """An export of `python -m simone_tf.export`, run as it is, without the code of the model.

    A SavedModel is a program: read only those whose origin you trust.

    Raises:
        UserError: the folder is missing, is no SavedModel, none of simone_tf's, or damaged.
    """
    export = load_export(export_dir)

    def encode(batch: _Tensors) -> dict[str, tuple[tf.Tensor, tf.Tensor | None]]:
        outputs = export.loaded.signatures["encode"](**batch)
        return {name: (outputs[f"{name}_means"], outputs.get(f"{name}_log_scales")) for name in export.sizes.latents}

    def render(latents: _Tensors, given: _Tensors) -> list[tf.Tensor]:
        inputs = {f"{name}_latents": value for name, value in latents.items()}
        outputs = export.loaded.signatures["decode"](**inputs, **given)
        return [outputs[name] for name in Rendering._fields]

    return WindowModel(export.sizes, str(export_dir), encode, render)
