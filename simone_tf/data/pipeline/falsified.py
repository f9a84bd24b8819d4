"""Which attributes of objects an augmentation of the pixels would make wrong.

`object_attributes` say what an object is, whatever its columns are called. A reader may say of a column what falsifies
it; otherwise its name decides, and one whose name tells nothing is taken to be falsified.
"""

import re

from simone_tf.data.formats.reader import Attribute

_UNTOUCHED = frozenset(
    "category class kind material size scale radius mass density friction restitution is_dynamic static brightness "
    "age count weight visibility".split()
)
"""Names that neither a mirror nor other colours change."""

_COLOURS = frozenset("color colour colors colours hue red green blue rgb hsv tint".split())
_PLACES = frozenset(
    "x y z position orientation rotation angle yaw pitch roll direction depth pixel coords length width height".split()
)
_SHAPES = frozenset("shape form".split())

_COLOUR_WORDS = frozenset(
    "red green blue yellow cyan magenta purple violet orange brown pink gold golden turquoise lime navy teal".split()
)


def falsifies(choice: str, attribute: Attribute) -> bool:
    """Whether an augmentation ("mirror", "permute_colours" or "reverse_time") makes a column of attributes wrong."""
    if attribute.falsified_by is not None:
        return choice in attribute.falsified_by
    name = re.sub(r"_labels?\Z", "", attribute.name.lower())
    words = {name, *re.findall(r"[a-z]+", name)}
    if choice == "reverse_time":
        return bool(words & {"velocity", "direction", "action"})
    values = {word for value in attribute.values for word in re.findall(r"[a-z]+", value.lower())}
    if choice == "permute_colours":
        if words & _COLOURS or values & _COLOUR_WORDS:
            return True
        return not words & (_UNTOUCHED | _PLACES | _SHAPES)
    if words & _PLACES or values & {"left", "right", "clockwise", "counterclockwise"}:
        return True
    if words & _SHAPES:
        return not _are_words(attribute.values)
    return not words & (_UNTOUCHED | _COLOURS)


def _are_words(values: tuple[str, ...]) -> bool:
    """Whether shapes are called by words (a mirrored cone is a cone), not by codes or letters (a mirrored L is a J)."""
    return bool(values) and all(re.search(r"[^\W\d_]{2}", value) for value in values)
