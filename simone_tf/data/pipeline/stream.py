"""Which records come in training, and in which order: shuffled, out of a cache, or through a fleet of workers.

Within an epoch the shards come in random order, several at a time, and pass through a shuffle buffer of serialized
records. With several input pipelines each reads its share, see `share`. With a cache an epoch is a full permutation.

Of a reader with `on_corrupt = "skip"`, what cannot be read or parsed, or has another size than the first clip, is left
out, and the order is a function of (seed, position) for the files as they are. Resuming then reads all of this
pipeline's records once, to know how many are left.

With a tf.data service the batches are made by a fleet of workers, each of which works on one epoch at a time. Every
clip still comes once per epoch, but batches of several epochs mingle, in an order that depends on the workers' speed
and so is no function of the seed; a resumed run sees other batches than an uninterrupted one would have. All consumers
with the same arguments share one stream, so the number of input pipelines is of no account. Workers are other
processes, where Python that belongs to this one cannot be called: it does not go with "skip" or a cache, and lengths in
plain files that lie (see `SplitFiles.serialized`) are not found beforehand. Without any worker it waits for one.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline import cache as clip_cache
from simone_tf.data.pipeline import order, service
from simone_tf.data.pipeline.share import Share
from simone_tf.data.pipeline.usable import UsableRecords
from simone_tf.data.pipeline.window import window_of
from simone_tf.errors import UserError


class Stream(NamedTuple):
    """The endless clips of an input pipeline, not decoded yet.

    Attributes:
      sources: (position, source) of each clip, from the first position on; the source alone where no positions were
        asked for, as a number nobody needs is a cost that small records feel.
      read: graph code, source -> clip.
      num_pieces: the number of files, or pieces of files, that are read.
    """

    sources: tf.data.Dataset
    read: Callable[[Any], Clip]
    num_pieces: int


def check_source(reader: ClipReader, cache: bool | str, data_service: str | None) -> None:
    """Raises UserError when `cache` has no such value, or the service cannot do what is asked."""
    if cache is not False and (not isinstance(cache, str) or not cache):
        raise UserError(f'cache is {cache!r}: choose "memory", a folder on a disk, or False.')
    if data_service is None:
        return
    if cache:
        raise UserError(
            "data_service and cache do not go together: set training_batches.cache = False or leave the service out."
        )
    if reader.files.on_corrupt == "skip":
        raise UserError(
            'data_service and on_corrupt = "skip" do not go together, as skipping needs this process: leave one out.'
        )


def usable_share(
    reader: ClipReader,
    fields: Sequence[str],
    num_frames: int | None,
    shapes: dict[str, tf.TensorShape],
    num_pipelines: int = 1,
    pipeline: int = 0,
) -> Share:
    """What input pipeline i of n reads of the records that are clips of these sizes.

    Args:
      reader: the clips.
      fields: what of them.
      num_frames: the frames that a clip needs at least; None where it needs as many as the first.
      shapes: field -> static shape of `num_frames` frames of it.
      num_pipelines, pipeline: n and i.

    Raises:
      UserError: nothing is left for this pipeline.
    """
    if num_frames is None:
        shapes = {name: value.shape for name, value in reader.first_clip(tuple(fields)).items()}

    def clip_of(record):
        clip = reader.parse(record, fields)
        if num_frames is not None:
            clip = window_of(clip, num_frames, None)
        return {name: tf.ensure_shape(value, shapes[name]) for name, value in clip.items()}

    records = UsableRecords(reader.files, clip_of, key=(tuple(fields), num_frames))
    return Share(records, num_pipelines, pipeline)


def comes_in_blocks(reader: ClipReader) -> bool:
    """Whether the records are so small that several are handed over at a time."""
    return order.block_size(reader) > 1


def clip_stream(
    reader: ClipReader,
    share: Share,
    fields: Sequence[str],
    position: int,
    key: tf.Tensor,
    *,
    cache: bool | str,
    shuffle_buffer: int,
    by_epochs: bool,
    is_numbered: bool,
) -> Stream:
    """The endless clips of a share from `position` on.

    Args:
      reader: parses the records.
      share: which records.
      fields: what of the clips.
      position: of the first clip.
      key: of the order, int64 [2].
      cache: where the clips are kept, see `cache.load`; False to read them anew each time.
      shuffle_buffer: how many records are held for shuffling; of no account with a cache.
      by_epochs: for the workers of a service, which take whole epochs in turn: `position` is of no account.
      is_numbered: whether positions are needed; with a cache and by epochs they are there anyway.

    Raises:
      UserError: as `cache.load`; or the records cannot be counted or read.
    """
    if cache:
        clips = clip_cache.load(reader, share, fields, cache)
        return Stream(order.permuted(clips.count, position, key), clips.clip, len(share.pieces))
    block, extract, read = _handing_over(reader, fields)
    if by_epochs:
        records = order.shuffled_epochs(share, key, shuffle_buffer, block, extract)
    else:
        records = order.shuffled(share, position, key, shuffle_buffer, block, extract)
        records = records.enumerate(position) if is_numbered else records
    return Stream(records, read, len(share.pieces))


def served(batches: tf.data.Dataset, address: str, choices: tuple) -> tf.data.Dataset:
    """The same batches made by the workers of a service; consumers with the same `choices` share one stream.

    Raises:
      UserError: see `service.distributed`.
    """
    name = f"simone_tf-{hashlib.sha256(repr(choices).encode()).hexdigest()[:16]}"
    return service.distributed(batches, address, name)


def _handing_over(reader: ClipReader, fields: Sequence[str]) -> tuple[int, order.Extract | None, Callable[[Any], Clip]]:
    """How many records come at a time, what is taken out of each where it is read, and what makes a clip of that."""
    block = order.block_size(reader)

    def extract(record):
        return reader.extract(record, reader.fields_to_decode(fields))

    def decode(extracted):
        return reader.decode(extracted, fields)

    def parse(record):
        return reader.parse(record, fields)

    return (block, None, parse) if block > 1 else (block, extract, decode)
