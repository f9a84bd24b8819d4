"""The functions an export offers: the names, types and meaning of their tensors, as a model's sizes give them."""

from typing import NamedTuple

from simone_tf.models.scene_model import Latent
from simone_tf.serving.sizes import Sizes

DEFAULT = "segment"
"""The signature that also goes by the name of `serving_default`."""

UINT8 = "_uint8"
"""What the name of a signature ends in that takes video as uint8."""

VIDEO_SIGNATURES = ("encode", "segment", "segment_soft", "reconstruct", "recompose", "render")
"""Those that take video, as far as a model has them."""

_VIDEOS = ("video", "object_video", "frame_video")
_LOG_SCALE = "natural logarithm of their standard deviations"
_COLOUR = "red, green and blue from 0 (black) to 1 or a little beyond"
_OWNERS = {
    ("slot",): "its objects",
    ("frame",): "its frames",
    ("slot", "frame"): "its objects in every frame",
    (): "the scene as a whole",
}


class TensorText(NamedTuple):
    """One tensor of a signature; a size of None is free (B clips, P queries, V views)."""

    dtype: str
    shape: tuple[int | None, ...]
    meaning: str
    range: tuple[float, float] | None = None  # both ends included; None: any number


class Signature(NamedTuple):
    """One function of an export."""

    meaning: str
    inputs: dict[str, TensorText]
    outputs: dict[str, TensorText]


def signature_table(sizes: Sizes) -> dict[str, Signature]:
    """Every signature of an export, the `_uint8` ones included, by name."""
    pixels = (sizes.num_frames, *sizes.frame_size)
    clip = {"video": _video(sizes), **_given(sizes)}
    segments = _text("int32", pixels, "the slot that has the largest mask at each pixel", (0, sizes.num_slots - 1))
    slot_masks = _text(
        "float32", (sizes.num_slots, *pixels), "weight of each slot at each pixel; sums to 1 over slots", (0, 1)
    )
    reconstruction = _text("float32", (*pixels, 3), f"mean of the mixture, {_COLOUR}")
    slot_rgb = _text("float32", (sizes.num_slots, *pixels, 3), f"colour of each slot, {_COLOUR}")
    table = {
        "encode": Signature(_meaning_of_encode(sizes), clip, _posteriors(sizes)),
        "decode": Signature(
            "Draws whole clips from latents.",
            {**_latents(sizes), **_given(sizes)},
            {"reconstruction": reconstruction, "slot_rgb": slot_rgb, "slot_masks": slot_masks},
        ),
    }
    if sizes.decodes_queries:
        table["decode_queries"] = _decode_queries(sizes)
    table |= {
        "segment": Signature("Which object each pixel belongs to.", clip, {"segments": segments}),
        "segment_soft": Signature(
            "As `segment`, with the weight of every slot.", clip, {"segments": segments, "slot_masks": slot_masks}
        ),
        "reconstruct": Signature("The clip as the model sees it.", clip, {"reconstruction": reconstruction}),
    }
    if sizes.recomposes:
        table["recompose"] = Signature(
            f"The objects of one clip as the {_viewpoint(sizes)} of another would see them.",
            _recomposed(sizes),
            {"recomposition": reconstruction},
        )
    if sizes.renders_views:
        table["render"] = _render(sizes)
    for name in VIDEO_SIGNATURES:
        if name in table:
            table[name + UINT8] = _of_uint8(table[name])
    return table


def _text(dtype: str, shape: tuple, meaning: str, value_range: tuple[float, float] | None = None) -> TensorText:
    return TensorText(dtype, (None, *shape), meaning, value_range)


def _video(sizes: Sizes, meaning: str = "the clips to take apart") -> TensorText:
    shape = (sizes.num_frames, *sizes.frame_size, 3)
    return _text("float32", shape, f"{meaning}; red, green and blue, 0 is black", (0, 1))


def _given(sizes: Sizes, prefix: str = "", of: str = "") -> dict[str, TensorText]:
    """What the model is given besides video."""
    return {
        prefix + name: _text("float32", shape, f"{name} of every frame{of}, as in the training data")
        for name, shape in sizes.given_shapes.items()
    }


def _latents(sizes: Sizes) -> dict[str, TensorText]:
    others = {name: ", also of other clips" for name in sizes.viewpoint_latents}
    return {
        f"{name}_latents": _text("float32", shape, f"{name} latents, such as `{name}_means`{others.get(name, '')}")
        for name, shape in sizes.latent_shapes.items()
    }


def _posteriors(sizes: Sizes) -> dict[str, TensorText]:
    texts = {}
    for name, shape in sizes.latent_shapes.items():
        if sizes.latents[name].is_point:
            texts[f"{name}_means"] = _text("float32", shape, f"the {name} latents")
        else:
            texts[f"{name}_means"] = _text("float32", shape, f"posterior means of the {name} latents")
            texts[f"{name}_log_scales"] = _text("float32", shape, _LOG_SCALE)
    return texts


def _meaning_of_encode(sizes: Sizes) -> str:
    def owners(latents: list[Latent]) -> str:
        return " and of ".join(dict.fromkeys(_OWNERS[latent.axes] for latent in latents))

    kinds = {
        "Gaussian posteriors": [latent for latent in sizes.latents.values() if not latent.is_point],
        "points": [latent for latent in sizes.latents.values() if latent.is_point],
    }
    inferred = ", ".join(f"{kind} of {owners(latents)}" for kind, latents in kinds.items() if latents)
    return f"What the model infers of a clip: {inferred}."


def _decode_queries(sizes: Sizes) -> Signature:
    inputs = {
        **_latents(sizes),
        **_given(sizes),
        "frames": _text("int32", (None,), "frame of each query", (0, sizes.num_frames - 1)),
        "coordinates": _text(
            "float32", (None, 2), "row and column of each query: -1 is the frame's first, 1 its last", (-1, 1)
        ),
    }
    slots = sizes.num_slots
    outputs = {
        "rgb": _text("float32", (None, 3), f"mean of the mixture, {_COLOUR}"),
        "slot_rgb": _text("float32", (slots, None, 3), f"colour of each slot, {_COLOUR}"),
        "slot_masks": _text("float32", (slots, None), "weight of each slot; sums to 1 over slots", (0, 1)),
    }
    return Signature(
        "Draws single pixels, also between those of a frame, from latents. Masks are normalised over the queries "
        "of a clip, so that those of few queries differ a little from those of the whole clip.",
        inputs,
        outputs,
    )


def _viewpoint(sizes: Sizes) -> str:
    return " and the ".join((*(f"{name} latents" for name in sizes.viewpoint_latents), *sizes.given))


def _recomposed(sizes: Sizes) -> dict[str, TensorText]:
    """Clips that give the objects; and of those that give the viewpoint, as much as the viewpoint follows from."""
    inputs = {
        "object_video": _video(sizes, "the clips that give the objects"),
        **_given(sizes, "object_", " of these clips"),
    }
    if sizes.viewpoint_latents:
        gives = " and the ".join(f"{name} latents" for name in sizes.viewpoint_latents)
        inputs["frame_video"] = _video(sizes, f"as many clips that give the {gives}")
    return {**inputs, **_given(sizes, "frame_", " that is shown")}


def _render(sizes: Sizes) -> Signature:
    """Frames that show a scene, and any number of viewpoints to show it from."""
    views = {
        f"view_{name}": _text(
            "float32", (None, size), f"{name} of every view that is asked for, as in the training data"
        )
        for name, size in sizes.given.items()
    }
    pixels, last = (None, *sizes.frame_size), sizes.num_slots - 1
    return Signature(
        "The scene of a clip from viewpoints that it was not seen from.",
        {"video": _video(sizes, "the clips that show the scenes"), **_given(sizes), **views},
        {
            "views": _text("float32", (*pixels, 3), f"mean of the mixture, {_COLOUR}"),
            "segments": _text("int32", pixels, "the slot that has the largest mask at each pixel", (0, last)),
        },
    )


def _of_uint8(signature: Signature) -> Signature:
    inputs = {
        name: text._replace(dtype="uint8", range=(0, 255)) if name in _VIDEOS else text
        for name, text in signature.inputs.items()
    }
    return signature._replace(inputs=inputs)
