"""Which PyAV reads videos rightly; pip keeps to it only where it installs PyAV for this package."""

import re

from simone_tf.errors import UserError

LEAST = 17
"""The first version that tells BT.709 video from BT.601: before it colours of HD video are up to 25 levels off."""


def check_version(version: str, path: str) -> None:
    """Refuses a PyAV that would give other colours than the video has.

    Args:
      version: of the PyAV that is installed.
      path: the video, named in the message.

    Raises:
      UserError: it is older than `LEAST`.
    """
    major = re.match(r"\d+", version)
    if major and int(major[0]) < LEAST:
        raise UserError(
            f"{path} needs PyAV {LEAST} or newer, found {version}, which reads the colours of BT.709 video wrongly: "
            f"pip install 'av>={LEAST}', or bring the video as a GIF or a folder of frames."
        )
