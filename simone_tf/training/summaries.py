"""What a run shows in TensorBoard: scalars, pictures, animations and text.

TensorBoard has no animations of its own, but its Images tab hands on whatever encoded bytes it was given and the
browser plays them: a summary of the images plugin whose "image" is a GIF moves.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorboard.plugins.image import metadata as image_metadata

from simone_tf.cli.console import say
from simone_tf.errors import UserError, first_line
from simone_tf.event_files import event_files, events_at, start_event
from simone_tf.pictures.image_files import encode_gif, encode_png

RESERVE_BYTES = 32 * 2**20
"""Free space below which no more summaries are written, so that what is left goes to the checkpoint."""


class Summaries:
    """Writes the TensorBoard event file of a run.

    Summaries are worth less than the training that they describe: only opening the file can fail. Later, what cannot
    be written is dropped and said once on stderr. TensorFlow may cut an event in two on a full disk, without an error,
    and nothing behind it in the file can be read then; so writing pauses while free space is below `RESERVE_BYTES`,
    and stops for good at an error.

    Args:
      log_dir: folder of the event file; made if missing.
      first_step: the first step of this session; what earlier ones logged from it on, TensorBoard leaves out.
      kept: what they logged at `first_step` itself is shown all the same under tags that begin with this; None for
        nothing.

    Raises:
      UserError: if the folder or the event file cannot be made.
    """

    def __init__(self, log_dir: str | os.PathLike, first_step: int = 0, kept: str | None = None):
        self._log_dir = os.fspath(log_dir)
        self._told = False
        self._first_events: list[bytes] = []
        if event_files(self._log_dir):
            # Twice: TensorBoard takes the first one that it meets for the start of the run, which drops nothing.
            self._first_events += 2 * [start_event(first_step, time.time())]
            self._first_events += events_at(self._log_dir, first_step, kept) if kept else []
        try:
            self._writer = tf.summary.create_file_writer(self._log_dir)
        except (tf.errors.OpError, OSError) as error:
            reason = first_line(error)
            raise UserError(
                f"{self._log_dir}: TensorBoard summaries cannot be written there ({reason}); make the folder writable "
                "or choose another --run_dir."
            ) from error

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes numbers, each under its name; a `/` in a name groups it with the others before the `/`."""
        self._write(lambda: [tf.summary.scalar(name, value, step=step) for name, value in values.items()])

    def image(self, step: int, name: str, image: np.ndarray, frames_per_second: float = 6.0) -> None:
        """Writes a picture `[H, W, 3]` uint8, or an animation `[T, H, W, 3]` uint8 that plays endlessly."""
        image = np.asarray(image)
        encoded = encode_png(image) if image.ndim == 3 else encode_gif(image, frames_per_second)
        height, width = image.shape[-3:-1]
        values = tf.constant([str(width).encode(), str(height).encode(), encoded])
        metadata = image_metadata.create_summary_metadata(display_name=None, description=None)
        self._write(lambda: tf.summary.write(name, values, step=step, metadata=metadata))

    def text(self, step: int, name: str, markdown: str) -> None:
        """Writes text, which TensorBoard reads as Markdown."""
        self._write(lambda: tf.summary.text(name, markdown, step=step))

    def flush(self) -> None:
        """Brings what was written so far to the disk."""
        self._write(lambda: None)

    def close(self) -> None:
        """Flushes and closes the file; what comes later is dropped."""
        if self._writer is not None:
            self._write(lambda: None)
            self._drop_writer()

    def _write(self, write: Callable[[], object]) -> None:
        if self._writer is None:
            return
        if _free_bytes(self._log_dir) < RESERVE_BYTES:
            self._tell("the disk is almost full; they go on when there is room")
            return
        try:
            with self._writer.as_default():  # which flushes the file at its end
                while self._first_events:
                    # TensorFlow 2 has no call for it that is public.
                    tf.raw_ops.ImportEvent(writer=self._writer._resource, event=self._first_events.pop(0))
                write()
        except tf.errors.OpError as error:
            self._tell(f"{first_line(error)}; they stop here, start again to go on")
            self._drop_writer()

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        try:
            writer.close()
        except tf.errors.OpError as error:
            self._tell(first_line(error))

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._told = True
            say(f"{self._log_dir}: TensorBoard summaries are not written ({reason}). Training goes on.", sys.stderr)


class NoSummaries(Summaries):
    """Those of a worker that is not the chief: nothing is written."""

    def __init__(self) -> None:
        self._writer = None


def as_markdown(operative_config: str) -> str:
    """The operative gin config as a Markdown code block, for `Summaries.text`."""
    return "\n".join(f"    {line}" for line in operative_config.splitlines())


def _free_bytes(folder: str) -> float:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return float("inf")  # remote storage, or a folder gone: TensorFlow's own error says more
