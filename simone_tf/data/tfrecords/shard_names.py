"""What the names of shards say of their set: `train-00002-of-00005.tfrecord` is one of five."""

import os
import re
from collections.abc import Sequence

_NUMBERED = re.compile(r"(\d+)-of-(\d+)")


def group(names: Sequence[str]) -> dict[str, list[str]]:
    """The names that belong together: name with `N` for the numbers -> names in their order.

    Where there are sets of several sizes under one name, the size stays in it.
    """
    sizes: dict[str, set[int]] = {}
    for name in names:
        sizes.setdefault(_pattern(name), set()).update(int(total) for _, total in _NUMBERED.findall(name))
    groups: dict[str, list[str]] = {}
    for name in names:
        pattern = _pattern(name)
        if len(sizes[pattern]) > 1:
            pattern = re.sub(r"\d+(?=-of-)", lambda match: "N" * len(match[0]), name)
        groups.setdefault(pattern, []).append(name)
    return groups


def sizes_beside(name: str, names: Sequence[str]) -> list[str]:
    """The sizes, as they are written, of the sets that differ from that of `name` in nothing else, its own too."""
    alike = [other for other in names if _pattern(other) == _pattern(name)]
    return sorted({total for other in alike for _, total in _NUMBERED.findall(other)})


def missing(names: Sequence[str]) -> list[str]:
    """The names of the files that a set lacks by the names of the others; counted from 0, or from 1 where one is."""
    found = [match for match in map(_NUMBERED.search, names) if match]
    if not found or len(found) < len(names):
        return []
    example, total = found[0], int(found[0][2])
    numbers = {int(match[1]) for match in found}
    # Whatever a name claims, as many lie in a folder as there are files: no list longer than a name is wide.
    if total > 10**6 or max(numbers) > total:
        return []
    first = 1 if total in numbers else 0
    if 0 not in numbers and _counts_from_one(names[0]):
        first = 1
    width, text = len(example[1]), names[0]
    return [
        f"{text[: example.start(1)]}{number:0{width}d}{text[example.end(1) :]}"
        for number in range(first, first + total)
        if number not in numbers
    ]


def _counts_from_one(name: str) -> bool:
    """As GQN's sets do, whose files are called by their numbers alone."""
    return re.fullmatch(r"\d+-of-\d+\.tfrecord", os.path.basename(name)) is not None


def _pattern(name: str) -> str:
    return re.sub(r"\d+(?=-of-)|(?<=-of-)\d+", lambda match: "N" * len(match[0]), name)
