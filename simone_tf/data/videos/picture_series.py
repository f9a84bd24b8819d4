"""Which pictures of a folder are one video: a folder may hold several numbered series, of which one is meant.

Names are of one series when they differ in their numbers only. `left_0001.png` and `right_0001.png`, `frame_1.png` and
`frame_1_mask.png`, `cam1_01.png` and `cam2_01.png`, `1.jpg` beside `1.png` and a `cover.jpg` beside frames are not. Of
names without any series (`a.png`, `b.png`, or sums of files) each is a frame, and so are numbered frames of several
numbers (times, dates) and copies that a system has named (`1 (1).png`).
"""

import fnmatch
import glob
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from simone_tf.errors import UserError

_COPY = re.compile(r"((?<=[0-9]) \([0-9]+\)|( -)? copy( [0-9]+)?)$")
_NUMBER = re.compile(r"[0-9]+")
# A number behind one of these is a time, behind any other word it names a camera, a view, a scene.
_TIMES = {*("t", "h", "m", "s", "ms", "us", "ns", "time", "day", "hour", "min", "sec"), *("f", "frame", "step")} | {
    *("im", "img", "image", "pic", "picture")
}
_LABEL_DIGITS = 3  # A longer number counts frames or is a date, whatever stands before it.
_MANY_SHAPES = 3  # Where there are more, and they are most of the names, nobody numbered them.

KUBRIC_FRAMES, KUBRIC_MASKS = "rgba", "segmentation"
_KUBRIC = re.compile(
    r"(rgba|segmentation|depth|normal|object_coordinates|uv|forward_flow|backward_flow)_[0-9]+\.[a-z]+"
)


def is_pattern(path: str) -> bool:
    """Whether a path names a series of pictures in a folder, such as `folder/left_*.png`, and nothing that exists."""
    folder, name = os.path.split(path)
    return glob.has_magic(name) and not os.path.lexists(path) and os.path.isdir(folder or ".")


def of_pattern(names: Sequence[str], pattern: str) -> list[str]:
    """The names that a pattern means; in upper and lower case alike."""
    matches = re.compile(fnmatch.translate(pattern), re.IGNORECASE).match
    return [name for name in names if matches(name)]


def kubric_layers(names: Sequence[str]) -> dict[str, list[str]]:
    """The pictures of a folder as Kubric writes it, by what they show; empty for any other folder."""
    layers = defaultdict(list)
    for name in names:
        match = _KUBRIC.fullmatch(name)
        if match:
            layers[match[1]].append(name)
    return dict(layers) if KUBRIC_FRAMES in layers and len(layers) > 1 else {}


def check_one_series(folder: str, names: Sequence[str]) -> None:
    """Checks that the pictures of a folder are the frames of one video.

    Args:
      folder: for the sentence.
      names: of its pictures, in the order of their frames.

    Raises:
      UserError: they are of several series; it names them and says how one is chosen.
    """
    series = _series(names)
    if len(series) < 2:
        return
    shown = [_shown(members) for members in series[:4]]
    more = f" and {len(series) - 4} more" if len(series) > 4 else ""
    patterns = [_pattern(members, names) for members in series]
    example = next((pattern for pattern in patterns if pattern), None)
    choose = f"name one of them in quotes, such as '{os.path.join(folder, example)}', or " if example else ""
    raise UserError(
        f"{folder} holds pictures of several series ({', '.join(shown)}{more}), and which are the frames is not clear: "
        f"{choose}move the others into folders of their own, or name '{os.path.join(folder, '*')}' if all are meant."
    )


def _series(names: Sequence[str]) -> list[list[str]]:
    """The series that are too many, each in the order of the names; one or none where all is clear."""
    shapes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in names:
        shapes[tuple(_NUMBER.split(_stem(name)))].append(name)
    groups, twice = [], False
    for members in shapes.values():
        parts = _by_suffix(members)
        twice = twice or len(parts) > 1
        groups += [group for part in parts for group in _by_label(part)]
    numbered = any(len(group) > 1 and _NUMBER.search(group[0]) for group in groups)
    named_freely = not numbered or len(shapes) > max(_MANY_SHAPES, len(names) / 2)
    return [] if named_freely and not twice else groups


def _by_suffix(names: list[str]) -> list[list[str]]:
    """Parts names of one shape by the kind of file, where one number has several; otherwise they are one series."""
    parts: dict[str, list[str]] = defaultdict(list)
    kinds: dict[tuple[int, ...], set[str]] = defaultdict(set)
    for name in names:
        suffix = os.path.splitext(name)[1]
        parts[suffix].append(name)
        kinds[tuple(map(int, _numbers(name)))].add(suffix)
    return list(parts.values()) if any(len(suffixes) > 1 for suffixes in kinds.values()) else [names]


def _stem(name: str) -> str:
    return _COPY.sub("", os.path.splitext(unicodedata.normalize("NFC", name).casefold())[0])


def _by_label(names: list[str]) -> list[list[str]]:
    """Parts names of one shape by a number that names a camera or a view, or by how numbers are padded."""
    fields = [_numbers(name) for name in names]
    for place in range(len(fields[0])):
        if not _is_label(names[0], place) or any(len(numbers[place]) > _LABEL_DIGITS for numbers in fields):
            continue
        parts: dict[int, list[int]] = defaultdict(list)
        rests: dict[tuple[str, ...], int] = defaultdict(int)
        for index, numbers in enumerate(fields):
            parts[int(numbers[place])].append(index)
            rests[numbers[:place] + numbers[place + 1 :]] += 1
        if len(parts) > 1 and min(map(len, parts.values())) > 1 and max(rests.values()) > 1:
            return [[names[index] for index in part] for part in parts.values()]
    return _by_padding(names, fields)


def _by_padding(names: list[str], fields: list[tuple[str, ...]]) -> list[list[str]]:
    """1.png beside 0001.png: the same number twice, written in two ways."""
    seen: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for numbers in fields:
        seen[tuple(number.lstrip("0") for number in numbers)].add(numbers)
    if len(fields[0]) != 1 or all(len(ways) == 1 for ways in seen.values()):
        return [names]
    padded: dict[int, list[str]] = defaultdict(list)
    for name, numbers in zip(names, fields, strict=True):
        padded[len(numbers[0]) if numbers[0].startswith("0") and len(numbers[0]) > 1 else 0].append(name)
    return list(padded.values())


def _numbers(name: str) -> tuple[str, ...]:
    return tuple(_NUMBER.findall(_stem(name)))


def _is_label(name: str, place: int) -> bool:
    stem = _stem(name)
    match = list(_NUMBER.finditer(stem))[place]
    word = re.search(r"[^\W\d_]+$", stem[: match.start()])
    return word is not None and word[0] not in _TIMES and stem[match.end() : match.end() + 1] != "."


def _shown(members: list[str]) -> str:
    return members[0] if len(members) == 1 else f"{members[0]} to {members[-1]}"


def _pattern(members: list[str], names: Sequence[str]) -> str | None:
    """A pattern that means just these of the names, where a simple one does."""
    if len(members) < 2:
        return None
    start = glob.escape(_common_start(members).rstrip("0123456789"))
    end = glob.escape(_common_start([name[::-1] for name in members])[::-1].lstrip("0123456789"))
    for pattern in (f"{start}*", f"{start}*{end}", f"[0-9]*{end}"):
        if of_pattern(names, pattern) == list(members):
            return pattern
    return None


def _common_start(texts: Sequence[str]) -> str:
    least, most = min(texts), max(texts)
    same = [a == b for a, b in zip(least, most, strict=False)]
    return least[: same.index(False)] if False in same else least[: len(same)]


def numbers_of(names: Sequence[str]) -> list[tuple[int, ...]] | None:
    """What counts the pictures of one series: of each name, the numbers that are not alike in all.

    None where the names are of several shapes, have no number, or one twice.
    """
    stems = [os.path.splitext(unicodedata.normalize("NFC", name).casefold())[0] for name in names]
    if len({tuple(_NUMBER.split(stem)) for stem in stems}) != 1:
        return None
    fields = [tuple(map(int, _NUMBER.findall(stem))) for stem in stems]
    places = range(len(fields[0]))
    if len(fields[0]) > 1 and len(fields) > 1:
        places = [place for place in places if len({numbers[place] for numbers in fields}) > 1]
    counted = [tuple(numbers[place] for place in places) for numbers in fields]
    return counted if len(set(counted)) == len(counted) and places and len(counted[0]) else None
