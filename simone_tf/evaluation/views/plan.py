"""Which view tasks a model and a dataset allow, and why there are none where there are none."""

from simone_tf.errors import UserError
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.synthesis import not_synthesized
from simone_tf.evaluation.views.tasks import ViewTask, view_tasks
from simone_tf.models.scene_model import SceneModel


def check_num_context_frames(num_context_frames: int | None, model_frames: int) -> None:
    """Looks whether a model can be shown so many frames; None, the usual number, it always can.

    Raises:
        UserError: it cannot.
    """
    if num_context_frames is not None and not 1 <= num_context_frames <= model_frames:
        raise UserError(
            f"--num_context_frames={num_context_frames}: the model was trained on clips of {model_frames} frames; "
            f"choose from 1 to {model_frames}."
        )


def plan_views(
    model: SceneModel, scenes: SceneClips, model_frames: int, num_context_frames: int | None = None
) -> tuple[list[ViewTask], str | None]:
    """The tasks, and one sentence where there are none.

    Args:
        model: built.
        scenes: those to be scored.
        model_frames: T, frames of the clips that the model was trained on.
        num_context_frames: frames seen; None for the usual number, see `view_tasks`.
    """
    if sentence := not_synthesized(model):
        return [], sentence
    frames, sweep, by_camera = scenes.num_frames, scenes.sweep_frames, model.renders_views
    tasks = view_tasks(frames, model_frames, num_context_frames, sweep_frames=sweep, by_camera=by_camera)
    if tasks:
        return tasks, None
    if by_camera:
        return [], f"The clips have {frames} frames, of which none is left to be drawn unseen: no view synthesis."
    count = num_context_frames or model_frames
    return [], (
        f"This model infers its viewpoints, and can be asked for others only between frames that it is shown: clips of "
        f"{frames} frames have none between {max(count, 2)} at equal steps, so that there is no view synthesis; choose "
        "fewer with --num_context_frames, or longer clips."
    )
