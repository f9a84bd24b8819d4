"""What the evaluation needs of a trained run; `runs.load.Run` has it."""

from typing import Protocol

from simone_tf.data.formats.reader import ClipReader
from simone_tf.models.scene_model import SceneModel


class EvaluatedSettings(Protocol):
    """What the evaluation needs of a run's settings, see `runs.settings.RunSettings`."""

    @property
    def clips(self) -> ClipReader: ...

    @property
    def held_out_clips(self) -> ClipReader: ...

    @property
    def num_frames(self) -> int: ...

    @property
    def frame_size(self) -> tuple[int, int]: ...

    @property
    def seed(self) -> int: ...

    @property
    def ignore_label(self) -> int | None: ...

    @property
    def evaluation_batch_size(self) -> int: ...

    @property
    def evaluation_chunk_size(self) -> int | None: ...


class EvaluatedRun(Protocol):
    """A trained run: its model with its weights, and where they come from."""

    @property
    def settings(self) -> EvaluatedSettings: ...

    @property
    def model(self) -> SceneModel: ...

    @property
    def step(self) -> int: ...

    @property
    def checkpoint(self) -> str: ...

    @property
    def config(self) -> str: ...

    @property
    def run_dir(self) -> str: ...


def ignored_label(run: EvaluatedRun) -> int | None:
    """The true segment whose pixels are in no score; None for none, and where settings know nothing of it."""
    return getattr(run.settings, "ignore_label", None)
