"""Clips of noise with any of the fields, for tests of what is written and read."""

import numpy as np

from simone_tf.data.clip import FIELDS


def make_clip(rng, frames=4, height=6, width=5, objects=3, cameras=7, fields=FIELDS, highest=3):
    clip = {
        "video": rng.integers(0, 256, (frames, height, width, 3)).astype(np.uint8),
        "segments": rng.integers(0, highest + 1, (frames, height, width)),
        "camera": rng.normal(size=(frames, cameras)),
        "object_positions": rng.normal(size=(frames, objects, 3)).astype(np.float32),
        "object_visible": rng.random((frames, objects)) < 0.5,
        "object_moving": rng.random(objects) < 0.5,
        "object_attributes": rng.normal(size=(objects, 3)).astype(np.float32),
    }
    return {name: clip[name] for name in fields}
