"""Tells, before anything is trained, whether a model does what it states, so that no command after it stumbles."""

from typing import Any

import tensorflow as tf

from simone_tf.errors import UserError
from simone_tf.models.scene_model import Decomposition, SceneModel

# What a setting of a wrong type or a model that is not finished raises when it is traced.
_TRACING_ERRORS = (TypeError, ValueError, KeyError, AttributeError, NotImplementedError, tf.errors.InvalidArgumentError)


def check_model(model: SceneModel, num_frames: int, frame_size: tuple[int, int]) -> None:
    """Compares what a built model gives for a clip with what it states; traced alone, nothing is computed.

    Raises:
        UserError: it cannot compute its losses or take a clip apart with its settings, or gives other terms or shapes
            than it states.
    """
    owner = f"train.model ({type(model).__name__})"
    fields = {"video": (*frame_size, 3), **{name: (size,) for name, size in model.given.items()}}
    clip = {name: tf.TensorSpec([1, num_frames, *shape], tf.float32) for name, shape in fields.items()}
    seed = tf.TensorSpec([2], tf.int32)
    try:
        losses = tf.function(model.losses, autograph=False).get_concrete_function(clip, seed, seed).structured_outputs
        parts = tf.function(model.decompose, autograph=False).get_concrete_function(clip).structured_outputs
    except (UserError, *_TRACING_ERRORS) as error:
        # AutoGraph puts where it happened before what it is, and the kind of error before its words.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].removeprefix(f"{type(error).__name__}: ") if lines else type(error).__name__
        if isinstance(error, UserError):
            raise UserError(reason) from error
        raise UserError(f"{owner} cannot be computed with its settings: {reason.rstrip('.')}.") from error
    if set(losses) != set(model.loss_terms):
        raise UserError(
            f"{owner} states the loss_terms {', '.join(model.loss_terms)}, but its losses are {', '.join(losses)}: "
            "make them the same."
        )
    stated, found = _stated(model, num_frames, frame_size), _found(parts)
    for what in (*stated, *found):
        if what not in stated or what not in found or not found[what].is_compatible_with(stated[what]):
            raise UserError(
                f"{owner} states for {what} the shape {_words(stated.get(what))}, but gives {_words(found.get(what))}: "
                "make them agree."
            )


def _stated(model: SceneModel, num_frames: int, frame_size: tuple[int, int]) -> dict[str, tf.TensorShape]:
    """Shapes of one clip's posteriors and rendering, by what follows from `latents` and `num_slots`."""
    numbers = {"slot": model.num_slots, "frame": num_frames}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, latent in model.latents.items():
        shape = (1, *(numbers[axis] for axis in latent.axes), latent.size)
        shapes[f"the mean of {name!r}"] = shape
        if not latent.is_point:
            shapes[f"the log scale of {name!r}"] = shape
    masks = (1, model.num_slots, num_frames, *frame_size)
    shapes |= {"slot_masks": masks, "slot_rgb": (*masks, 3), "reconstruction": (1, *masks[2:], 3)}
    return {what: tf.TensorShape(shape) for what, shape in shapes.items()}


def _found(parts: Decomposition) -> dict[str, tf.TensorShape]:
    tensors: dict[str, Any] = {name: getattr(parts, name) for name in ("slot_masks", "slot_rgb", "reconstruction")}
    for name, posterior in (parts.posteriors or {}).items():
        tensors[f"the mean of {name!r}"] = posterior.mean
        if posterior.log_scale is not None:
            tensors[f"the log scale of {name!r}"] = posterior.log_scale
    return {what: tensor.shape for what, tensor in tensors.items()}


def _words(shape: tf.TensorShape | None) -> str:
    return "nothing" if shape is None else str(list(shape))
