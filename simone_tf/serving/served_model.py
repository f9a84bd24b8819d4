"""A model as an export holds it: its variables, and one traced function for each signature."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from simone_tf.data.clip import pixels_as_float
from simone_tf.models.parts.latents import Posterior
from simone_tf.models.parts.queries import Query
from simone_tf.models.scene_model import DecodesQueries, Decomposition, Rendering, SceneModel, decomposition_of
from simone_tf.serving import CHUNK_SIZE
from simone_tf.serving.chunks import queries_at_a_time
from simone_tf.serving.input_checks import checked
from simone_tf.serving.signatures import DEFAULT, UINT8, Signature, signature_table
from simone_tf.serving.sizes import Sizes

_Tensors = dict[str, tf.Tensor]


class ServedModel(tf.Module):
    """A model's variables and signatures, ready to be saved.

    Only variables are attributes that are tracked: layers would be saved with their classes' names.

    Args:
        model: built.
        sizes: its `Sizes`.
        chunk_size: queries of all clips of a request together that are decoded at a time; bounds the memory.
    """

    def __init__(self, model: SceneModel, sizes: Sizes, chunk_size: int = CHUNK_SIZE):
        super().__init__()
        self.weights = tuple(variable.value for variable in model.variables)
        functions = _Functions(model, sizes, chunk_size)
        self._traced = {
            name: _traced(_function(functions, name), name, signature)
            for name, signature in signature_table(sizes).items()
        }

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """What `tf.saved_model.save` takes as its signatures."""
        return {**self._traced, "serving_default": self._traced[DEFAULT]}


class _Functions:
    """The signatures by name, of named tensors; what several share is traced once, as functions of the graph."""

    def __init__(self, model: SceneModel, sizes: Sizes, chunk_size: int):
        self._model = model
        self._given = tuple(sizes.given)
        self._viewpoint = sizes.viewpoint_latents
        self._latents = tuple(sizes.latents)
        self._chunk_size = chunk_size

        @tf.function(autograph=False)
        def encode(batch: _Tensors) -> dict[str, Posterior]:
            return model.encode(batch)

        @tf.function(autograph=False)
        def render(latents: _Tensors, given: _Tensors) -> Rendering:
            return model.render(latents, given, sizes.frame_size, self._chunk(latents))

        @tf.function(autograph=False)
        def decompose(batch: _Tensors) -> Decomposition:
            return model.decompose(batch, self._chunk(batch))

        self._encode, self._render, self._decompose = encode, render, decompose

    def encode(self, **batch: tf.Tensor) -> _Tensors:
        outputs = {}
        for name, posterior in self._encode(batch).items():
            outputs[f"{name}_means"] = posterior.mean
            if posterior.log_scale is not None:
                outputs[f"{name}_log_scales"] = posterior.log_scale
        return outputs

    def decode(self, **inputs: tf.Tensor) -> _Tensors:
        rendering = self._render(self._latents_in(inputs), {name: inputs[name] for name in self._given})
        return _fields(rendering, "reconstruction", "slot_rgb", "slot_masks")

    def decode_queries(self, frames: tf.Tensor, coordinates: tf.Tensor, **inputs: tf.Tensor) -> _Tensors:
        assert isinstance(self._model, DecodesQueries)
        latents = self._latents_in(inputs)
        given = {name: inputs[name] for name in self._given}
        decoded = self._model.decode(latents, Query(frames, coordinates), self._chunk(latents), given)
        masks = tf.nn.softmax(decoded.mask_logits, axis=1)
        rgb = tf.einsum("bkp,bkpc->bpc", masks, decoded.rgb_means)
        return {"rgb": rgb, "slot_rgb": decoded.rgb_means, "slot_masks": masks}

    def segment(self, **batch: tf.Tensor) -> _Tensors:
        return _fields(self._decompose(batch), "segments")

    def segment_soft(self, **batch: tf.Tensor) -> _Tensors:
        return _fields(self._decompose(batch), "segments", "slot_masks")

    def reconstruct(self, **batch: tf.Tensor) -> _Tensors:
        return _fields(self._decompose(batch), "reconstruction")

    def recompose(self, **inputs: tf.Tensor) -> _Tensors:
        latents = self._means(_with_prefix(inputs, "object_"))
        seen = _with_prefix(inputs, "frame_")
        if self._viewpoint:
            of_frames = self._means(seen)
            latents |= {name: of_frames[name] for name in self._viewpoint}
        rendering = self._render(latents, {name: seen[name] for name in self._given})
        return {"recomposition": rendering.reconstruction}

    def render(self, **inputs: tf.Tensor) -> _Tensors:
        views = _with_prefix(inputs, "view_")
        means = self._means({name: value for name, value in inputs.items() if not name.startswith("view_")})
        drawn = decomposition_of(self._render(means, views))
        return {"views": drawn.reconstruction, "segments": drawn.segments}

    def _means(self, batch: _Tensors) -> _Tensors:
        return {name: posterior.mean for name, posterior in self._encode(batch).items()}

    def _latents_in(self, inputs: Mapping[str, tf.Tensor]) -> _Tensors:
        return {name: inputs[f"{name}_latents"] for name in self._latents}

    def _chunk(self, tensors: _Tensors) -> tf.Tensor:
        return queries_at_a_time(self._chunk_size, next(iter(tensors.values())))


def _with_prefix(inputs: Mapping[str, tf.Tensor], prefix: str) -> _Tensors:
    return {name.removeprefix(prefix): value for name, value in inputs.items() if name.startswith(prefix)}


def _fields(parts: tuple, *names: str) -> _Tensors:
    return {name: getattr(parts, name) for name in names}


def _function(functions: _Functions, name: str) -> Callable[..., _Tensors]:
    function = getattr(functions, name.removesuffix(UINT8))
    return _of_uint8(function) if name.endswith(UINT8) else function


def _of_uint8(function: Callable[..., _Tensors]) -> Callable[..., _Tensors]:
    def call(**inputs: tf.Tensor) -> _Tensors:
        return function(
            **{name: pixels_as_float(value) if value.dtype == tf.uint8 else value for name, value in inputs.items()}
        )

    return call


def _traced(
    function: Callable[..., _Tensors], name: str, signature: Signature
) -> tf.types.experimental.ConcreteFunction:
    def call(**inputs: tf.Tensor) -> _Tensors:
        # A call of a signature does not look at shapes: video of another layout would give segments of nothing.
        shaped = {key: tf.ensure_shape(inputs[key], text.shape) for key, text in signature.inputs.items()}
        outputs = function(**checked(name, signature, shaped))
        # A free size that the graph lost sight of would make a client guess.
        return {
            key: tf.identity(tf.ensure_shape(outputs[key], text.shape), name=key)
            for key, text in signature.outputs.items()
        }

    specs = {
        key: tf.TensorSpec(text.shape, tf.dtypes.as_dtype(text.dtype), name=key)
        for key, text in signature.inputs.items()
    }
    return tf.function(call, autograph=False).get_concrete_function(**specs)
