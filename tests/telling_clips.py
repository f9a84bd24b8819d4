"""Clips whose pixels tell where they come from, and what a training stream makes of them."""

import numpy as np

from simone_tf.data.pipeline.batches import training_batches

NUM_CLIPS, FRAMES, HEIGHT, WIDTH = 23, 5, 2, 3


def make_clip(number, frames=FRAMES, width=WIDTH):
    """A clip whose pixels tell where they come from: red the clip, green the frame, blue the column.

    What moves does so from every frame to the next.
    """
    moving = np.array([number % 2 == 0, True])
    clip, frame, column = np.full([frames, HEIGHT, width], number), *np.indices((frames, HEIGHT, width))[[0, 2]]
    return {
        "video": np.stack([clip, 50 + frame, 100 + column], axis=-1).astype(np.uint8),
        "segments": frame * 10 + column,
        "camera": np.stack([np.full(frames, number), np.arange(frames)], axis=1),
        "object_positions": np.full((frames, 2, 3), number) + moving[:, None] * np.arange(frames)[:, None, None],
        "object_visible": np.tile(np.arange(frames)[:, None] % 2 == 0, (1, 2)),
        "object_moving": moving,
    }


def take(dataset, batches):
    """Dict of NumPy arrays [batches * B, ...]."""
    taken = list(dataset.take(batches).as_numpy_iterator())
    assert len(taken) == batches
    return {name: np.concatenate([batch[name] for batch in taken]) for name in taken[0]}


def clip_numbers(video):
    red = np.rint(video[:, 0, 0, 0, 0] * 255).astype(int)
    return red.tolist()


def numbers(reader, count, **kwargs):
    """The clip numbers of the first `count` positions."""
    batches = training_batches(reader, batch_size=1, num_frames=FRAMES, **({"seed": 0} | kwargs))
    return clip_numbers(take(batches, count)["video"])
