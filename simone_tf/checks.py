"""Checks of values that a configuration binds: a wrong type or range is told by the binding's name.

Each check is a pair: what is wanted, in words that follow "it must be", and a function that tells whether a value is.
"""

import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from simone_tf.errors import UserError


class Check(NamedTuple):
    """What a value must be."""

    wanted: str
    holds: Callable[[Any], bool]


def whole(minimum: int, maximum: int | None = None) -> Check:
    """A whole number in `[minimum, maximum]`."""
    words = f"a whole number of at least {minimum}" + ("" if maximum is None else f" and at most {maximum}")
    return Check(words, lambda value: _is_whole(value) and minimum <= value <= (value if maximum is None else maximum))


def number(minimum: float, below: float = math.inf, above: bool = False) -> Check:
    """A finite number of at least `minimum` (more than it where `above`), less than `below`."""
    words = f"a number {'above' if above else 'of at least'} {minimum:g}"
    words += "" if below == math.inf else f" and below {below:g}"

    def holds(value):
        return _is_number(value) and (value > minimum if above else value >= minimum) and value < below

    return Check(words, holds)


def sizes(of: str, may_be_empty: bool = False) -> Check:
    """A tuple of whole numbers of at least 1, one for each of something, such as "convolution"."""

    def holds(value):
        return (
            isinstance(value, tuple | list)
            and (may_be_empty or len(value) > 0)
            and all(_is_whole(size) and size >= 1 for size in value)
        )

    return Check(f"a tuple of whole numbers of at least 1, one for each {of}{', or ()' if may_be_empty else ''}", holds)


def optional(check: Check) -> Check:
    """None, or what `check` wants."""
    return Check(f"{check.wanted}, or None", lambda value: value is None or check.holds(value))


def one_of(*choices: Any) -> Check:
    """One of a few values."""
    words = " or ".join(map(repr, choices))
    return Check(words, lambda value: any(type(value) is type(choice) and value == choice for choice in choices))


def pair_of_sizes(value: Any) -> bool:
    """Whether a value is a tuple or list of two whole numbers of at least 1."""
    return isinstance(value, tuple | list) and len(value) == 2 and all(_is_whole(size) and size >= 1 for size in value)


def check_values(owner: str, values: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Checks every named value.

    Args:
        owner: what the values are bound to, as configurations name it: "train".
        values: argument -> value.
        checks: argument -> what it must be; arguments without a value are passed over.

    Raises:
        UserError: at the first that does not fit; names the binding, the value and what is wanted.
    """
    for name, check in checks.items():
        if name in values and not check.holds(values[name]):
            shown = repr(values[name])
            shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
            raise UserError(f"{owner}.{name} is {shown}: it must be {check.wanted}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
