"""The functions an export offers: the names, types and meaning of their tensors, and the functions themselves."""

from typing import NamedTuple

import tensorflow as tf

from simone_tf.models.parts.queries import Query
from simone_tf.models.simone.model import SIMONe
from simone_tf.serving import CHUNK_SIZE
from simone_tf.serving.chunks import queries_at_a_time

DEFAULT = "segment"
"""The signature that also goes by the name of `serving_default`."""

UINT8 = "_uint8"
"""What the name of a signature ends in that takes video as uint8."""

_VIDEO_SIGNATURES = ("encode", "segment", "segment_soft", "reconstruct", "recompose")

_LOG_SCALE = "natural logarithm of their standard deviations"
_COLOUR = "red, green and blue from 0 (black) to 1 or a little beyond"


class Sizes(NamedTuple):
    """The numbers that a model's tensors are shaped by."""

    num_frames: int  # T
    frame_size: tuple[int, int]  # (H, W) in pixels
    num_slots: int  # K
    object_latent_size: int  # Do
    frame_latent_size: int  # Df


class TensorText(NamedTuple):
    """One tensor of a signature; a size of None is free (B clips, P queries)."""

    dtype: str
    shape: tuple[int | None, ...]
    meaning: str
    range: tuple[float, float] | None = None  # both ends included; None: any number


class Signature(NamedTuple):
    """One function of an export."""

    meaning: str
    inputs: dict[str, TensorText]
    outputs: dict[str, TensorText]


def sizes_of(model: SIMONe, num_frames: int, frame_size: tuple[int, int]) -> Sizes:
    """The sizes of a built model that was trained on windows of `num_frames` frames of `frame_size`."""
    encoder = model.encoder
    return Sizes(
        num_frames,
        tuple(frame_size),
        encoder.num_slots,
        encoder.object_head.latent_size,
        encoder.frame_head.latent_size,
    )


def signature_table(sizes: Sizes) -> dict[str, Signature]:
    """Every signature of an export, the `_uint8` ones included, by name."""
    frames, slots = sizes.num_frames, sizes.num_slots
    pixels = (frames, *sizes.frame_size)

    def text(dtype, shape, meaning, value_range=None):
        return TensorText(dtype, (None, *shape), meaning, value_range)

    def video(meaning="the clips to take apart"):
        return text("float32", (*pixels, 3), f"{meaning}; red, green and blue, 0 is black", (0, 1))

    def latents(owner, count, size):
        return {
            f"{owner}_means": text("float32", (count, size), f"posterior means of the {owner} latents"),
            f"{owner}_log_scales": text("float32", (count, size), _LOG_SCALE),
        }

    segments = text("int32", pixels, "the slot that has the largest mask at each pixel", (0, slots - 1))
    slot_masks = text("float32", (slots, *pixels), "weight of each slot at each pixel; sums to 1 over slots", (0, 1))
    reconstruction = text("float32", (*pixels, 3), f"mean of the mixture, {_COLOUR}")
    object_latents = text("float32", (slots, sizes.object_latent_size), "object latents, such as `object_means`")
    frame_latents = text(
        "float32", (frames, sizes.frame_latent_size), "frame latents, such as `frame_means`, also of other clips"
    )
    table = {
        "encode": Signature(
            "What the model infers of a clip: Gaussian posteriors of its objects and of its frames.",
            {"video": video()},
            latents("object", slots, sizes.object_latent_size) | latents("frame", frames, sizes.frame_latent_size),
        ),
        "decode": Signature(
            "Draws whole clips from latents.",
            {"object_latents": object_latents, "frame_latents": frame_latents},
            {
                "reconstruction": reconstruction,
                "slot_rgb": text("float32", (slots, *pixels, 3), f"colour of each slot, {_COLOUR}"),
                "slot_masks": slot_masks,
            },
        ),
        "decode_queries": Signature(
            "Draws single pixels, also between those of a frame, from latents. Masks are normalised over the queries "
            "of a clip, so that those of few queries differ a little from those of the whole clip.",
            {
                "object_latents": object_latents,
                "frame_latents": frame_latents,
                "frames": text("int32", (None,), "frame of each query", (0, frames - 1)),
                "coordinates": text(
                    "float32", (None, 2), "row and column of each query: -1 is the frame's first, 1 its last", (-1, 1)
                ),
            },
            {
                "rgb": text("float32", (None, 3), f"mean of the mixture, {_COLOUR}"),
                "slot_rgb": text("float32", (slots, None, 3), f"colour of each slot, {_COLOUR}"),
                "slot_masks": text("float32", (slots, None), "weight of each slot; sums to 1 over slots", (0, 1)),
            },
        ),
        "segment": Signature("Which object each pixel belongs to.", {"video": video()}, {"segments": segments}),
        "segment_soft": Signature(
            "As `segment`, with the weight of every slot.",
            {"video": video()},
            {"segments": segments, "slot_masks": slot_masks},
        ),
        "reconstruct": Signature(
            "The clip as the model sees it.", {"video": video()}, {"reconstruction": reconstruction}
        ),
        "recompose": Signature(
            "The objects of one clip as the frame latents of another would see them.",
            {
                "object_video": video("the clips that give the objects"),
                "frame_video": video("as many clips that give the frame latents"),
            },
            {"recomposition": reconstruction},
        ),
    }
    for name in _VIDEO_SIGNATURES:
        signature = table[name]
        inputs = {key: value._replace(dtype="uint8", range=(0, 255)) for key, value in signature.inputs.items()}
        table[name + UINT8] = signature._replace(inputs=inputs)
    return table


class ServedModel(tf.Module):
    """A model as an export holds it: its variables, and one traced function for each signature.

    Only variables are attributes that are tracked: layers would be saved with their classes' names.

    Args:
        model: built `SIMONe`.
        sizes: its `Sizes`.
        chunk_size: queries of all clips of a request together that are decoded at a time; bounds the memory.
    """

    def __init__(self, model: SIMONe, sizes: Sizes, chunk_size: int = CHUNK_SIZE):
        super().__init__(name="simone")
        self.weights = tuple(variable.value for variable in model.variables)
        functions = _functions(model, sizes, chunk_size)
        functions |= {name + UINT8: _of_uint8(functions[name]) for name in _VIDEO_SIGNATURES}
        self._traced = {name: _traced(functions[name], signature) for name, signature in signature_table(sizes).items()}

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """What `tf.saved_model.save` takes as its signatures."""
        return {**self._traced, "serving_default": self._traced[DEFAULT]}


def _functions(model, sizes, chunk_size):
    """Functions of named tensors; those that several share are traced once and called as functions of the graph."""

    @tf.function
    def encode(video):
        return model.encode(video)

    @tf.function
    def render(object_latents, frame_latents):
        chunk = queries_at_a_time(chunk_size, object_latents)
        return model.render(object_latents, frame_latents, sizes.frame_size, chunk)._replace(posteriors=())

    def encode_named(video):
        objects, frames = encode(video)
        return {
            "object_means": objects.mean,
            "object_log_scales": objects.log_scale,
            "frame_means": frames.mean,
            "frame_log_scales": frames.log_scale,
        }

    def decode(object_latents, frame_latents):
        return _fields(render(object_latents, frame_latents), "reconstruction", "slot_rgb", "slot_masks")

    def decode_queries(object_latents, frame_latents, frames, coordinates):
        chunk = queries_at_a_time(chunk_size, object_latents)
        decoded = model.decode(object_latents, frame_latents, Query(frames, coordinates), chunk)
        masks = tf.nn.softmax(decoded.mask_logits, axis=1)
        rgb = tf.einsum("bkp,bkpc->bpc", masks, decoded.rgb_means)
        return {"rgb": rgb, "slot_rgb": decoded.rgb_means, "slot_masks": masks}

    def decompose(video):
        objects, frames = encode(video)
        return render(objects.mean, frames.mean)

    def recompose(object_video, frame_video):
        objects, frames = encode(object_video)[0].mean, encode(frame_video)[1].mean
        return {"recomposition": render(objects, frames).reconstruction}

    return {
        "encode": encode_named,
        "decode": decode,
        "decode_queries": decode_queries,
        "segment": lambda video: _fields(decompose(video), "segments"),
        "segment_soft": lambda video: _fields(decompose(video), "segments", "slot_masks"),
        "reconstruct": lambda video: _fields(decompose(video), "reconstruction"),
        "recompose": recompose,
    }


def _of_uint8(function):
    def call(**videos):
        # As `clip.as_float` does it.
        return function(**{name: tf.cast(video, tf.float32) * (1.0 / 255.0) for name, video in videos.items()})

    return call


def _fields(decomposition, *names):
    return {name: getattr(decomposition, name) for name in names}


def _traced(function, signature):
    def call(**inputs):
        # A call of a signature does not look at shapes: video of another layout would give segments of nothing.
        outputs = function(
            **{name: tf.ensure_shape(inputs[name], text.shape) for name, text in signature.inputs.items()}
        )
        # A free size that the graph lost sight of would make a client guess.
        return {
            name: tf.identity(tf.ensure_shape(outputs[name], text.shape), name=name)
            for name, text in signature.outputs.items()
        }

    specs = {
        name: tf.TensorSpec(text.shape, tf.dtypes.as_dtype(text.dtype), name=name)
        for name, text in signature.inputs.items()
    }
    return tf.function(call).get_concrete_function(**specs)
