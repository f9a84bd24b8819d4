"""Which attributes of objects an augmentation of the pixels would make wrong.

`object_attributes` say what an object is, whatever its columns are called. A reader may say of a column what falsifies
it; otherwise its name decides, and one whose name tells nothing is taken to be falsified.
"""

import re

from simone_tf.data.formats.reader import Attribute

# Names, word by word, of what neither a mirror nor other colours change, and of what one of the two changes.
_UNTOUCHED = re.compile(
    "category|class|kind|material|size|scale|radius|length|width|height|mass|density|friction|restitution|dynamic|"
    "static|brightness"
)
_COLOURS = re.compile("colou?rs?|hue|red|green|blue|rgb|hsv|tint")
_PLACES = re.compile("x|y|z|positions?|orientation|rotation|angle|yaw|pitch|roll|direction|pixel|coords")
_SHAPES = re.compile("shape|form")
_MOTIONS = re.compile("velocity|direction|action")

# Words in the names of a category's values that say the same.
_COLOUR_WORDS = re.compile(
    "red|green|blue|yellow|cyan|magenta|purple|violet|orange|brown|pink|gold|golden|turquoise|lime|navy|teal"
)
_SIDES = re.compile("left|right|clockwise|counterclockwise")


def falsifies(choice: str, attribute: Attribute) -> bool:
    """Whether an augmentation ("mirror", "permute_colours" or "reverse_time") makes a column of attributes wrong."""
    if attribute.falsified_by is not None:
        return choice in attribute.falsified_by
    names, values = _words(attribute.name), _words(*attribute.values)
    if choice == "reverse_time":
        return _any(_MOTIONS, names)
    if choice == "permute_colours":
        if _any(_COLOURS, names) or _any(_COLOUR_WORDS, values):
            return True
        return not any(_any(known, names) for known in (_UNTOUCHED, _PLACES, _SHAPES))
    if _any(_PLACES, names) or _any(_SIDES, values):
        return True
    if _any(_SHAPES, names):
        return not _are_words(attribute.values)
    return not any(_any(known, names) for known in (_UNTOUCHED, _COLOURS))


def _words(*texts: str) -> list[str]:
    return [word for text in texts for word in re.findall(r"[a-z]+", text.lower())]


def _any(known: re.Pattern[str], words: list[str]) -> bool:
    return any(map(known.fullmatch, words))


def _are_words(values: tuple[str, ...]) -> bool:
    """Whether shapes are called by words (a mirrored cone is a cone), not by codes or letters (a mirrored L is a J)."""
    return bool(values) and all(re.search(r"[^\W\d_]{2}", value) for value in values)
