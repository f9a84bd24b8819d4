"""simone_tf: unsupervised video decomposition into objects and viewpoint, in TensorFlow.

What a program of one's own needs is here by name, see `docs/api.md`; a name is imported when it is first asked for, so
that `import simone_tf` alone loads no TensorFlow.
"""

import importlib
import os
import sys

# Before TensorFlow is imported: its notes on missing GPUs and CPU instructions bury what the commands say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Before Keras is imported: whatever else the user runs it on, the models here are TensorFlow's.
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"

# Text alone.
from simone_tf.models import MODELS

__version__ = "0.2.0"

_PUBLIC = {
    "simone_tf.errors": ("UserError",),
    # Models and runs.
    "simone_tf.models.scene_model": ("Decomposition", "SceneModel"),
    "simone_tf.runs.load": ("Run", "load_run", "load_pretrained"),
    "simone_tf.runs.settings": ("RunSettings", "read_settings"),
    "simone_tf.runs.training_run": ("TrainingRun",),
    "simone_tf.training.distribution": ("make_strategy",),
    # Data.
    "simone_tf.data.pipeline.batches": ("training_batches", "evaluation_batches"),
    "simone_tf.data.pipeline.explain": ("data_faults_told",),
    "simone_tf.data.formats.reader": ("ClipReader",),
    "simone_tf.data.formats.records": ("ClipRecords",),
    "simone_tf.data.formats.write_records": ("write_shard", "shard_name"),
    "simone_tf.data.formats.cater": ("CaterWithMasks",),
    "simone_tf.data.formats.clevr": ("ClevrWithMasks",),
    "simone_tf.data.formats.gqn": ("GQNRooms",),
    "simone_tf.data.formats.movi": ("MOVi",),
    "simone_tf.data.formats.multi_dsprites": ("MultiDSprites",),
    "simone_tf.data.formats.objects_room": ("ObjectsRoom",),
    "simone_tf.data.formats.tetrominoes": ("Tetrominoes",),
    "simone_tf.data.formats.sidecar": ("write_sidecar",),
    # Scores.
    "simone_tf.evaluation.scores.segmentation": (
        "SegmentationScores",
        "static_ari",
        "static_ari_foreground",
        "video_ari",
        "video_ari_foreground",
    ),
    "simone_tf.evaluation.scores.overlap": ("overlap_scores",),
    "simone_tf.evaluation.scores.image_quality": ("image_quality",),
    # Videos of any length.
    "simone_tf.long_videos.decomposition": ("VideoDecomposition",),
    "simone_tf.long_videos.window_model": ("of_run_model", "of_saved_model"),
}

_WHERE = {name: module for module, names in _PUBLIC.items() for name in names}
_WHERE |= {name: place.partition(":")[0] for name, place in MODELS.items()}

__all__ = sorted(_WHERE)


def __getattr__(name: str):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_WHERE[name]), name)
    return value


def __dir__():
    return sorted({*globals(), *_WHERE})
