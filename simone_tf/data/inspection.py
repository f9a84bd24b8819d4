"""What is in TFRecord files: format, counts, shapes, value ranges, and what is wrong with them.

Records are read one at a time, damaged ones passed over (see `salvage`), so neither the size of a file nor damage in it
matters; `max_records` bounds the time.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.data.clip import FIELDS
from simone_tf.data.formats.detect import FeatureSummary, detect_reader, summarize_features
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.sidecar import SIDECAR
from simone_tf.data.tfrecords import shard_names, tfrecord
from simone_tf.data.tfrecords.faults import DATA_ERRORS
from simone_tf.data.tfrecords.salvage import Damage, salvage
from simone_tf.data.videos.video_files import ANIMATION_SUFFIXES, VIDEO_SUFFIXES
from simone_tf.errors import UserError, first_line

_MAX_DEPTH = 4
_MAX_SHAPES = 4
_MAX_SAMPLE_FRAMES, _MAX_SAMPLE_SIDE = 64, 512


@dataclasses.dataclass
class FileReport:
    """One file.

    Attributes:
      path: as the user would name it.
      bytes: its size.
      compression: "", "GZIP" or "ZLIB"; None where the file is no TFRecord file at all.
      records: the number of readable records found.
      is_complete: whether that is all of them, so that nothing behind the last record read was left unread.
      lost_records: at least so many records could not be read.
      first_corrupt: {"record": index from 0, "byte": offset in the file, of the inflated content where it is
        compressed} of the first damage.
      fault: one sentence on what is wrong, None where nothing was found.
    """

    path: str
    bytes: int
    compression: str | None = None
    records: int = 0
    is_complete: bool = False
    lost_records: int = 0
    first_corrupt: dict[str, int] | None = None
    fault: str | None = None


@dataclasses.dataclass
class FieldReport:
    """One field of the clips that were looked at: its shapes, dtype and least and greatest finite value."""

    shapes: list[list[int]]
    dtype: str
    least: float = float("inf")
    greatest: float = float("-inf")


@dataclasses.dataclass
class SetReport:
    """Files that belong together: same folder, same name but for the numbers.

    Attributes:
      name: their path with `N` for the numbers that differ.
      format: name of the reader that fits, None where none does.
      split: the split as that reader would be told it.
      files: what was found in each file.
      unread_files: number of files that were not opened.
      missing_files: names of the files that are not there, by the numbers in the names of the others.
      features: of the first readable record: name -> (kind, count, sizes); None where it is no Example.
      clips: number of records that were parsed.
      fields: of the clips.
      absent_fields: the clip fields that the format lacks.
      objects: least and greatest number of instances in a clip, None without segments.
      faults: sentences on what concerns more than one file, or a record that could be read but not parsed.
      samples: the first clips, for pictures; `video` and `segments` alone.
    """

    name: str
    format: str | None = None
    split: str | None = None
    files: list[FileReport] = dataclasses.field(default_factory=list)
    unread_files: int = 0
    missing_files: list[str] = dataclasses.field(default_factory=list)
    features: dict[str, FeatureSummary] | None = None
    clips: int = 0
    fields: dict[str, FieldReport] = dataclasses.field(default_factory=dict)
    absent_fields: list[str] = dataclasses.field(default_factory=list)
    objects: tuple[int, int] | None = None
    faults: list[str] = dataclasses.field(default_factory=list)
    samples: list[dict[str, np.ndarray]] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Everything but the samples."""
        content = dataclasses.asdict(dataclasses.replace(self, samples=[]))
        del content["samples"]
        for field in content["fields"].values():
            if field["least"] > field["greatest"]:  # None is finite, and JSON has no infinity.
                field["least"] = field["greatest"] = None
        if self.features is not None:
            content["features"] = {name: summary._asdict() for name, summary in self.features.items()}
        return content

    def all_faults(self) -> list[str]:
        """Every sentence on what is wrong, once."""
        return list(dict.fromkeys([*(file.fault for file in self.files if file.fault), *self.faults]))

    def missing_sentence(self) -> str | None:
        """One sentence on the files that are not there, None where there are all."""
        missing = self.missing_files
        if not missing:
            return None
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        total = len(self.files) + self.unread_files + len(missing)
        verb = "is" if len(missing) == 1 else "are"
        return f"{self.name} has {total - len(missing)} of {total} files: {shown} {verb} missing."

    @property
    def may_lack_files(self) -> bool:
        """Whether a part of the files is a set of its own, as of GQN, whose files are random parts."""
        return self.format == "GQNRooms"


def find_sets(path: str) -> dict[str, list[str]]:
    """The TFRecord files of a folder, and of the folders in it, that belong together; or one file.

    Returns:
      Path with `N` for numbers -> sorted paths; where sets of several sizes lie in a folder, with the size of each.

    Raises:
      UserError: there is no such path, or no file with `.tfrecord` in its name.
    """
    if os.path.isfile(path):
        return {path: [path]}
    if not os.path.isdir(path):
        raise UserError(f"{path} does not exist: name a TFRecord file or a folder of them.")
    found: list[str] = []
    refused: list[OSError] = []
    for folder, subfolders, names in os.walk(path, onerror=refused.append):
        if os.path.relpath(folder, path).count(os.sep) >= _MAX_DEPTH:
            subfolders.clear()
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [os.path.join(folder, name) for name in sorted(names) if ".tfrecord" in name and name[0] != "."]
    if not found and refused:
        raise UserError(
            f"{refused[0].filename} cannot be looked into ({first_line(refused[0])}): check its permissions."
        )
    if not found:
        raise UserError(f"{path} holds no TFRecord file (a file with .tfrecord in its name): name another folder.")
    names: dict[str, list[str]] = {}
    for folder, name in map(os.path.split, found):
        names.setdefault(folder, []).append(name)
    return {
        os.path.join(folder, pattern): [os.path.join(folder, name) for name in members]
        for folder, there in names.items()
        for pattern, members in shard_names.group(there).items()
    }


def inspect_set(name: str, paths: list[str], max_records: int = 400, max_files: int = 8, samples: int = 4) -> SetReport:
    """Looks into files that belong together.

    Args:
      name: what to call them.
      paths: the files, in order.
      max_records: readable records of a file after which reading ends; the count of a plain file goes on.
      max_files: files that are opened.
      samples: clips kept for pictures.
    """
    report = SetReport(name, unread_files=max(0, len(paths) - max_files))
    reader = parse = None
    for path in paths[:max_files]:
        file = FileReport(path, 0)
        report.files.append(file)
        for index, record in _records(file, max_records):
            if report.features is None:
                report.features = summarize_features(record)
                reader = detect_reader(path, record)
                if reader is not None:
                    report.format, report.split = type(reader).__name__, reader.split
                    parse = _parser(reader, report)
            if parse is not None:
                _look_at(report, parse, file, index, record, samples)
    if report.format == "ClipRecords":
        _check_sidecar(report, reader)
    if paths != [name]:
        _check_names(report, paths)
    return report


def _check_names(report: SetReport, paths: list[str]) -> None:
    """Adds what the names of the files say of others that are missing, or that should not lie beside them."""
    folder = os.path.dirname(paths[0])
    names = [os.path.basename(path) for path in paths]
    report.missing_files = shard_names.missing(names)
    sizes = shard_names.sizes_beside(names[0], os.listdir(folder or "."))
    if len(sizes) > 1:
        split = f" for split {report.split!r}" if report.split else ""
        report.faults.append(
            f"{folder} holds shards of {len(sizes)} different sets{split} (-of-{' and -of-'.join(sizes)}): "
            "move all but one set away."
        )


def _records(file: FileReport, most: int) -> Iterator[tuple[int, bytes]]:
    """The readable records of a file with their numbers, up to `most`; fills in the report."""
    try:
        file.bytes = os.path.getsize(file.path)
        file.compression = tfrecord.sniff_compression(file.path)
    except UserError as error:
        if file.path.lower().endswith(VIDEO_SUFFIXES + ANIMATION_SUFFIXES):
            file.fault = f"{file.path} is a video, no TFRecord file: import it with tools/import_video.py."
            return
        if not file.bytes or next(salvage(file.path, Damage()), None) is None:
            file.fault = str(error)
            return
        file.compression = ""  # Its first record is damaged, which is told below; others follow.
    except OSError as error:
        file.fault = f"{file.path} cannot be opened ({first_line(error)}): check its permissions."
        return
    damage, position = Damage(), 0
    for record in salvage(file.path, damage):
        _note_damage(file, damage, position)
        if file.records >= most:
            break
        yield file.records + damage.lost_records, record
        file.records += 1
        position += len(record) + tfrecord.FRAME_BYTES
    else:
        file.is_complete = True
        _note_damage(file, damage, position)
    if not file.is_complete and not file.compression and not file.fault:
        try:
            file.records = tfrecord.count_records(file.path, "")
            file.is_complete = True
        except UserError as error:
            file.fault = str(error)


def _note_damage(file: FileReport, damage: Damage, position: int) -> None:
    if file.first_corrupt is None and (damage.lost_records or damage.end):
        file.first_corrupt = {"record": file.records, "byte": position}
    if file.first_corrupt is None:
        return
    file.lost_records = damage.lost_records
    inflated = "of the inflated content " if file.compression else ""
    lost = f"at least {damage.lost_records} record{'s' * (damage.lost_records != 1)} lost"
    file.fault = (
        f"{file.path} is damaged at record {file.first_corrupt['record']} (byte {file.first_corrupt['byte']} {inflated}"
        f"on): {f'{damage.end}, ' if damage.end else ''}{lost}; download or make it again."
    )


def _parser(reader: ClipReader, report: SetReport):
    """Function from a record to all fields it has as NumPy arrays; None when the format's other files are missing."""
    try:
        if isinstance(reader, ClipRecords):
            fields = tuple(name for name in FIELDS if name in report.features)
        else:
            fields = reader.fields
    except UserError as error:
        report.faults.append(str(error))
        return None
    report.absent_fields = [name for name in FIELDS if name not in fields]

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def parse(record):
        return reader.parse(record, fields)

    def parse_to_numpy(record: bytes) -> dict[str, np.ndarray]:
        with tf.device("CPU:0"):
            return {name: value.numpy() for name, value in parse(tf.constant(record)).items()}

    return parse_to_numpy


def _look_at(report: SetReport, parse, file: FileReport, index: int, record: bytes, samples: int) -> None:
    """Adds one record to what is known of the clips."""
    try:
        clip = parse(record)
    except DATA_ERRORS as error:
        _add_once(
            report.faults,
            f"{file.path}: record {index} is not a record of {report.format}",
            f" ({first_line(error)}): download or make it again.",
        )
        return
    report.clips += 1
    for name, value in clip.items():
        if not value.size:
            continue
        known = report.fields.setdefault(name, FieldReport([], str(value.dtype)))
        shape = list(value.shape)
        if shape not in known.shapes and len(known.shapes) < _MAX_SHAPES:
            known.shapes.append(shape)
        finite = value[np.isfinite(value)]
        if finite.size < value.size:
            where = f", first in {file.path}, record {index}."
            _add_once(report.faults, f"{name} holds numbers that are not finite", where)
        if finite.size:
            known.least = min(known.least, float(finite.min()))
            known.greatest = max(known.greatest, float(finite.max()))
    if "segments" in clip:
        count = int(np.count_nonzero(np.unique(clip["segments"])))
        least, greatest = report.objects or (count, count)
        report.objects = (min(least, count), max(greatest, count))
    if len(report.samples) < samples:
        report.samples.append({name: _thinned(clip[name]) for name in ("video", "segments") if name in clip})


def _thinned(frames: np.ndarray) -> np.ndarray:
    """What pictures need of a long or large clip."""
    step = -(-max(frames.shape[1:3]) // _MAX_SAMPLE_SIDE)
    return frames[:_MAX_SAMPLE_FRAMES, ::step, ::step].copy()


def _add_once(faults: list[str], start: str, end: str) -> None:
    """One sentence per kind of fault is enough: `start` without its numbers tells the kind."""
    kind = re.sub(r"\d+", "", start)
    if not any(re.sub(r"\d+", "", fault).startswith(kind) for fault in faults):
        faults.append(start + end)


def _check_sidecar(report: SetReport, reader: ClipRecords) -> None:
    """Adds what the files and the sidecar beside them say differently."""
    if not os.path.isfile(os.path.join(reader.data_dir, SIDECAR)):
        return
    try:
        reader.files.shards()
        listed = {file.path: reader.files.known_count(file.path) for file in report.files}
    except UserError as error:
        _add_once(report.faults, str(error), "")
        return
    for file in report.files:
        if file.is_complete and listed[file.path] not in (None, file.records + file.lost_records):
            report.faults.append(
                f"{file.path} has {file.records} records, {SIDECAR} lists {listed[file.path]}: make the set again."
            )
