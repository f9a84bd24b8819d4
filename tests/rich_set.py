"""Writes small sets of clips with everything that a dataset may say of them, for tests of the evaluation."""

import numpy as np

from simone_tf.data.formats.sidecar import write_sidecar
from simone_tf.data.formats.write_records import shard_name, write_shard

from tiny_run import make_clips

COUNTS = {"train": 10, "test": 7}
FRAMES = 3


def rich_clips(count, seed):
    """Clips with everything that a dataset may say of them."""
    rng = np.random.default_rng(seed)
    for clip in make_clips(count, seed, FRAMES):
        angles = rng.uniform(-1, 1, (FRAMES, 2))
        trigonometry = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(FRAMES, 4)
        yield clip | {
            "camera": np.concatenate([rng.normal(size=(FRAMES, 3)), trigonometry], axis=-1).astype(np.float32),
            "object_positions": rng.normal(size=(FRAMES, 2, 3)).astype(np.float32),
            "object_visible": np.broadcast_to([True, False], (FRAMES, 2)),
            "object_moving": np.array([True, False]),
            "object_attributes": np.stack([rng.integers(0, 2, 2), rng.random(2)], axis=-1).astype(np.float32),
        }


def write_set(folder, clips_of, **sidecar):
    """Writes the splits of `COUNTS` with the clips of `clips_of(count, seed)`; `sidecar` is said of both."""
    for split, count in COUNTS.items():
        write_shard(folder / shard_name(split, 0, 1), clips_of(count, len(split)))
        if sidecar:
            shards = {shard_name(split, 0, 1): count}
            write_sidecar(str(folder), split, {"num_clips": count, "shards": shards, **sidecar})
    return folder
