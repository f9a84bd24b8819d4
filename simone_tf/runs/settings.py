"""The settings of a run: what a configuration binds under the name `train`, checked once, before anything is built."""

import dataclasses
from collections.abc import Callable

import gin
import keras
import tensorflow as tf

from simone_tf.checks import Check, check_values, number, one_of, optional, pair_of_sizes, whole
from simone_tf.config import gin_files as config
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.mixture import Mixture
from simone_tf.errors import UserError
from simone_tf.evaluation.held_out import RECONSTRUCTION_SCORES
from simone_tf.evaluation.scores.segmentation import SCORES
from simone_tf.models import MODELS
from simone_tf.models.scene_model import SceneModel

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

# The largest seed that TensorFlow's stateless generators take as an int32.
_MAX_SEED = 2**31 - 1

_READER = Check(
    "a reader of clips, such as @training/ClipRecords(), or a @Mixture() of several",
    lambda value: isinstance(value, ClipReader | Mixture),
)


def _maker(example: str) -> Check:
    # What a reference with parentheses has made already may be callable as well, but it is not what makes it.
    return Check(
        f"what makes it, a reference without parentheses such as {example}",
        lambda value: (callable(value) and not hasattr(value, "get_config")) or isinstance(value, type),
    )


CHECKS = {
    "model": _maker(f"@{next(iter(MODELS))}"),
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
    "initialize_from": optional(
        Check("'pretrained:NAME' or a run folder", lambda value: isinstance(value, str) and value)
    ),
    "clip_norm": optional(number(0, above=True)),
    "average_decay": optional(number(0, below=1)),
    "max_skipped_steps": whole(0),
    "precision": one_of(*PRECISIONS),
    "jit_compile": one_of(True, False),
    "microbatch_size": optional(whole(1)),
    "steps_per_loop": whole(0),
    "log_every": whole(0),
    "evaluate_every": whole(0),
    "checkpoint_every": whole(0),
    "keep_checkpoints": whole(1),
    "best_metric": one_of(*SCORES, *RECONSTRUCTION_SCORES),
    "ignore_label": optional(whole(0)),
    "evaluation_batch_size": whole(1),
    "evaluation_chunk_size": optional(whole(1)),
    "num_held_out_clips": optional(whole(1)),
    "num_pictures": whole(0),
    "max_minutes": optional(number(0, above=True)),
}
"""Field -> what it must be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of one run; every field can be bound as `train.<field>`.

    Raises:
        UserError: a value is of a wrong type or range; names the binding, the value found and the one wanted.
    """

    # () -> unbuilt model.
    model: Callable[[], SceneModel]
    # What is trained on.
    clips: ClipReader | Mixture
    # What is scored; of a mixture every set by itself as well.
    held_out_clips: ClipReader | Mixture
    # `training_batches`, its options (cache, augmentations, ...) bound.
    batches: Callable[..., tf.data.Dataset]
    # Length of the run.
    num_steps: int
    # Clips per step over all replicas.
    batch_size: int
    # T, frames of a clip that the model sees.
    num_frames: int
    # (H, W) in pixels; may be given as one number for both.
    frame_size: tuple[int, int]
    # () -> Keras optimizer.
    optimizer: Callable[[], keras.optimizers.Optimizer]
    # Of weights, data order and noise.
    seed: int = 0
    # Whose weights a fresh run starts from, 'pretrained:NAME' or a run folder; None for drawn ones.
    initialize_from: str | None = None
    # Global norm that the gradient is clipped to, None for no clipping.
    clip_norm: float | None = None
    # Decay of the moving average of the weights that is evaluated instead of them, None for none.
    average_decay: float | None = None
    # How many steps in a row may be skipped because their loss or gradient is not finite; one more ends the run.
    max_skipped_steps: int = 10
    # "float32", "mixed_bfloat16" or, with a scaled loss, "mixed_float16" (distributions and losses stay float32).
    precision: str = "float32"
    # Whether loss and gradients are compiled by XLA.
    jit_compile: bool = False
    # Clips of a replica held in memory at a time, their gradients added up; None for all.
    microbatch_size: int | None = None
    # Steps per call into the graph; 0 for all.
    steps_per_loop: int = 10
    # Steps between two lines of the log, as of the next two; 0 for only at the end.
    log_every: int = 100
    # Steps between two evaluations on held-out clips.
    evaluate_every: int = 1000
    # Steps between two checkpoints.
    checkpoint_every: int = 1000
    # Number of checkpoints kept besides the best.
    keep_checkpoints: int = 3
    # Held-out score, of which more is better, that decides which checkpoint is the best; without true segments
    # "nats_per_pixel" (of a model with a likelihood) or "psnr".
    best_metric: str = "video_ari_foreground"
    # True segment whose pixels are in no score (of many sets 255: nobody knows what is there); None for none.
    ignore_label: int | None = None
    # Held-out clips taken apart at a time.
    evaluation_batch_size: int = 8
    # Queries of each of them decoded at a time; None for all.
    evaluation_chunk_size: int | None = 4096
    # Number of held-out clips scored, None for all.
    num_held_out_clips: int | None = None
    # Number of held-out clips drawn.
    num_pictures: int = 4
    # Minutes after which a session ends the run where it is; None for none. The steps of a schedule do not follow.
    max_minutes: float | None = None

    def __post_init__(self):
        values = {name: getattr(self, name) for name in CHECKS}
        check_values("train", values, CHECKS)
        size = self.frame_size
        object.__setattr__(self, "frame_size", (size, size) if whole(1).holds(size) else tuple(size))


def read_settings(gin_files=(), gin_params=(), run_dir=None) -> RunSettings:
    """The settings that a configuration makes.

    Args:
        gin_files, gin_params, run_dir: as for `gin_files.parse_config`.

    Raises:
        UserError: the configuration is wrong, or leaves something open that has no default.
    """
    config.parse_config(gin_files, gin_params, run_dir)
    bound = gin.get_bindings("train", resolve_references=False)
    missing = [
        f"train.{field.name}"
        for field in dataclasses.fields(RunSettings)
        if field.name not in bound and field.default is dataclasses.MISSING
    ]
    if missing:
        raise UserError(f"The configuration does not set {', '.join(missing)}; include a gin file that does.")
    with config.errors_in_one_sentence():
        return gin.get_configurable("train")()
