"""Ways in which a file goes wrong on disks, on the way, and in programs: bytes in, bytes out."""

from collections.abc import Callable

import numpy as np

_EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x80\0\0\0")
_BLOCK = 4096  # what a disk loses at a time
_PAGES = (b"<!DOCTYPE html><html><title>404</title></html>\n", b"version https://git-lfs.github.com/spec/v1\n", b"\n")
_WORDS = (b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 30, b"\xc3\x28", b"\0", b"[" * 3000)


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """One to eight bits are another."""
    changed = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 9)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of up to 64 bytes is noise."""
    start, end = _stretch(content, rng, 64)
    return content[:start] + rng.bytes(end - start) + content[end:]


def zero(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of up to a block is zeros."""
    start, end = _stretch(content, rng, _BLOCK)
    return content[:start] + bytes(end - start) + content[end:]


def zero_the_end(content: bytes, rng: np.random.Generator) -> bytes:
    """The file has its length, but its end was never written."""
    keep = int(rng.integers(0, len(content)))
    return content[:keep] + bytes(len(content) - keep)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing; now and then all of it."""
    return content[: int(rng.integers(0, len(content)))]


def cut_a_little(content: bytes, rng: np.random.Generator) -> bytes:
    """The last bytes are missing."""
    return content[: -int(rng.integers(1, 17))]


def drop(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch inside is missing, what follows has moved up."""
    start, end = _stretch(content, rng, 256)
    return content[:start] + content[end:]


def insert(content: bytes, rng: np.random.Generator) -> bytes:
    """Foreign bytes stand inside."""
    place = int(rng.integers(0, len(content) + 1))
    return content[:place] + rng.bytes(int(rng.integers(1, 65))) + content[place:]


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch stands there twice."""
    start, end = _stretch(content, rng, 512)
    return content[:end] + content[start:]


def swap(content: bytes, rng: np.random.Generator) -> bytes:
    """Two halves of a stretch have changed places."""
    start, end = _stretch(content, rng, 512)
    middle = (start + end) // 2
    return content[:start] + content[middle:end] + content[start:middle] + content[end:]


def extreme_number(content: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes are the least or the greatest number, which is cruel where they are a length."""
    place = int(rng.integers(0, max(1, len(content) - 4)))
    return content[:place] + _EXTREMES[rng.integers(len(_EXTREMES))] + content[place + 4 :]


def extreme_head(content: bytes, rng: np.random.Generator) -> bytes:
    """The same within the first 256 bytes, where the headers are."""
    return extreme_number(content[:256], rng) + content[256:]


def foreign_word(content: bytes, rng: np.random.Generator) -> bytes:
    """A number or a word of a text is another."""
    start, end = _stretch(content, rng, 12)
    return content[:start] + _WORDS[rng.integers(len(_WORDS))] + content[end:]


def another_kind(content: bytes, rng: np.random.Generator) -> bytes:
    """The file is something else altogether."""
    pages = (
        b"<!DOCTYPE html><html><title>404</title></html>\n",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\n",
    )
    return pages[rng.integers(len(pages))]


MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    flip_bits,
    overwrite,
    zero,
    zero_the_end,
    cut,
    cut_a_little,
    drop,
    insert,
    repeat,
    swap,
    extreme_number,
    extreme_head,
    foreign_word,
    another_kind,
)


def _stretch(content: bytes, rng: np.random.Generator, longest: int) -> tuple[int, int]:
    """Start and end of a stretch of at least one byte."""
    length = int(rng.integers(1, min(longest, len(content)) + 1))
    start = int(rng.integers(0, len(content) - length + 1))
    return start, start + length
