"""Which reader fits a TFRecord file, found out from the features of one of its records."""

import io
import math
import os
import re
import warnings
from typing import NamedTuple

import tensorflow as tf
from PIL import Image

from simone_tf.data.formats import gqn, multi_dsprites, objects_room
from simone_tf.data.formats.cater import FRAMES, HEIGHT, WIDTH, CaterWithMasks
from simone_tf.data.formats.clevr import ClevrWithMasks
from simone_tf.data.formats.gqn import GQNRooms
from simone_tf.data.formats.movi import MOVi
from simone_tf.data.formats.multi_dsprites import MultiDSprites
from simone_tf.data.formats.objects_room import ObjectsRoom
from simone_tf.data.formats.one_byte_strings import OneByteStringImages
from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.formats.tetrominoes import Tetrominoes

_MAX_SIZES = 8


class FeatureSummary(NamedTuple):
    """One feature of a record: "bytes", "float", "int64" or "empty", its number of values, and the lengths in bytes of
    the first few of them where they are strings."""

    kind: str
    count: int
    sizes: tuple[int, ...] = ()


def summarize_features(record: bytes) -> dict[str, FeatureSummary] | None:
    """Name -> what it holds, sorted by name, of a serialized `tf.train.Example`; None when it is no Example."""
    try:
        features = tf.train.Example.FromString(record).features.feature
    except Exception:  # The exception class depends on the protobuf implementation.
        return None
    summaries = {}
    for name in sorted(features):
        kind = features[name].WhichOneof("kind")
        if kind is None:
            summaries[name] = FeatureSummary("empty", 0)
            continue
        values = getattr(features[name], kind).value
        sizes = tuple(map(len, values[:_MAX_SIZES])) if kind == "bytes_list" else ()
        summaries[name] = FeatureSummary(kind.removesuffix("_list"), len(values), sizes)
    return summaries


def detect_reader(path: str, record: bytes) -> ClipReader | None:
    """A reader whose `parse` understands the records of a file; None when none of this project does.

    Args:
      path: the file; where a format leaves the choice open, its name and folders decide.
      record: one serialized record of it.
    """
    features = summarize_features(record)
    if not features:
        return None
    for rule in (_clip_records, _cater, _movi, _gqn, _one_byte_strings):
        reader = rule(path, record, features)
        if reader is not None:
            return reader
    return None


def _clip_records(path, record, features) -> ClipReader | None:
    if not set(ClipRecords.features) <= set(features):
        return None
    return ClipRecords(os.path.dirname(path), _split(path, r"(.+)-\d+-of-\d+\.tfrecord"))


def _cater(path, record, features) -> ClipReader | None:
    image = features.get("image")
    if not set(CaterWithMasks.features) <= set(features) or image.sizes != (FRAMES * HEIGHT * WIDTH * 3,):
        return None
    return CaterWithMasks(os.path.dirname(path), _split(path, r"cater_with_masks_(.+)\.tfrecords-.*"))


def _movi(path, record, features) -> ClipReader | None:
    if not set(MOVi.features) <= set(features) or features["video"].kind != "bytes":
        return None
    return MOVi(os.path.dirname(path), _split(path, r".+?-(.+)\.tfrecord.*"))


def _gqn(path, record, features) -> ClipReader | None:
    if not set(GQNRooms.features) <= set(features) or features["frames"].kind != "bytes":
        return None
    views = features["frames"].count
    if features["cameras"].count != 5 * views:
        return None
    first = tf.train.Example.FromString(record).features.feature["frames"].bytes_list.value[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = Image.open(io.BytesIO(first), formats=("JPEG",)).size
    except Exception:  # Whatever is wrong with the picture: it is none of a known set.
        return None
    fitting = [name for name, (count, side) in gqn.SETS.items() if (count, side) == (views, size[0])]
    if not fitting:
        return None
    folders = os.path.abspath(path).split(os.sep)
    name = next((name for name in fitting if name in folders), fitting[0])
    folder = os.path.dirname(os.path.abspath(path))
    return GQNRooms(os.path.dirname(folder), os.path.basename(folder), name=name)


def _one_byte_strings(path, record, features) -> ClipReader | None:
    folder, name = os.path.split(path)
    readers = [
        ClevrWithMasks(folder),
        *(MultiDSprites(folder, variant=variant) for variant in multi_dsprites.ENTITIES),
        Tetrominoes(folder),
        # Last: the others have these two features as well. The split in the file's name first, as two are alike.
        *(
            ObjectsRoom(folder, split)
            for split in sorted(objects_room.ENTITIES, key=lambda split: split not in name.split(".")[0])
        ),
    ]
    return next((reader for reader in readers if _fits(reader, features)), None)


def _fits(reader: OneByteStringImages, features: dict[str, FeatureSummary]) -> bool:
    wanted = {name: ("bytes", math.prod(shape)) for name, shape in reader.byte_features.items()}
    wanted |= {name: ("float", math.prod(shape)) for name, shape in reader.float_features.items()}
    return all(
        name in features and features[name][:2] == kind_and_count and set(features[name].sizes) <= {1}
        for name, kind_and_count in wanted.items()
    )


def _split(path: str, pattern: str) -> str:
    match = re.fullmatch(pattern, os.path.basename(path))
    return match[1] if match else "train"
