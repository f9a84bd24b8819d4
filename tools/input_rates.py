"""How fast a configuration's reader is, beside what reading the same bytes costs at the least; for `benchmark.py`.

Two or three streams take turns in one process: the bare records (read, checksums checked, inflated, handed over by the
batch, not parsed); where frames are stored as PNG or JPEG the same with those pictures decoded, which no reader can do
without; and the training batches with nothing but `video` asked for. The share is the rate of the batches by the rate
of the last of the others, by the clock (what a training gets of it) and by the processor's time (which other programs
disturb least).
"""

import statistics
import time

_ROUNDS = 9
_SECONDS = 3.0  # of each stream in a round
# Of each stream before the first round: with records of megabytes the memory allocator learns for as long what is worth
# keeping (until then a third of the time goes into asking the system for pages), and tf.data how many threads to use.
_SETTLING_SECONDS = 15.0
_CALL_BYTES, _CALL_BATCHES = 2**23, 64  # of records in a call from Python, the lesser of both


def measure(settings):
    """Measures the reader of the training clips.

    Args:
        settings: arguments of `train`, as `trained_run.read_settings` gives them.

    Returns:
        dict of the rates in clips/s, the share, and what was read.
    """
    import tensorflow as tf

    reader = settings["clips"]
    batch_size = 16
    streams = {"records": _records(reader, batch_size)}
    if reader.pictures is not None:
        streams["pictures"] = _records(reader, batch_size).map(_decoder(reader.pictures), tf.data.AUTOTUNE)
    options = {name: settings[name] for name in ("num_frames", "frame_size", "seed")}
    # What a record is shuffled for costs the same for all; the augmentations and the cache are not the reader's.
    batches = settings["batches"](
        reader,
        batch_size=batch_size,
        shuffle_buffer=batch_size,
        cache=False,
        mirror=False,
        permute_colours=False,
        reverse_time=False,
        fields=("video",),
        **options,
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
    sizes = [tf.io.gfile.stat(shard).length for shard in reader.shards()]
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


def _records(reader, batch_size):
    """Batches of the bare records, endlessly, from as many files at a time as in training.

    A batch is made where its file is read: one by one, handing small records over costs more than reading them.
    """
    import tensorflow as tf

    from simone_tf.data.order import INTERLEAVED_SHARDS

    shards = reader.shards()[:INTERLEAVED_SHARDS]
    return tf.data.Dataset.from_tensor_slices(list(shards)).interleave(
        lambda shard: reader.serialized(tf.stack([shard]), portable=True).repeat().batch(batch_size),
        cycle_length=len(shards),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _decoder(feature):
    """A function of a batch of records that decodes their pictures and gives back next to nothing of them."""
    import tensorflow as tf

    def decode(records):
        pictures = tf.io.parse_example(records, {feature: tf.io.RaggedFeature(tf.string)})[feature].flat_values
        first = tf.map_fn(
            lambda picture: tf.io.decode_image(picture, expand_animations=False)[0, 0], pictures, tf.uint8
        )
        return first[0]

    return decode


def _taker(dataset, count):
    """A function that takes so many elements.

    They are passed over where the dataset runs. A training step waits for one batch at a time, but in its place a loop
    that does nothing else would cost as much as a small batch: TensorFlow's idle threads look for work all the while.
    """
    iterator = iter(dataset.shard(count, 0))
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
