"""Clips, and behind each of them the views from all around its scene, where a data set has them.

`tools/make_dataset.py --views` makes them: beside a split `test` the split `test_views`, whose clip i shows the scene
of clip i of the first.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.formats.records import ClipRecords
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError

SWEPT = "{}_views"
"""The split that shows the scenes of another from all around."""


class SceneClips:
    """The clips of a split with the sweeps of their scenes.

    Args:
        clips: the clips.

    Attributes:
        clips: the same.
        sweep: the views from all around, clip by clip; None where there are none.
        num_frames: F, frames of a clip.
        sweep_frames: S, views of a scene from all around; 0 where there are none.

    Raises:
        UserError: the clips cannot be read, or the sweeps are not of as many scenes.
    """

    def __init__(self, clips: ClipReader):
        self.clips = clips
        self.num_frames = clips.clip_shape()[0]
        self.sweep = _sweep_of(clips)
        self.sweep_frames = 0 if self.sweep is None else self.sweep.clip_shape()[0]

    def readers(self) -> list[ClipReader]:
        """The readers of all that is read here."""
        return [self.clips] if self.sweep is None else [self.clips, self.sweep]

    def fields(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the names that all clips have, each once."""
        return tuple(name for name in dict.fromkeys(names) if all(name in reader.fields for reader in self.readers()))

    @tf.autograph.experimental.do_not_convert
    def batches(self, num_frames: int, **options: Any) -> tf.data.Dataset:
        """Batches of the first `num_frames` frames of every clip; beyond F, of the F and of the sweep behind them.

        Args:
            num_frames: at most F, or F + S.
            options: those of `evaluation_batches`; `fields` are ones that have a value for each frame.

        Raises:
            UserError: as `evaluation_batches`.
        """
        of_clip = min(num_frames, self.num_frames)
        batches = evaluation_batches(self.clips, num_frames=of_clip, **options)
        if num_frames == of_clip:
            return batches
        assert self.sweep is not None
        swept = evaluation_batches(self.sweep, num_frames=num_frames - of_clip, **options)

        def joined(batch: dict[str, tf.Tensor], views: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            fields = {name: tf.concat([batch[name], views[name]], axis=1) for name in options["fields"]}
            return fields | {"clip_mask": batch["clip_mask"]}

        return tf.data.Dataset.zip(batches, swept).map(joined)


def _sweep_of(clips: ClipReader) -> ClipReader | None:
    # Where damaged clips are left out, nothing tells which sweep belongs to which clip.
    if not isinstance(clips, ClipRecords) or clips.files.on_corrupt == "skip":
        return None
    sweep = ClipRecords(clips.data_dir, SWEPT.format(clips.split))
    sweep.framing = clips.framing
    try:
        sweep.files.shards()
    except UserError:
        return None
    found, wanted = (sum(reader.files.count(shard) for shard in reader.files.shards()) for reader in (sweep, clips))
    if found != wanted:
        raise UserError(
            f"{sweep.files.where} has {found} clips, but it shows the scenes of {clips.files.where}, which has "
            f"{wanted}: make both anew, or move the former away."
        )
    return sweep
