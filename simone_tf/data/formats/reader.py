"""What every reader of a clip format offers."""

import abc
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.framing import Framing
from simone_tf.data.tfrecords.faults import DATA_ERRORS, feature_names, unfit_record
from simone_tf.data.tfrecords.split_files import NO_END, Listing, SplitFiles
from simone_tf.errors import UserError


class Attribute(NamedTuple):
    """One column of `object_attributes`: its name, and the names of its values 0, 1, ... where it is a category.

    `falsified_by` names the augmentations that make it wrong; with None its name decides, see `pipeline.falsified`.
    """

    name: str
    values: tuple[str, ...] = ()
    falsified_by: tuple[str, ...] | None = None


class ClipReader(abc.ABC):
    """Reads one split of a dataset of TFRecord shards in one format.

    A subclass says where its shards are (`folders`, `file_pattern`) and how one record becomes a clip (`fields`,
    `features`, `_decode`); where it knows how many records its shards have, it says that too (`_listing` or
    `_known_count`). The shards themselves are read through `files`. Everything here is lazy: nothing is opened before
    the first call.

    Attributes:
      data_dir: the folder the user named.
      split: for example "train".
      stand_in: a command line that makes look-alike data, `{data_dir}` in it standing for the folder; named in the
        error when the real files are missing.
      on_corrupt: what happens at a record or file that cannot be read: "raise" or "skip"; asked of `files`.
      framing: the crop and resize of `video` and `segments`.
    """

    pictures: str | None = None
    """The feature that holds the frames of `video` as PNG or JPEG; None where the pixels are stored as they are."""

    camera_convention: str | None = None
    """What the numbers of `camera` are, a key of `CONVENTIONS` in `evaluation.probes`; None where nobody knows."""

    parses_batches = False
    """Whether `parse_videos` is there, for records so small that handling each costs more than its bytes do."""

    source = "its publisher"
    """Where the files come from, to be named when they are missing."""

    def __init__(
        self,
        data_dir: str,
        split: str,
        *,
        stand_in: str = "",
        on_corrupt: str = "raise",
        crop: tuple[int, int, int, int] | None = None,
        resize: tuple[int, int] | None = None,
    ):
        """Names the split; nothing is opened yet.

        Args:
          data_dir, split, stand_in: see above.
          on_corrupt: "raise" ends at the first damage, "skip" goes on with what can be read and says what was lost.
          crop: (top, left, height, width) in pixels of the stored frames, None for whole frames.
          resize: (height, width) that the (cropped) frames are brought to, None for their own.

        Raises:
          UserError: `on_corrupt`, `crop` or `resize` has no such value.
        """
        if on_corrupt not in ("raise", "skip"):
            raise UserError(f'on_corrupt is {on_corrupt!r}: choose "raise" or "skip".')
        self.data_dir = os.fspath(data_dir)
        self.split = split
        self.stand_in = stand_in
        self.on_corrupt = on_corrupt
        self.framing = Framing(crop, resize)
        self._first_clips: dict[tuple[str, ...], Clip] = {}

    def settings(self) -> dict[str, Any]:
        """What the parsed clips depend on beside the files: the class and what its constructor was given."""
        lazy = {name for kind in type(self).__mro__ for name, value in vars(kind).items() if _is_lazy(value)}
        kept = {name: value for name, value in vars(self).items() if name not in lazy and _is_plain(value)}
        del kept["stand_in"]
        return kept | {
            "class": type(self).__qualname__,
            "data_dir": os.path.abspath(self.data_dir) if "://" not in self.data_dir else self.data_dir,
            "crop": self.framing.crop,
            "resize": self.framing.resize,
        }

    @property
    @abc.abstractmethod
    def fields(self) -> tuple[str, ...]:
        """The clip fields this dataset can yield."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The columns of `object_attributes`; none where the format has no such field or does not name them."""
        return ()

    @property
    @abc.abstractmethod
    def file_pattern(self) -> str:
        """The shards' file names with `NNNNN` for each number: `train-NNNNN-of-NNNNN.tfrecord`."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders to look in, in this order; the first that holds a shard is the one."""
        return (self.data_dir,)

    @property
    def _listing(self) -> Listing | None:
        """What the set itself says of its shards; None where it says nothing."""
        return None

    @property
    def _known_count(self) -> Callable[[str], int | None] | None:
        """Path of a shard -> its number of records where the format tells it without reading the shard, else None."""
        return None

    @property
    def _records_of_shard(self) -> tuple[int, int]:
        """(first, stop), the records of each shard that are read."""
        return 0, NO_END

    @functools.cached_property
    def files(self) -> SplitFiles:
        """The shards of the split: found, counted and read, not parsed."""
        return SplitFiles(
            self.data_dir,
            self.split,
            folders=self.folders,
            file_pattern=self.file_pattern,
            reader=type(self).__name__,
            source=self.source,
            stand_in=self.stand_in,
            on_corrupt=self.on_corrupt,
            listing=self._listing,
            known_count=self._known_count,
            records=self._records_of_shard,
        )

    @property
    @abc.abstractmethod
    def features(self) -> tuple[str, ...]:
        """The `tf.train.Example` features that every record of this format has."""

    def extract(self, serialized: tf.Tensor, fields: Sequence[str]) -> tf.Tensor | dict[str, tf.Tensor]:
        """What `decode` needs of one serialized record, still encoded: the first half of `parse`; graph code.

        Where records are large, and `fields` need little of them, the rest is left behind here, so that no shuffle
        buffer has to hold it. Where a format does not say otherwise, it is the record as it is.
        """
        del fields
        return serialized

    @abc.abstractmethod
    def _decode(self, record: Any, fields: Sequence[str]) -> Clip:
        """`decode` of what `extract` gave, at the stored size: what a format implements."""

    def fields_to_decode(self, fields: Sequence[str]) -> tuple[str, ...]:
        """The fields, and what else of a clip is needed for them: what shows in cropped or resized frames is told by
        their `segments`.
        """
        shown = "object_visible" in fields and "segments" not in fields and self.framing.changes_frames
        return (*fields, "segments") if shown and "segments" in self.fields else tuple(fields)

    def decode(self, extracted: tf.Tensor | dict[str, tf.Tensor], fields: Sequence[str]) -> Clip:
        """Turns what `extract` gave for `fields_to_decode(fields)` into a clip, cropped and resized; graph code."""
        framed = self.framing.apply(self._decode(extracted, self.fields_to_decode(fields)))
        return {name: framed[name] for name in fields}

    def parse(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        """Turns one serialized record into a clip that holds `fields`, cropped and resized; graph code.

        `video` comes as uint8 in [0, 255] where the file holds 8 bits: it is kept small until batches are made, see
        `clip.as_float`. Features that the asked fields do not need are not parsed.

        Raises:
          tf.errors.InvalidArgumentError: the record is not of this format.
        """
        return self.decode(self.extract(serialized, self.fields_to_decode(fields)), fields)

    def _parse(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        """`parse` at the stored size."""
        return self._decode(self.extract(serialized, fields), fields)

    def parse_videos(self, serialized: tf.Tensor, num_frames: int) -> tf.Tensor:
        """The videos of a whole batch of records in few operations; only where `parses_batches`; graph code.

        Args:
          serialized: [B] strings.
          num_frames: T, which every record has.

        Returns:
          uint8 [B, T, H, W, 3], each as `parse` gives it.

        Raises:
          tf.errors.InvalidArgumentError: a record is not of this format, or of another size than the first.
        """
        stored = self._parse_videos(serialized, num_frames)
        batch, _, height, width, _ = stored.shape
        # Framing knows frames, not clips: those of all clips go through it as those of one.
        framed = self.framing.apply({"video": tf.reshape(stored, [-1, height, width, 3])})["video"]
        return tf.reshape(framed, [batch, num_frames, *framed.shape[1:]])

    def _parse_videos(self, serialized: tf.Tensor, num_frames: int) -> tf.Tensor:
        """`parse_videos` at the stored size, which is static."""
        raise NotImplementedError

    def first_clip(self, fields: Sequence[str]) -> Clip:
        """The first clip of the split.

        Raises:
          UserError: a field is not one this dataset has, or the first record cannot be read.
        """
        self.check_fields(fields)
        if tuple(fields) not in self._first_clips:
            # Asked for again and again while pipelines are built.
            skips = self.files.on_corrupt == "skip"
            self._first_clips[tuple(fields)] = self._first_usable_clip(fields) if skips else self._parsed_first(fields)
        return dict(self._first_clips[tuple(fields)])

    def _parsed_first(self, fields: Sequence[str]) -> Clip:
        """The clip of the first record."""
        try:
            with tf.device("CPU:0"):
                stored = self._parse(self.first_record(), self.fields_to_decode(fields))
                self.framing.check(stored, self.files.where)
                framed = self.framing.apply(stored)
                return {name: framed[name] for name in fields}
        except DATA_ERRORS as error:
            shard, index = self.files.shards()[0], self.files.records[0]
            raise UserError(self.parse_fault(shard, index, self.first_record(), error)) from error

    @tf.autograph.experimental.do_not_convert
    def _first_usable_clip(self, fields: Sequence[str]) -> Clip:
        """The first clip that can be used, of all shards."""
        with tf.device("CPU:0"):
            read = self.fields_to_decode(fields)
            parsed = self.files.serialized().map(lambda record: self._parse(record, read))
            for clip in parsed.ignore_errors():
                self.framing.check(clip, self.files.where)
                framed = self.framing.apply(clip)
                return {name: framed[name] for name in fields}
        raise UserError(self.files.nothing_usable())

    def clip_shape(self) -> tuple[int, int, int]:
        """(T, H, W) of the split's first clip."""
        frames, height, width, _ = self.first_clip(("video",))["video"].shape
        return frames, height, width

    def check_fields(self, fields: Sequence[str]) -> None:
        """Raises UserError when one of the fields is not in this dataset."""
        missing = [name for name in fields if name not in self.fields]
        if missing:
            raise UserError(
                f"{self.files.where} has no {' and no '.join(missing)}: "
                f"it has {', '.join(self.fields)}; choose a dataset that has it or leave out what needs it."
            )

    def first_record(self) -> tf.Tensor:
        """The first record of the first shard, serialized; in skip mode the first of all that is of this format.

        Raises:
          UserError: it cannot be read; in skip mode, there is none.
        """
        return self.files.first_record(self._looks_right)

    def _looks_right(self, record: tf.Tensor) -> bool:
        """Whether a record has all features of this format, whatever is in them."""
        return set(self.features) <= set(feature_names(record) or ())

    def parse_fault(self, shard: str, index: int, record: tf.Tensor, error: Exception) -> str:
        """One sentence on why a record that could be read could not be parsed.

        Args:
          shard: the file.
          index: of the record in it, from 0.
          record: serialized, a scalar string.
          error: what `parse` raised.
        """
        return unfit_record(f"{shard}: record {index}", type(self).__name__, self.features, record, error)


def _is_lazy(value: object) -> bool:
    return isinstance(value, functools.cached_property)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, tuple))
