"""What every reader of a clip format offers."""

import abc
import functools
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from simone_tf.data.clip import Clip
from simone_tf.data.framing import Framing
from simone_tf.data.tfrecords import tfrecord
from simone_tf.data.tfrecords.faults import DATA_ERRORS, feature_names, unfit_record
from simone_tf.data.tfrecords.find_shards import find_shards
from simone_tf.data.tfrecords.left_out import LeftOut, Skipped
from simone_tf.data.tfrecords.salvage import Damage, salvage
from simone_tf.errors import UserError


class Attribute(NamedTuple):
    """One column of `object_attributes`: its name, and the names of its values 0, 1, ... where it is a category."""

    name: str
    values: tuple[str, ...] = ()


class ClipReader(abc.ABC):
    """Reads one split of a dataset of TFRecord shards in one format.

    A subclass says where its shards are (`folders`, `file_pattern`) and how one record becomes a clip (`fields`,
    `features`, `_decode`). Everything here is lazy: nothing is opened before the first call.

    Attributes:
      data_dir: the folder the user named.
      split: for example "train".
      stand_in: a command line that makes look-alike data, `{data_dir}` in it standing for the folder; named in the
        error when the real files are missing.
      on_corrupt: what happens at a record or file that cannot be read: "raise" or "skip".
      framing: the crop and resize of `video` and `segments`.
    """

    pictures: str | None = None
    """The feature that holds the frames of `video` as PNG or JPEG; None where the pixels are stored as they are."""

    camera_convention: str | None = None
    """What the numbers of `camera` are, a key of `evaluation.camera_pose.CONVENTIONS`; None where nobody knows."""

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
        self._counts: dict[str, int] = {}
        self._length_checks = tfrecord.LengthChecks()
        self._first_clips: dict[tuple[str, ...], Clip] = {}
        self._left_out = LeftOut()

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

    def decode(self, extracted: tf.Tensor | dict[str, tf.Tensor], fields: Sequence[str]) -> Clip:
        """Turns what `extract` gave for the same fields into a clip, cropped and resized; graph code."""
        return self.framing.apply(self._decode(extracted, fields))

    def parse(self, serialized: tf.Tensor, fields: Sequence[str]) -> Clip:
        """Turns one serialized record into a clip that holds `fields`, cropped and resized; graph code.

        `video` comes as uint8 in [0, 255] where the file holds 8 bits: it is kept small until batches are made, see
        `clip.as_float`. Features that the asked fields do not need are not parsed.

        Raises:
          tf.errors.InvalidArgumentError: the record is not of this format.
        """
        return self.decode(self.extract(serialized, fields), fields)

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

    def shards(self) -> tuple[str, ...]:
        """The sorted paths of the split's shards; in skip mode those of which at least one record can be read.

        Raises:
          UserError: none is there, one is empty or no TFRecord file, or the shards are of two different sets; in skip
            mode, none can be read.
        """
        return tuple(self._compressions)

    def count(self, shard: str) -> int:
        """The number of records of a shard: known for the format, or counted once; skip mode counts what it reads."""
        if shard not in self._counts:
            if self.on_corrupt == "skip":
                counted = sum(1 for _ in self._left_out.salvaged(shard))
            else:
                known = self.known_count(shard)
                counted = tfrecord.count_records(shard, self._compressions[shard]) if known is None else known
            self._counts[shard] = counted
        return self._counts[shard]

    def known_count(self, shard: str) -> int | None:
        """The number of records of a shard where the format tells it without reading the shard, else None."""
        del shard
        return None

    def serialized(self, shards: Sequence[str] | tf.Tensor, *, portable: bool = False) -> tf.data.Dataset:
        """The records of some of this reader's shards, one shard after the other, not parsed.

        A length in a plain file that lies can end the whole process: TensorFlow asks for as much memory at once. So the
        lengths of a plain local file are looked at before TensorFlow opens it for the first time. Compressed files
        need no such care, as TensorFlow inflates them bit by bit and ends at the end of the file.

        Args:
          shards: paths as `shards()` gives them; also a string tensor [S], so that graph code may choose the order.
          portable: no call of Python in the dataset, so that another process can run it; then no lengths are looked at.

        Returns:
          A dataset of scalar strings; in skip mode those whose checksums fit.
        """
        paths = list(self._compressions)
        compressions = list(self._compressions.values())

        def records(path: tf.Tensor) -> tf.data.Dataset:
            if self.on_corrupt == "skip":
                return tf.data.Dataset.from_generator(
                    self._left_out.salvaged, args=(path,), output_signature=tf.TensorSpec([], tf.string)
                )
            compression = tf.gather(compressions, tf.argmax(tf.equal(paths, path)))
            if "" in compressions and not portable:
                path = tf.ensure_shape(tf.numpy_function(self._length_checks.check, [path, compression], tf.string), [])
            return tf.data.TFRecordDataset(path, compression, buffer_size=2**20)

        if not tf.is_tensor(shards):
            shards = tf.constant(list(shards), tf.string)
        return tf.data.Dataset.from_tensor_slices(shards).flat_map(records)

    @property
    def skipped(self) -> Skipped:
        """What skip mode has left out so far."""
        return self._left_out.total

    def report_unfit(self, shard: str, count: int) -> None:
        """Takes note that skip mode left out so many records of a shard that can be read but not be used."""
        self._left_out.unfit(shard, count, type(self).__name__)

    def nothing_usable(self) -> str:
        """One sentence on a split of which skip mode leaves nothing."""
        return (
            f"{self.data_dir} (split {self.split!r}) has no record that can be used, what is damaged being left out: "
            'download or make it again, or set on_corrupt = "raise" to see the first fault.'
        )

    def first_clip(self, fields: Sequence[str]) -> Clip:
        """The first clip of the split.

        Raises:
          UserError: a field is not one this dataset has, or the first record cannot be read.
        """
        self.check_fields(fields)
        where = f"{self.data_dir} (split {self.split!r})"
        if self.on_corrupt == "skip":
            if tuple(fields) not in self._first_clips:
                self._first_clips[tuple(fields)] = self._first_sound_clip(fields, where)
            return self._first_clips[tuple(fields)]
        try:
            with tf.device("CPU:0"):
                stored = self._parse(self.first_record(), fields)
                self.framing.check(stored, where)
                return self.framing.apply(stored)
        except DATA_ERRORS as error:
            raise UserError(self._parse_fault(self.shards()[0], 0, self.first_record(), error)) from error

    def _first_sound_clip(self, fields: Sequence[str], where: str) -> Clip:
        with tf.device("CPU:0"):
            parsed = self.serialized(self.shards()).map(lambda record: self._parse(record, fields))
            for clip in parsed.ignore_errors():
                self.framing.check(clip, where)
                return self.framing.apply(clip)
        raise UserError(self.nothing_usable())

    def check_listed(self, names: Sequence[str], found: Sequence[str], listing: str) -> None:
        """Raises UserError when shards that the dataset's own list names are not there; skip mode leaves them out.

        Args:
          names: the file names that are listed.
          found: the paths that are there.
          listing: name of the list.
        """
        folder = os.path.dirname(found[0])
        missing = sorted(set(names) - {os.path.basename(path) for path in found})
        missing = [name for name in missing if not self._left_out.has_file(os.path.join(folder, name))]
        if missing and self.on_corrupt == "skip":
            for name in missing:
                self._left_out.file(os.path.join(folder, name), f"{listing} lists it, but it is not there")
        elif missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise UserError(
                f"{folder} lacks {shown}, which its {listing} lists for split {self.split!r}: "
                "copy or make the whole set again."
            )

    def clip_shape(self) -> tuple[int, int, int]:
        """(T, H, W) of the split's first clip."""
        frames, height, width, _ = self.first_clip(("video",))["video"].shape
        return frames, height, width

    def check_fields(self, fields: Sequence[str]) -> None:
        """Raises UserError when one of the fields is not in this dataset."""
        missing = [name for name in fields if name not in self.fields]
        if missing:
            raise UserError(
                f"{self.data_dir} (split {self.split!r}) has no {' and no '.join(missing)}: "
                f"it has {', '.join(self.fields)}; choose a dataset that has it or leave out what needs it."
            )

    @functools.cached_property
    def _compressions(self) -> dict[str, str]:
        """Path of each shard, sorted -> its compression (which skip mode does not need)."""
        found = find_shards(
            self.folders, self.file_pattern, split=self.split, source=self.source, stand_in=self.stand_in
        )
        if self.on_corrupt == "raise":
            return {path: tfrecord.sniff_compression(path) for path in found}
        usable = {}
        for path in found:
            damage = Damage()
            if next(salvage(path, damage), None) is not None:
                usable[path] = ""
            else:
                self._left_out.file(path, damage.end or "no record can be read in it")
        if not usable:
            raise UserError(self.nothing_usable())
        return usable

    def first_record(self) -> tf.Tensor:
        """The first record of the first shard, serialized; in skip mode the first of all that looks right."""
        shards = self.shards()
        if self.on_corrupt == "skip":
            for record in self.serialized(shards):
                if self._looks_right(record):
                    return record
            raise UserError(self.nothing_usable())
        if self._compressions[shards[0]] == "":
            tfrecord.check_lengths(shards[0])
        try:
            return next(iter(self.serialized(shards[:1])))
        except DATA_ERRORS as error:
            raise UserError(
                f"{shards[0]} is damaged ({tfrecord.first_line(error)}): download or make it again."
            ) from error

    def _looks_right(self, record: tf.Tensor) -> bool:
        """Whether a record has all features of this format, whatever is in them."""
        return set(self.features) <= set(feature_names(record) or ())

    def _parse_fault(self, shard: str, index: int, record: tf.Tensor, error: Exception) -> str:
        """One sentence on why a record that could be read could not be parsed."""
        return unfit_record(f"{shard}: record {index}", type(self).__name__, self.features, record, error)


def _is_lazy(value: object) -> bool:
    return isinstance(value, functools.cached_property)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, tuple))
