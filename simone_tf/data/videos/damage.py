"""What becomes of a video with damaged frames: it is refused, or goes on without them and their number is told."""

import os

from simone_tf.errors import UserError

ON_CORRUPT = ("raise", "skip")
"""What can be done about damaged frames: refuse the video, or leave the frames out."""


class Damage:
    """Tells of the damage of one video, or counts it.

    Attributes:
      path: the video.
      left_out: frames that were there and were left out.
      holes: places of the file at which frames are missing, nobody knows how many.
    """

    def __init__(self, path: str | os.PathLike, on_corrupt: str = "raise", rows: str | None = None):
        """Args:
        path: the video.
        on_corrupt: "raise" or "skip".
        rows: what goes with the frames by their number, such as "its masks": then no frame can be left out.

        Raises:
          UserError: `on_corrupt` is another word.
        """
        if on_corrupt not in ON_CORRUPT:
            raise UserError(f"on_corrupt is {on_corrupt!r}: choose {' or '.join(ON_CORRUPT)}.")
        self.path = os.fspath(path)
        self._skip, self._rows = on_corrupt == "skip", rows
        self.left_out = self.holes = 0

    @property
    def gaps(self) -> int:
        """Grows whenever the next frame is not the one after the last."""
        return self.left_out + self.holes

    def found(self, frame: int, reason: str) -> None:
        """Raises UserError when the video is to be refused.

        Args:
          frame: the frame that is damaged, or before which frames are missing; the first is 0.
          reason: what was seen.
        """
        what = f"{self.path} is damaged at frame {frame} ({reason})"
        if not self._skip:
            raise UserError(f"{what}: copy or make it again, or leave damaged frames out with --on_corrupt=skip.")
        if self._rows:
            raise UserError(
                f"{what}, and {self._rows} could no longer be told to belong to which frame if frames were left out: "
                "copy or make it again."
            )

    def cut_off(self, lacking: int) -> None:
        """Raises UserError when a video whose file lacks its end is to be refused."""
        if not self._skip or self._rows:
            raise UserError(f"{self.path} is cut off (at least {lacking} bytes are missing): copy or make it again.")
        self.holes += 1

    def told(self) -> str | None:
        """One sentence on what is missing; None where nothing is."""
        if not self.gaps:
            return None
        count = f"{self.left_out} damaged frame{'s were' if self.left_out != 1 else ' was'} left out"
        places = f"{self.holes} place{'s' if self.holes != 1 else ''}"
        return f"{self.path}: {count}" + (f", and frames are missing at {places} of the file" if self.holes else "")
