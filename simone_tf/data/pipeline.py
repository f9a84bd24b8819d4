"""From a reader's clips to batches: windows, order, augmentation, sharding over input pipelines.

Training data is a stream of clips numbered by `position`; batch `s` holds the positions `s * batch_size` to
`(s + 1) * batch_size - 1`. Which clip stands at a position, and every random choice about it, is a function of
(seed, position) alone. So a run resumed at step s sees exactly what an uninterrupted run would have seen, and nothing
of the data pipeline has to be in a checkpoint (a distributed iterator could not be saved anyway).
"""

import os
from collections.abc import Sequence

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS, RANKS, Clip, as_float
from simone_tf.data.reader import DATA_ERRORS, ClipReader, check_known_fields, explain_data_error
from simone_tf.errors import UserError

# Independent streams of random numbers drawn from one seed.
_SHARD_ORDER, _RECORD_ORDER, _CLIP = range(3)
_INTERLEAVED_SHARDS = 8


def training_batches(
    reader: ClipReader,
    *,
    batch_size: int,
    num_frames: int,
    seed: int,
    start_step: int = 0,
    frame_size: int | tuple[int, int] | None = None,
    shuffle_buffer: int = 1024,
    window: str = "random",
    cache: bool = False,
    mirror: bool = False,
    permute_colours: bool = False,
    reverse_time: bool = False,
    fields: Sequence[str] = ("video",),
    num_input_pipelines: int = 1,
    input_pipeline_id: int = 0,
) -> tf.data.Dataset:
    """Endless shuffled batches; every clip comes once per epoch, and batches run across the ends of epochs.

    Within an epoch the shards come in random order, several at a time, and pass through a shuffle buffer of serialized
    records. With several input pipelines each reads its own shards, or, when there are fewer shards than pipelines,
    every n-th record of all; the datasets are marked so that TensorFlow does not shard them once more.

    The augmentations are off unless asked for. Each keeps the statistics of the scenes: it is drawn once per clip, for
    all frames alike, and `segments` follow `video`.

    Args:
      reader: the clips.
      batch_size: B, clips per batch of this pipeline.
      num_frames: T, length of the window taken from each clip.
      seed: of all random choices.
      start_step: the number of batches already used; the stream starts after them. Needs the number of clips, and
        passes over the used records of the current epoch without parsing them.
      frame_size: (H, W), or one number for both, to be checked against the data; None takes the data's.
      shuffle_buffer: records held for shuffling (a record of CATER is 1.9 MB). With `cache` the order is a full
        permutation instead.
      window: "random" draws the first frame uniformly per clip, "start" takes the first frames.
      cache: parse all clips of this pipeline once and keep them in memory (video as uint8).
      mirror: flips half of the clips left to right.
      permute_colours: permutes the RGB channels, each of the 6 orders equally often.
      reverse_time: plays half of the clips backwards.
      fields: what a batch holds.
      num_input_pipelines, input_pipeline_id: n and i: this is pipeline i (from 0) of n.

    Returns:
      A dataset of dicts with static shapes: `video` float32 [B, T, H, W, 3] in [0, 1], others as in `clip`.

    Raises:
      UserError: the clips are shorter than `num_frames`, of another size than `frame_size`, or lack a field; an
        augmentation would falsify a field; a file is missing or damaged; there are too few clips.
      ValueError: an argument is out of its range.
    """
    _check_positive(batch_size=batch_size, num_frames=num_frames, num_input_pipelines=num_input_pipelines)
    if window not in ("random", "start"):
        raise UserError(f'window is {window!r}: choose "random" or "start".')
    if not 0 <= input_pipeline_id < num_input_pipelines:
        raise ValueError(f"input_pipeline_id {input_pipeline_id} is not in [0, {num_input_pipelines}).")
    if start_step < 0:
        raise ValueError(f"start_step is {start_step}, it cannot be negative.")
    _check_augmentations(fields, mirror=mirror, reverse_time=reverse_time)
    shapes = _element_shapes(reader, fields, num_frames, frame_size)
    part = _Part(reader, num_input_pipelines, input_pipeline_id)
    with tf.device("CPU:0"):
        key = tf.constant([seed, input_pipeline_id], tf.int64)

    if cache:
        clips = _load(part, fields)
        size = len(next(iter(clips.values())))
        stream = _permuted(size, start_step * batch_size, key)

        def read(index):
            return {name: tf.gather(values, index) for name, values in clips.items()}
    else:
        stream = _shuffled(part, start_step * batch_size, key, shuffle_buffer)

        def read(record):
            return reader.parse(record, fields)

    def prepare(position, source):
        clip = read(source)
        draw = _fold_in(_fold_in(key, _CLIP), position)
        clip = _window(clip, num_frames, draw if window == "random" else None)
        clip = _augment(clip, draw, mirror, permute_colours, reverse_time)
        return {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}

    batches = (
        stream.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(as_float, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    )
    return _finished(batches)


def evaluation_batches(
    reader: ClipReader,
    *,
    batch_size: int,
    num_frames: int,
    num_clips: int | None = None,
    fields: Sequence[str] = ("video", "segments"),
    frame_size: int | tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Every clip exactly once, in the order of the files, from its first frame on.

    The last batch is filled up with zeros, so that all batches have one shape; `clip_mask` tells what is real.

    Args:
      reader, batch_size, num_frames, fields, frame_size: as for `training_batches`.
      num_clips: at most so many clips, the first ones; None for all.

    Returns:
      A finite dataset of dicts with static shapes: the fields, and `clip_mask` bool [B].

    Raises:
      UserError: as for `training_batches`.
    """
    _check_positive(batch_size=batch_size, num_frames=num_frames)
    if num_clips is not None:
        _check_positive(num_clips=num_clips)
    shapes = _element_shapes(reader, fields, num_frames, frame_size)

    def prepare(record):
        clip = _window(reader.parse(record, fields), num_frames, None)
        clip = {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}
        return clip | {"clip_mask": tf.constant(True)}

    def fill(batch):
        missing = batch_size - tf.shape(batch["clip_mask"])[0]
        filled = {}
        for name, value in batch.items():
            padded = tf.pad(value, [[0, missing]] + [[0, 0]] * (value.shape.rank - 1))
            filled[name] = tf.ensure_shape(padded, [batch_size, *value.shape[1:]])
        return as_float(filled)

    records = reader.serialized(reader.shards()).take(-1 if num_clips is None else num_clips)
    clips = records.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _finished(clips.batch(batch_size).map(fill, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True))


def _finished(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


class _Part:
    """The share of a reader's records that input pipeline i of n reads: its own shards, or every n-th record of all."""

    def __init__(self, reader: ClipReader, num_pipelines: int, pipeline: int):
        shards = reader.shards()
        self.by_record = len(shards) < num_pipelines
        self.shards = shards if self.by_record else shards[pipeline::num_pipelines]
        self.reader, self.num_pipelines, self.pipeline = reader, num_pipelines, pipeline
        if self.by_record and not self.count():
            raise UserError(
                f"{reader.data_dir} (split {reader.split!r}) has too few clips for {num_pipelines} input pipelines: "
                "use fewer replicas or more data."
            )

    def count(self) -> int:
        counts = [self.reader.count(shard) for shard in self.shards]
        if self.by_record:
            return sum(len(range(self.pipeline, count, self.num_pipelines)) for count in counts)
        return sum(counts)

    def records(self, shard: str | tf.Tensor) -> tf.data.Dataset:
        records = self.reader.serialized(tf.stack([shard]))
        return records.shard(self.num_pipelines, self.pipeline) if self.by_record else records


def _shuffled(part: _Part, position: int, key: tf.Tensor, shuffle_buffer: int) -> tf.data.Dataset:
    """Endless (position, serialized record) from `position` on."""
    # A fresh start needs no count: counting a big compressed set means reading all of it.
    epoch, skipped = divmod(position, part.count()) if position else (0, 0)

    def records_of(number):
        # TensorFlow mixes its global seed into that of Dataset.shuffle. Inside this function, which is always traced,
        # the global seed is the graph's own, set here; 0 would make TensorFlow compare the seed tensor in Python.
        if not tf.executing_eagerly():
            tf.random.set_seed(1)
        order = tf.random.experimental.stateless_shuffle(
            tf.constant(part.shards), _fold_in(_fold_in(key, _SHARD_ORDER), number)
        )
        records = tf.data.Dataset.from_tensor_slices(order).interleave(
            part.records,
            cycle_length=min(_INTERLEAVED_SHARDS, len(part.shards)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        shuffle_seed = tf.random.stateless_uniform(
            [], _fold_in(_fold_in(key, _RECORD_ORDER), number), maxval=2**31 - 1, dtype=tf.int64, alg="philox"
        )
        return records.shuffle(shuffle_buffer, seed=shuffle_seed, reshuffle_each_iteration=False)

    records = tf.data.Dataset.range(epoch, 2**62).flat_map(records_of).skip(skipped)
    return records.enumerate(start=position)


def _permuted(size: int, position: int, key: tf.Tensor) -> tf.data.Dataset:
    """Endless (position, clip index) from `position` on, every epoch a permutation of `size` clips."""
    epoch, skipped = divmod(position, size)

    def indices_of(number):
        order_key = _fold_in(_fold_in(key, _RECORD_ORDER), number)
        order = tf.random.experimental.stateless_shuffle(tf.range(size, dtype=tf.int64), order_key)
        return tf.data.Dataset.from_tensor_slices(order)

    return tf.data.Dataset.range(epoch, 2**62).flat_map(indices_of).skip(skipped).enumerate(start=position)


def _load(part: _Part, fields: Sequence[str]) -> Clip:
    """All clips of a part, stacked: dict of [num_clips, ...]."""
    reader = part.reader
    first = reader.first_clip(fields)
    clip_bytes = sum(value.dtype.size * value.shape.num_elements() for value in first.values())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = 2 * part.count() * clip_bytes  # Twice: the parts and their concatenation.
    if wanted > memory:
        raise UserError(
            f"{reader.data_dir} (split {reader.split!r}) would take {wanted / 1e9:.1f} GB of memory to load, this "
            f"machine has {memory / 1e9:.1f} GB: set cache = False."
        )
    try:
        clips = (
            tf.data.Dataset.from_tensor_slices(list(part.shards))
            .flat_map(part.records)
            .map(lambda record: reader.parse(record, fields), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .batch(256)
        )
        parts = list(clips)
        with tf.device("CPU:0"):
            return {name: tf.concat([part[name] for part in parts], axis=0) for name in fields}
    except DATA_ERRORS as error:
        raise explain_data_error(error, reader, fields) or error from error


def _window(clip: Clip, num_frames: int, draw: tf.Tensor | None) -> Clip:
    """`num_frames` frames of a clip: from a uniformly drawn one on, or the first ones."""
    start = tf.constant(0, tf.int64)
    if draw is not None:
        total = next(tf.shape(clip[name], tf.int64)[0] for name in clip if name in FRAME_FIELDS)
        start = tf.random.stateless_uniform(
            [], draw, maxval=tf.maximum(total - num_frames, 0) + 1, dtype=tf.int64, alg="philox"
        )
    return {name: v[start : start + num_frames] if name in FRAME_FIELDS else v for name, v in clip.items()}


def _augment(clip: Clip, draw: tf.Tensor, mirror: bool, permute_colours: bool, reverse_time: bool) -> Clip:
    clip = dict(clip)
    # One number per choice, whether it is used or not, so that switching one on leaves the others as they were.
    coins = tf.random.stateless_uniform([2], _fold_in(draw, 1), alg="philox") < 0.5
    for name in ("video", "segments"):
        if name in clip and mirror:
            clip[name] = tf.where(coins[0], tf.reverse(clip[name], [2]), clip[name])
        if name in clip and reverse_time:
            clip[name] = tf.where(coins[1], tf.reverse(clip[name], [0]), clip[name])
    if permute_colours and "video" in clip:
        channels = tf.random.experimental.stateless_shuffle(tf.range(3), _fold_in(draw, 2))
        clip["video"] = tf.gather(clip["video"], channels, axis=-1)
    return clip


def _element_shapes(
    reader: ClipReader, fields: Sequence[str], num_frames: int, frame_size: int | tuple[int, int] | None
) -> dict[str, tf.TensorShape]:
    """Static shapes of one clip of a batch, from the first clip of the data; all user mistakes about sizes end here."""
    check_known_fields(fields)
    first = reader.first_clip(tuple(fields))
    where = f"{reader.data_dir} (split {reader.split!r})"
    frames, height, width = first["video"].shape[:3] if "video" in first else reader.clip_shape()
    if frames < num_frames:
        raise UserError(
            f"{where} has clips of {frames} frames, num_frames is {num_frames}: set it to {frames} or less."
        )
    if frame_size is not None:
        wanted = (frame_size, frame_size) if isinstance(frame_size, int) else tuple(frame_size)
        if wanted != (height, width):
            raise UserError(
                f"{where} has frames of {height}x{width}, frame_size is {wanted[0]}x{wanted[1]}: "
                f"set it to {(height, width)} or use data of that size."
            )
    shapes = {}
    for name, value in first.items():
        assert value.shape.rank == RANKS[name], (name, value.shape)
        shapes[name] = tf.TensorShape([num_frames, *value.shape[1:]]) if name in FRAME_FIELDS else value.shape
    return shapes


def _check_augmentations(fields: Sequence[str], **augmentations: bool) -> None:
    falsified = {
        "mirror": ("camera", "object_positions"),
        "reverse_time": ("camera", "object_positions", "object_visible"),
    }
    for augmentation, wanted in augmentations.items():
        for field in falsified[augmentation]:
            if wanted and field in fields:
                raise UserError(
                    f"{augmentation} = True would make {field} wrong, which is among the fields {tuple(fields)}: "
                    f"set {augmentation} = False or leave {field} out."
                )


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name} is {number}: it must be at least 1.")


def _fold_in(key: tf.Tensor, number) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(key, tf.cast(number, tf.int64), alg="philox")
