"""What the arguments of `train` must be, told before anything is built or written."""

from simone_tf.checks import Check, check_values, number, one_of, optional, pair_of_sizes, whole
from simone_tf.data.formats.reader import ClipReader

PRECISIONS = ("float32", "mixed_bfloat16")

# The largest seed that TensorFlow's stateless generators take as an int32.
_MAX_SEED = 2**31 - 1

_READER = Check("a reader of clips, such as @training/ClipRecords()", lambda value: isinstance(value, ClipReader))


def _maker(example: str) -> Check:
    # What a reference with parentheses has made already may be callable as well, but it is not what makes it.
    return Check(
        f"what makes it, a reference without parentheses such as {example}",
        lambda value: (callable(value) and not hasattr(value, "get_config")) or isinstance(value, type),
    )


CHECKS = {
    "model": _maker("@SIMONe"),
    "clips": _READER,
    "held_out_clips": _READER,
    "batches": _maker("@training_batches"),
    "num_steps": whole(1),
    "batch_size": whole(1),
    "num_frames": whole(1),
    "frame_size": Check(
        "(height, width) in pixels, or one number for both",
        lambda value: pair_of_sizes(value) or whole(1).holds(value),
    ),
    "optimizer": _maker("@Adam"),
    "seed": whole(0, _MAX_SEED),
    "clip_norm": optional(number(0, above=True)),
    "average_decay": optional(number(0, below=1)),
    "precision": one_of(*PRECISIONS),
    "jit_compile": one_of(True, False),
    "microbatch_size": optional(whole(1)),
    "steps_per_loop": whole(0),
    "log_every": whole(0),
    "evaluate_every": whole(0),
    "checkpoint_every": whole(0),
    "keep_checkpoints": whole(1),
    "evaluation_batch_size": whole(1),
    "evaluation_chunk_size": optional(whole(1)),
    "num_held_out_clips": optional(whole(1)),
    "num_pictures": whole(0),
}
"""Argument -> what it must be."""


def check_settings(settings):
    """Checks arguments of `train`, all or some of them.

    Args:
        settings: argument -> value.

    Returns:
        A copy in which `frame_size` is (height, width) also where one number stood for both.

    Raises:
        UserError: names the binding, the value found and the one wanted.
    """
    check_values("train", settings, CHECKS)
    settings = dict(settings)
    if whole(1).holds(settings.get("frame_size")):
        settings["frame_size"] = (settings["frame_size"],) * 2
    return settings
