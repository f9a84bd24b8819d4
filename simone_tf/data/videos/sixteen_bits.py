"""Notices pictures of 16 bits that use few of them, as cameras of 10 and 12 bits write: they come out nearly black."""

import sys
from types import TracebackType

from PIL import Image

from simone_tf.cli.console import say

_DARK = 2**14
"""Where all numbers of a video are below, even its brightest pixel has a quarter of the light."""


class WidePixels:
    """The largest number in the 16-bit pictures of one video; at the end of the block a warning where it is small.

    Args:
      source: the video's name in the warning.
    """

    def __init__(self, source: str):
        self.source = source
        self.largest, self._where = 0, ""

    def stored_so(self, image: Image.Image) -> bool:
        """Whether a picture, not decoded yet, states 16 bits but no maximum."""
        # Colours of 16 bits become 8 inside Pillow: only the decoder's arguments tell.
        stated = [str(part) for tile in image.tile for part in (tile[3] if isinstance(tile[3], tuple) else tile[3:4])]
        return image.format != "PPM" and (image.mode.startswith("I;16") or any(";16" in part for part in stated))

    def seen(self, path: str, largest: int) -> None:
        """Takes the largest number of a picture into account, of 65535."""
        if largest > self.largest or not self._where:
            self.largest, self._where = largest, path

    def __enter__(self) -> "WidePixels":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind in (None, GeneratorExit) and 0 < self.largest < _DARK:
            where = "" if self._where == self.source else f" (in {self._where})"
            say(
                f"{self.source}: the largest number in its 16-bit pictures is {self.largest}{where}, of 65535, so its "
                f"frames are dark, {self.largest // 256} of 255 at most: multiply the numbers by "
                f"{65535 // self.largest}, or save 8 bits.",
                sys.stderr,
            )
