"""A format of the tests' own: clips of one pixel that hold a number."""

import tensorflow as tf

from simone_tf.data.formats.reader import ClipReader


class NumberReader(ClipReader):
    """One-pixel clips whose colour is the record's `number`, and a `camera` of one number; `length` frames."""

    fields = ("video", "camera")
    features = ("number", "length")
    source = "the number office"
    file_pattern = "numbers-NNNNN-of-NNNNN"

    @property
    def folders(self):
        return (self.data_dir, f"{self.data_dir}/below")

    def _decode(self, serialized, fields):
        spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in self.features}
        record = tf.io.parse_single_example(serialized, spec)
        clip = {
            "video": tf.fill([record["length"], 1, 1, 3], tf.cast(record["number"], tf.uint8)),
            "camera": tf.fill([record["length"], 1], tf.cast(record["number"], tf.float32)),
        }
        return {name: clip[name] for name in fields}


def record(handmade, number, length=2):
    return handmade.frame(handmade.example({"number": [number], "length": [length]}))


def write_numbers(folder, handmade):
    """Three shards, each in another compression, with the numbers 0-2, 10-13 and 20; returns the folder."""
    for shard, (compression, numbers) in enumerate((("", range(3)), ("GZIP", range(10, 14)), ("ZLIB", range(20, 21)))):
        content = b"".join(record(handmade, number) for number in numbers)
        (folder / f"numbers-{shard:05d}-of-00003").write_bytes(handmade.compress(content, compression))
    return folder


def foreign(handmade):
    return handmade.frame(handmade.example({"pixels": b"..", "label": [1]}))
