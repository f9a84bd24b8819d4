"""How fast a configuration's reader is, beside what reading the same bytes costs at the least; for `benchmark.py`.

Two or three streams take turns in one process: the bare records (read, checksums checked, inflated, not parsed); where
frames are stored as PNG or JPEG the same with those pictures decoded, which no reader can do without; and the training
batches with nothing but `video` asked for. The share is the rate of the batches by the rate of the last of the others,
by the clock (what a training gets of it) and by the processor's time (which other programs disturb least).
"""

import statistics
import time

_ROUNDS = 9
_SECONDS = 3.0  # of each stream in a round
# Of each stream before the first round: tf.data learns how many threads to use, and the memory allocator, where records
# are large, what is worth keeping.
_SETTLING_SECONDS = 15.0
_CALL_BYTES, _CALL_BATCHES = 2**23, 64  # of records in a call from Python, the lesser of both


def measure(settings):
    """Measures the reader of the training clips.

    Args:
        settings: `RunSettings`.

    Returns:
        dict of the rates in clips/s, the share, and what was read.
    """
    import tensorflow as tf

    from simone_tf.data.pipeline.mixture import alone

    reader = alone(settings.clips, "This", "train.clips")
    batch_size = 16
    streams = {"records": _bare(reader, batch_size)}
    if reader.pictures is not None:
        streams["pictures"] = _bare(reader, batch_size, reader.pictures)
    # What a record is shuffled for costs the same for all; the augmentations and the cache are not the reader's.
    batches = settings.batches(
        reader,
        batch_size=batch_size,
        shuffle_buffer=batch_size,
        cache=False,
        mirror=False,
        permute_colours=False,
        reverse_time=False,
        fields=("video",),
        num_frames=settings.num_frames,
        frame_size=settings.frame_size,
        seed=settings.seed,
    )
    # A call from Python costs as much as some tens of small clips.
    per_call = _CALL_BYTES // (batch_size * len(reader.first_record().numpy()))
    per_call = max(1, min(per_call, _CALL_BATCHES))
    takers = {name: _taker(stream.prefetch(2), per_call) for name, stream in streams.items()}
    takers["batches"] = _taker(batches, per_call)
    for take in takers.values():
        _run(take, per_call, _SETTLING_SECONDS)
    rates, costs = {name: [] for name in takers}, {name: [] for name in takers}
    for _ in range(_ROUNDS):
        for name, take in takers.items():
            rate, cost = _measure(take, per_call)
            rates[name].append(rate * batch_size)
            costs[name].append(cost / batch_size)
    bound = "pictures" if "pictures" in rates else "records"
    shares = {
        "clock": [ours / least for ours, least in zip(rates["batches"], rates[bound], strict=True)],
        "processor": [least / ours for ours, least in zip(costs["batches"], costs[bound], strict=True)],
    }
    sizes = [tf.io.gfile.stat(shard).length for shard in reader.files.shards()]
    return {
        "reader": type(reader).__name__,
        "data_dir": reader.data_dir,
        "shards": len(sizes),
        "bytes": sum(sizes),
        "rates": {name: statistics.median(values) for name, values in rates.items()},
        "shares": shares,
    }


def table(measured):
    """What `measure` gives as a title and rows of (name, value)."""
    rates = measured["rates"]
    title = (
        f"{measured['reader']} of {measured['data_dir']}: {measured['shards']} files, {measured['bytes'] / 1e6:.4g} MB"
    )
    rows = [("records, read alone", f"{rates['records']:.4g} clips/s (checksums checked, inflated, not parsed)")]
    if "pictures" in rates:
        rows.append(("and pictures decoded", f"{rates['pictures']:.4g} clips/s"))
    rows.append(("batches of video", f"{rates['batches']:.4g} clips/s"))
    for by, shares in measured["shares"].items():
        rounds = ", ".join(f"{share:.2f}" for share in shares)
        rows.append((f"share, by the {by}", f"{statistics.median(shares):.2f} of the bare cost (rounds: {rounds})"))
    return title, rows


def _bare(reader, batch_size, feature=None):
    """The bare records, endlessly, from as many files at a time as in training; an element stands for a batch of them.

    Small records come by the batch, made where their file is read: one by one, handing them over costs more than
    reading them. Large ones come one by one, and go where they are read when their pictures have been taken out: in
    batches they fill gigabytes, which TensorFlow gives back to the system and asks for again.

    Args:
        reader: names the files.
        batch_size: records in a batch.
        feature: holds the pictures to be decoded; None leaves it at reading.
    """
    import tensorflow as tf

    from simone_tf.data.pipeline import order

    large = order.block_size(reader) == 1
    shards = reader.files.shards()[: order.INTERLEAVED_SHARDS]

    def pictures(records):
        parse = tf.io.parse_single_example if large else tf.io.parse_example
        found = parse(records, {feature: tf.io.RaggedFeature(tf.string)})[feature]
        return found if large else found.flat_values

    def of_shard(shard):
        records = reader.files.serialized(tf.stack([shard]), portable=True).repeat()
        if not large:
            return records.batch(batch_size)
        return records if feature is None else records.map(pictures)

    stream = tf.data.Dataset.from_tensor_slices(list(shards)).interleave(
        of_shard, cycle_length=len(shards), num_parallel_calls=tf.data.AUTOTUNE
    )
    if feature is not None:
        decode = _decoded if large else lambda records: _decoded(pictures(records))
        stream = stream.map(decode, tf.data.AUTOTUNE)
    return stream.shard(batch_size, 0) if large else stream


def _decoded(pictures):
    """Decodes PNGs or JPEGs, and gives back next to nothing of them."""
    import tensorflow as tf

    first = tf.map_fn(lambda picture: tf.io.decode_image(picture, expand_animations=False)[0, 0], pictures, tf.uint8)
    return first[0]


def _taker(dataset, count):
    """A function that takes so many elements.

    They are passed over where the dataset runs. A training step waits for one batch at a time, but in its place a loop
    that does nothing else would cost as much as a small batch: TensorFlow's idle threads look for work all the while.
    """
    import tensorflow as tf

    # Where a dataset has no buffer at its end, TensorFlow puts one there that grows whenever the stream rests, to be
    # filled while the others are measured.
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    iterator = iter(dataset.shard(count, 0).with_options(options))
    return lambda: next(iterator)


def _measure(take, count):
    """Elements per second, and the processor's seconds for one, all threads together.

    Before the clocks start, as much time passes: what was prepared while other streams ran is taken, and the others
    come to rest, which have big batches to prepare in advance.
    """
    _run(take, count, _SECONDS)
    cpu_begin, begin = time.process_time(), time.perf_counter()
    rate = _run(take, count, _SECONDS)
    taken = rate * (time.perf_counter() - begin)
    return rate, (time.process_time() - cpu_begin) / taken


def _run(take, count, seconds):
    """Calls what takes so many elements for some seconds, and returns how many it took in a second."""
    taken, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        take()
        taken += count
    return taken / passed
