"""From which file and record the clips of a training batch came."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import as_float
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.window import window_of


def origins(
    readers: Sequence[ClipReader], videos: Sequence[np.ndarray], num_frames: int
) -> list[tuple[str, int] | None]:
    """Finds clips by what they show; all files are read for it, up to the last one found.

    Args:
        readers: whose clips they may be.
        videos: `[T, H, W, 3]` float32 in [0, 1] each, the first frames of a clip as they are, nothing augmented.
        num_frames: T.

    Returns:
        For each video its file and the number of its record in it, from 0; None where there is none.
    """
    found: list[tuple[str, int] | None] = [None] * len(videos)
    for reader in readers:
        parse = tf.function(
            lambda record, reader=reader: as_float(
                {"video": window_of(reader.parse(record, ("video",)), num_frames, None)["video"]}
            )["video"],
            input_signature=[tf.TensorSpec([], tf.string)],
            autograph=False,
        )
        for shard in reader.files.shards():
            for index, record in enumerate(reader.files.serialized([shard]), reader.files.records[0]):
                if None not in found:
                    return found
                try:
                    shown = parse(record).numpy()
                except tf.errors.OpError:
                    continue  # A record that cannot be read is no clip of a batch.
                for number, video in enumerate(videos):
                    if found[number] is None and np.array_equal(shown, video):
                        found[number] = (shard, index)
    return found
