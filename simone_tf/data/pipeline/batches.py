"""From a reader's clips to batches: windows, order, augmentation, sharding over input pipelines.

Training data is a stream of clips numbered by `position`; batch `s` holds the positions `s * batch_size` to
`(s + 1) * batch_size - 1`. Which clip stands at a position, and every random choice about it, is a function of
(seed, position) alone. So a run resumed at step s sees exactly what an uninterrupted run would have seen, and nothing
of the data pipeline has to be in a checkpoint (a distributed iterator could not be saved anyway).
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from simone_tf.data.clip import FRAME_FIELDS, RANKS, as_float, check_known_fields
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline import order
from simone_tf.data.pipeline.augment import Drawn
from simone_tf.data.pipeline.mixture import Mixture
from simone_tf.data.pipeline.stream import (
    Stream,
    check_source,
    clip_stream,
    comes_in_blocks,
    served,
    usable_share,
)
from simone_tf.data.pipeline.window import check_window, fields_to_read, window_of
from simone_tf.errors import UserError

# Left to itself, TensorFlow doubles the number whenever a pause, for an evaluation say, was followed by batches taken
# fast: 2 GB of MOVi's after some pauses of seconds, and both cores busy with them during the pause.
_PREFETCHED_BATCHES = 4

# The arguments of `training_batches` that the sets of a mixture do not share.
_OF_ONE_SET = ("reader", "batch_size", "seed", "start_step", "data_service")


@tf.autograph.experimental.do_not_convert
def training_batches(
    reader: ClipReader | Mixture,
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

    Which records come, and in which order, is told in `stream`. TensorFlow does not shard the datasets once more.

    Args:
      reader: the clips; of a mixture every set has epochs of its own.
      batch_size: B, clips per batch of this pipeline.
      num_frames: T, length of the window taken from each clip.
      seed: of all random choices.
      start_step: the number of batches already used; needs the number of clips, and passes over those of the epoch.
      frame_size: (H, W), or one number for both, to be checked against the data; None takes the data's.
      shuffle_buffer: records held for shuffling, of large ones only what `fields` need (0.4 MB for CATER's video).
      window, mirror, permute_colours, reverse_time: see `Drawn`; augmentations are off unless asked for.
      cache: False, or where all clips of this pipeline are kept parsed: "memory", or a folder on a disk; see `cache`.
      fields: what a batch holds.
      num_input_pipelines, input_pipeline_id: n and i: this is pipeline i (from 0) of n.
      data_service: address "grpc://host:port" of a tf.data service's dispatcher, None to make the batches here.

    Returns:
      A dataset of dicts with static shapes: `video` float32 [B, T, H, W, 3] in [0, 1], others as in `clip`.

    Raises:
      UserError: the clips are too short, too few, of another size than `frame_size`, or lack a field; an augmentation
        would falsify one; a file is missing or damaged; cache or data service cannot do what is asked.
      ValueError: an argument is out of its range.
    """
    shared = {name: value for name, value in locals().items() if name not in _OF_ONE_SET}
    _check_positive(batch_size=batch_size, num_frames=num_frames)
    _check_place(start_step, num_input_pipelines, input_pipeline_id)
    if isinstance(reader, Mixture):
        return _mixed(reader, shared, batch_size, start_step, seed, data_service)
    check_source(reader, cache, data_service)
    is_served = data_service is not None
    drawn = Drawn(num_frames, window, mirror, permute_colours, reverse_time)
    drawn.check(fields, reader.attributes if "object_attributes" in fields else ())
    pipeline = (1, 0) if is_served else (num_input_pipelines, input_pipeline_id)
    shapes, read = _element_shapes(reader, fields, num_frames, frame_size)
    share = usable_share(reader, tuple(read), None if cache else num_frames, read, *pipeline)
    key = _key(seed, pipeline[1])
    in_one_go = _can_be_parsed_in_one_go(reader, drawn, fields, cache)
    stream = clip_stream(
        reader,
        share,
        tuple(read),
        start_step * batch_size,
        order.fold_in(key, start_step) if is_served else key,
        cache=cache,
        shuffle_buffer=shuffle_buffer,
        by_epochs=is_served,
        is_numbered=not in_one_go,
    )
    if in_one_go:
        batches = _parsed_in_one_go(reader, stream, batch_size, shapes["video"], as_bytes=is_served)
    else:
        batches = _parsed_one_by_one(stream, drawn, order.fold_in(key, order.CLIP), batch_size, shapes)
    if is_served:
        choices = (reader.settings(), seed, start_step, batch_size, num_frames, shuffle_buffer, window, mirror)
        batches = served(batches, data_service, (*choices, permute_colours, reverse_time, tuple(fields)))
    if is_served or not in_one_go:
        batches = batches.map(as_float, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _finished(batches, None if is_served else _num_threads(reader, stream, in_one_go))


def _mixed(
    mixture: Mixture,
    shared: Mapping[str, Any],
    batch_size: int,
    start_step: int,
    seed: int,
    data_service: str | None,
) -> tf.data.Dataset:
    """`training_batches` of several sets, which share all arguments but those named here."""
    if data_service is not None:
        raise UserError("A mixture of data sets and data_service do not go together: leave the service out.")
    key = order.fold_in(_key(seed, shared["input_pipeline_id"]), order.SET)
    position = start_step * batch_size
    passed = mixture.passed(position, key)
    # Sets of the same size would otherwise have their clips in the same order, and mirrored together.
    streams = [
        training_batches(reader, batch_size=1, start_step=count, seed=seed + (number << 32), **shared)
        for number, (reader, count) in enumerate(zip(mixture.readers, passed, strict=True))
    ]
    for name, stream in zip(mixture.names[1:], streams[1:], strict=True):
        for field, spec in streams[0].element_spec.items():
            if stream.element_spec[field].shape[1:] != spec.shape[1:]:
                raise UserError(
                    f"In a mixture all sets need the same sizes: {field} of a clip is {list(spec.shape[1:])} in "
                    f"{mixture.names[0]}, {list(stream.element_spec[field].shape[1:])} in {name}."
                )
    clips = tf.data.Dataset.choose_from_datasets(streams, mixture.choices(position, key))
    batches = clips.batch(batch_size, drop_remainder=True)
    return _finished(batches.map(lambda batch: {name: values[:, 0] for name, values in batch.items()}))


@tf.autograph.experimental.do_not_convert
def evaluation_batches(
    reader: ClipReader,
    *,
    batch_size: int,
    num_frames: int,
    num_clips: int | None = None,
    fields: Sequence[str] = ("video", "segments"),
    frame_size: int | tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Every clip exactly once, in the order of the files, from its first frame on; `object_moving` is the window's.

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
    shapes, read = _element_shapes(reader, fields, num_frames, frame_size)

    def prepare(record):
        clip = window_of(reader.parse(record, tuple(read)), num_frames, None)
        clip = {name: tf.ensure_shape(clip[name], shape) for name, shape in shapes.items()}
        return clip | {"clip_mask": tf.constant(True)}

    def fill(batch):
        missing = batch_size - tf.shape(batch["clip_mask"])[0]
        filled = {}
        for name, value in batch.items():
            padded = tf.pad(value, [[0, missing]] + [[0, 0]] * (value.shape.rank - 1))
            filled[name] = tf.ensure_shape(padded, [batch_size, *value.shape[1:]])
        return as_float(filled)

    share = usable_share(reader, tuple(read), num_frames, read)
    records = share.everything().take(-1 if num_clips is None else num_clips)
    clips = records.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return _finished(clips.batch(batch_size).map(fill, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True))


def _can_be_parsed_in_one_go(reader: ClipReader, drawn: Drawn, fields: Sequence[str], cache: bool | str) -> bool:
    """Whether the videos of a batch can be parsed together: whole records as they are, small, and none left out."""
    if not reader.parses_batches or drawn.changes(reader.clip_shape()[0]) or tuple(fields) != ("video",):
        return False
    return not cache and reader.files.on_corrupt == "raise" and comes_in_blocks(reader)


def _parsed_in_one_go(
    reader: ClipReader, stream: Stream, batch_size: int, shape: tf.TensorShape, as_bytes: bool
) -> tf.data.Dataset:
    """Batches of `video` alone, [B, *shape], float32, or uint8 where they are to go over the wire."""

    def prepare(*numbered):
        video = reader.parse_videos(numbered[-1], shape[0])
        batch = {"video": tf.ensure_shape(video, [batch_size, *shape])}
        # Small records feel every time that a batch is handed over, too.
        return batch if as_bytes else as_float(batch)

    batches = stream.sources.batch(batch_size, drop_remainder=True)
    return batches.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _parsed_one_by_one(
    stream: Stream, drawn: Drawn, key: tf.Tensor, batch_size: int, shapes: dict[str, tf.TensorShape]
) -> tf.data.Dataset:
    """Batches of clips of these shapes; what is drawn for a clip depends on `key` and its position."""

    def prepare(position, source):
        clip = drawn.apply(stream.read(source), order.fold_in(key, position))
        return {name: tf.ensure_shape(clip[name], shape) for name, shape in shapes.items()}

    clips = stream.sources.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return clips.batch(batch_size, drop_remainder=True)


def _num_threads(reader: ClipReader, stream: Stream, in_one_go: bool) -> int | None:
    """How many threads make the batches; None for as many as there are cores.

    One file is read by one thread. Where nothing has to be decoded that takes as long as all the rest, which is to
    leave it a core.
    """
    if in_one_go and reader.pictures is None and stream.num_pieces == 1:
        return max(1, (os.cpu_count() or 1) - 1)
    return None


def _finished(batches: tf.data.Dataset, num_threads: int | None = None) -> tf.data.Dataset:
    options = tf.data.Options()
    if num_threads is not None:
        options.threading.private_threadpool_size = num_threads
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.with_options(options).prefetch(_PREFETCHED_BATCHES)


def _element_shapes(
    reader: ClipReader, fields: Sequence[str], num_frames: int, frame_size: int | tuple[int, int] | None
) -> tuple[dict[str, tf.TensorShape], dict[str, tf.TensorShape]]:
    """Static shapes of one clip of a batch, and of all that is read for it (`fields_to_read`), from the first clip of
    the data; all user mistakes about sizes end here.
    """
    check_known_fields(fields)
    reader.check_fields(fields)
    first = reader.first_clip(fields_to_read(reader, fields))
    where = reader.files.where
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
    check_window(reader, fields, num_frames)
    shapes = {}
    for name, value in first.items():
        assert value.shape.rank == RANKS[name], (name, value.shape)
        shapes[name] = tf.TensorShape([num_frames, *value.shape[1:]]) if name in FRAME_FIELDS else value.shape
    return {name: shapes[name] for name in fields}, shapes


def _key(seed: int, pipeline: int) -> tf.Tensor:
    with tf.device("CPU:0"):
        return tf.constant([seed, pipeline], tf.int64)


def _check_place(start_step: int, num_input_pipelines: int, input_pipeline_id: int) -> None:
    _check_positive(num_input_pipelines=num_input_pipelines)
    if not 0 <= input_pipeline_id < num_input_pipelines:
        raise ValueError(f"input_pipeline_id {input_pipeline_id} is not in [0, {num_input_pipelines}).")
    if start_step < 0:
        raise ValueError(f"start_step is {start_step}, it cannot be negative.")


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name} is {number}: it must be at least 1.")
