"""From a reader's clips to batches: windows, order, augmentation, sharding over input pipelines.

Training data is a stream of clips numbered by `position`; batch `s` holds the positions `s * batch_size` to
`(s + 1) * batch_size - 1`. Which clip stands at a position, and every random choice about it, is a function of
(seed, position) alone. So a run resumed at step s sees exactly what an uninterrupted run would have seen, and nothing
of the data pipeline has to be in a checkpoint (a distributed iterator could not be saved anyway).
"""

import hashlib
import os
from collections.abc import Callable, Sequence

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS, RANKS, Clip, as_float, check_known_fields
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline import cache as clip_cache
from simone_tf.data.pipeline import order, service
from simone_tf.data.pipeline.augment import augment, check_augmentations, window_of
from simone_tf.data.pipeline.share import Part
from simone_tf.data.pipeline.usable import SoundRecords
from simone_tf.errors import UserError

# Left to itself, TensorFlow doubles the number whenever a pause, for an evaluation say, was followed by batches taken
# fast: 2 GB of MOVi's after some pauses of seconds, and both cores busy with them during the pause.
_PREFETCHED_BATCHES = 4


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
    cache: bool | str = False,
    mirror: bool = False,
    permute_colours: bool = False,
    reverse_time: bool = False,
    fields: Sequence[str] = ("video",),
    num_input_pipelines: int = 1,
    input_pipeline_id: int = 0,
    data_service: str | None = None,
) -> tf.data.Dataset:
    """Endless shuffled batches; every clip comes once per epoch, and batches run across the ends of epochs.

    Within an epoch the shards come in random order, several at a time, and pass through a shuffle buffer of serialized
    records. With several input pipelines each reads its share, see `part`; the datasets are marked so that TensorFlow
    does not shard them once more.

    Of a reader with `on_corrupt = "skip"`, what cannot be read or parsed, or has another size than the first clip, is
    left out, and the order is a function of (seed, position) for the files as they are. Resuming then reads all of this
    pipeline's records once, to know how many are left.

    With `data_service` the batches are made by a fleet of workers, each of which works on one epoch at a time. Every
    clip still comes once per epoch, but batches of several epochs mingle, in an order that depends on the workers'
    speed and so is no function of the seed; a resumed run sees other batches than an uninterrupted one would have.
    All consumers with the same arguments share one stream, so `num_input_pipelines` is of no account. Workers are
    other processes, where Python that belongs to this one cannot be called: it does not go with "skip" or `cache`,
    and lengths in plain files that lie (see `ClipReader.serialized`) are not found beforehand. Without any worker it
    waits for one.

    The augmentations are off unless asked for. Each keeps the statistics of the scenes: it is drawn once per clip, for
    all frames alike, and `segments` follow `video`.

    Args:
      reader: the clips.
      batch_size: B, clips per batch of this pipeline.
      num_frames: T, length of the window taken from each clip.
      seed: of all random choices.
      start_step: the number of batches already used; the stream starts after them. Needs the number of clips, and
        passes over the used records of the current epoch without decoding them.
      frame_size: (H, W), or one number for both, to be checked against the data; None takes the data's.
      shuffle_buffer: records held for shuffling, of large ones only what `fields` need (0.4 MB for CATER's video).
        With `cache` the order is a full permutation instead.
      window: "random" draws the first frame uniformly per clip, "start" takes the first frames.
      cache: False, or where to keep all clips of this pipeline parsed (video as uint8): "memory", or a folder on a
        disk, which later runs find again; see `cache`.
      mirror: flips half of the clips left to right.
      permute_colours: permutes the RGB channels, each of the 6 orders equally often.
      reverse_time: plays half of the clips backwards.
      fields: what a batch holds.
      num_input_pipelines, input_pipeline_id: n and i: this is pipeline i (from 0) of n.
      data_service: address "grpc://host:port" of a tf.data service's dispatcher, None to make the batches here.

    Returns:
      A dataset of dicts with static shapes: `video` float32 [B, T, H, W, 3] in [0, 1], others as in `clip`.

    Raises:
      UserError: the clips are shorter than `num_frames`, of another size than `frame_size`, or lack a field; an
        augmentation would falsify a field; a file is missing or damaged; there are too few clips; the cache has no
        room; the data service does not answer, or cannot do what is asked.
      ValueError: an argument is out of its range.
    """
    _check_positive(batch_size=batch_size, num_frames=num_frames, num_input_pipelines=num_input_pipelines)
    if window not in ("random", "start"):
        raise UserError(f'window is {window!r}: choose "random" or "start".')
    if not 0 <= input_pipeline_id < num_input_pipelines:
        raise ValueError(f"input_pipeline_id {input_pipeline_id} is not in [0, {num_input_pipelines}).")
    if start_step < 0:
        raise ValueError(f"start_step is {start_step}, it cannot be negative.")
    check_augmentations(fields, mirror=mirror, reverse_time=reverse_time)
    _check_cache(cache)
    if data_service is not None:
        _check_service(reader, cache)
        num_input_pipelines, input_pipeline_id = 1, 0
    shapes = _element_shapes(reader, fields, num_frames, frame_size)
    usable = _usable(reader, fields, None if cache else num_frames, shapes)
    records = SoundRecords(reader, usable, key=(tuple(fields), None if cache else num_frames))
    part = Part(records, num_input_pipelines, input_pipeline_id)
    with tf.device("CPU:0"):
        key = tf.constant([seed, input_pipeline_id], tf.int64)
        clip_key = order.fold_in(key, order.CLIP)

    drawn = mirror or permute_colours or reverse_time or reader.clip_shape()[0] != num_frames
    kept = cache or reader.on_corrupt == "skip" or tuple(fields) != ("video",)
    one_by_one = order.block_size(reader) == 1
    in_one_go = reader.parses_batches and not drawn and not kept and not one_by_one
    start = start_step * batch_size

    def extract(record):
        return reader.extract(record, fields)

    def read(record):
        return reader.decode(record, fields) if one_by_one else reader.parse(record, fields)

    if cache:
        clips = clip_cache.load(part, fields, cache)
        stream, read = order.permuted(clips.count, start, key), clips.clip
    else:
        if data_service is not None:
            stream = order.shuffled_epochs(part, order.fold_in(key, start_step), shuffle_buffer, extract)
        else:
            stream = order.shuffled(part, start, key, shuffle_buffer, extract)
            # A number nobody asks for is a cost that small records feel.
            stream = stream if in_one_go else stream.enumerate(start)

    def prepare(position, source):
        clip = read(source)
        draw = order.fold_in(clip_key, position)
        clip = window_of(clip, num_frames, draw if window == "random" else None)
        clip = augment(clip, draw, mirror, permute_colours, reverse_time)
        return {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}

    def prepare_batch(*numbered):
        video = reader.parse_videos(numbered[-1], num_frames)
        batch = {"video": tf.ensure_shape(video, [batch_size, *shapes["video"]])}
        # Small records feel every time that a batch is handed over, too; but bytes go over the wire.
        return as_float(batch) if data_service is None else batch

    if in_one_go:
        batches = stream.batch(batch_size, drop_remainder=True)
        batches = batches.map(prepare_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    else:
        clips = stream.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = clips.batch(batch_size, drop_remainder=True)
    if data_service is not None:
        choices = (reader.settings(), seed, start_step, batch_size, num_frames, shuffle_buffer, window, mirror)
        choices += (permute_colours, reverse_time, tuple(fields))
        name = f"simone_tf-{hashlib.sha256(repr(choices).encode()).hexdigest()[:16]}"
        batches = service.distributed(batches, data_service, name)
    if not in_one_go or data_service is not None:
        batches = batches.map(as_float, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # One file is read by one thread. Where nothing has to be decoded that takes as long as all the rest, which is to
    # leave it a core.
    one_reads = in_one_go and data_service is None and reader.pictures is None and len(part.shares) == 1
    return _finished(batches, max(1, (os.cpu_count() or 1) - 1) if one_reads else None)


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
        clip = window_of(reader.parse(record, fields), num_frames, None)
        clip = {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}
        return clip | {"clip_mask": tf.constant(True)}

    def fill(batch):
        missing = batch_size - tf.shape(batch["clip_mask"])[0]
        filled = {}
        for name, value in batch.items():
            padded = tf.pad(value, [[0, missing]] + [[0, 0]] * (value.shape.rank - 1))
            filled[name] = tf.ensure_shape(padded, [batch_size, *value.shape[1:]])
        return as_float(filled)

    usable = _usable(reader, fields, num_frames, shapes)
    part = Part(SoundRecords(reader, usable, key=(tuple(fields), num_frames)))
    records = part.everything().take(-1 if num_clips is None else num_clips)
    clips = records.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _finished(clips.batch(batch_size).map(fill, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True))


def _finished(batches: tf.data.Dataset, num_threads: int | None = None) -> tf.data.Dataset:
    options = tf.data.Options()
    if num_threads is not None:
        options.threading.private_threadpool_size = num_threads
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.with_options(options).prefetch(_PREFETCHED_BATCHES)


def _usable(
    reader: ClipReader, fields: Sequence[str], num_frames: int | None, shapes: dict[str, tf.TensorShape]
) -> Callable[[tf.Tensor], Clip]:
    """What fails where a record is no clip of these sizes: of `num_frames` or more, or (None) of those of the first."""
    if num_frames is None:
        shapes = {name: value.shape for name, value in reader.first_clip(tuple(fields)).items()}

    def clip_of(record):
        clip = reader.parse(record, fields)
        if num_frames is not None:
            clip = window_of(clip, num_frames, None)
        return {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}

    return clip_of


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


def _check_cache(cache: bool | str) -> None:
    if cache is not False and (not isinstance(cache, str) or not cache):
        raise UserError(f'cache is {cache!r}: choose "memory", a folder on a disk, or False.')


def _check_service(reader: ClipReader, cache: bool | str) -> None:
    if cache:
        raise UserError(
            "data_service and cache do not go together: set training_batches.cache = False or leave the service out."
        )
    if reader.on_corrupt == "skip":
        raise UserError(
            'data_service and on_corrupt = "skip" do not go together, as skipping needs this process: leave one out.'
        )


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name} is {number}: it must be at least 1.")
