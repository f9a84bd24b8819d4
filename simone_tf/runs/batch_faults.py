"""Which clips of a training batch make its loss or gradient a number that is not finite."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.origin import origins
from simone_tf.models.scene_model import SceneModel
from simone_tf.training.step_watch import BatchFault

_AS_IT_IS = {"mirror": False, "permute_colours": False, "reverse_time": False, "window": "start"}
_MOST_NAMED = 3


def clips_at_fault(
    model: SceneModel,
    batches: Callable[..., Iterable[Mapping[str, tf.Tensor]]],
    start_step: int,
    num_batches: int,
    readers: Sequence[ClipReader],
    num_frames: int,
) -> BatchFault | None:
    """Makes the batches of a step again, and looks for the clips that do harm by themselves.

    Args:
        model: built, its weights those of the step.
        batches: the run's batches of one replica as a function of `start_step` and the augmentations.
        start_step: of the first batch.
        num_batches: the replicas' batches that make up the step.
        readers: whose clips they are.
        num_frames: T.

    Returns:
        Words that name file and record of the clips at fault, or of the whole batch where none is at fault by itself;
        or that the weights are, with which noise is no better than the clips; None where no clip is found again.
    """
    drawn = _clips(batches(start_step=start_step), num_batches)
    guilty = [number for number, clip in enumerate(drawn) if not _is_finite(model, clip)]
    if len(guilty) == len(drawn) and not _is_finite(model, _of_noise(drawn[0])):
        return BatchFault("as it is with every clip of the batch, and with noise", is_of_weights=True)
    plain = _clips(batches(start_step=start_step, **_AS_IT_IS), num_batches)
    looked_for = guilty or range(len(drawn))
    found = origins(readers, [plain[number]["video"].numpy()[0] for number in looked_for], num_frames)
    names = [f"{path} record {index}" for path, index in filter(None, found)]
    if not names:
        return None
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    subject = "at fault by itself" if guilty else "no clip by itself, the batch has"
    return BatchFault(f"{subject}: {', '.join(names[:_MOST_NAMED])}{more}", is_of_weights=False)


def _clips(batches: Iterable[Mapping[str, tf.Tensor]], num_batches: int) -> list[dict[str, tf.Tensor]]:
    """The clips of some batches as batches of one."""
    clips = []
    for _, batch in zip(range(num_batches), batches, strict=False):
        size = len(batch["video"])
        clips += [{name: value[index : index + 1] for name, value in batch.items()} for index in range(size)]
    return clips


def _of_noise(clip: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A clip of noise, its other inputs, such as the camera, those of a clip."""
    return {**clip, "video": tf.random.stateless_uniform(clip["video"].shape, [0, 0])}


def _is_finite(model: SceneModel, clip: Mapping[str, tf.Tensor]) -> bool:
    if not all(np.isfinite(value.numpy()).all() for value in clip.values() if value.dtype.is_floating):
        return False
    seed = tf.zeros([2], tf.int32)
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        losses = model.losses(clip, seed, seed)
    gradients = tape.gradient(losses["loss"], variables)
    values = [*losses.values(), tf.linalg.global_norm(gradients)]
    return all(np.isfinite(float(value)) for value in values)
