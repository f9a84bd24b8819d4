"""How many batches a training stream makes before they are asked for."""

import time

import numpy as np
import tensorflow as tf

from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.write_records import write_shard
from simone_tf.data.pipeline.batches import training_batches


class CountingReader(ClipRecords):
    """Counts the clips that are decoded."""

    decoded = 0

    def _decode(self, record, fields):
        def count(video):
            self.decoded += 1
            return video

        clip = super()._decode(record, fields)
        if "video" in clip:
            clip["video"] = tf.ensure_shape(tf.numpy_function(count, [clip["video"]], tf.uint8), [3, 8, 8, 3])
        return clip


def test_pauses_do_not_make_the_read_ahead_grow(tmp_path):
    """Evaluations are such pauses. TensorFlow's own choice doubles with each: 130 batches after the seventh."""
    write_shard(tmp_path / "train-00000-of-00001.tfrecord", [{"video": np.zeros((3, 8, 8, 3), np.uint8)}] * 20)
    reader = CountingReader(tmp_path, "train")
    batches = iter(training_batches(reader, batch_size=2, num_frames=2, seed=0, shuffle_buffer=1))
    reader.decoded, taken = 0, 0
    for pause in range(8):
        for _ in range(3 * 2**pause):
            next(batches)
            taken += 1
        time.sleep(0.15)
    assert taken <= reader.decoded / 2 < taken + 30
