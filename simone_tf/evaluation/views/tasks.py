"""Which frames of a clip a model sees, and which it is to draw unseen.

| task      | seen                                    | drawn unseen                                          |
|-----------|-----------------------------------------|-------------------------------------------------------|
| `between` | frames at equal steps                   | those between them (interpolation)                    |
| `beyond`  | the first frames                        | the ones after them (extrapolation along the path)    |
| `sweep`   | frames at equal steps                   | the data set's sweep of the scene (Figure 3)          |
"""

from typing import NamedTuple


class ViewTask(NamedTuple):
    """Frames of a stored clip, by their numbers."""

    name: str  # of the table of the module
    context: tuple[int, ...]  # seen, ascending
    unseen: tuple[int, ...]  # ascending


def view_tasks(
    num_frames: int, model_frames: int, num_context_frames: int | None = None, sweep_frames: int = 0, by_camera: bool = True
) -> list[ViewTask]:
    """The tasks that clips allow, `between` and `beyond` with at least one frame to draw.

    Args:
      num_frames: F, frames of a stored clip before its sweep.
      model_frames: T, frames that the model was trained on; no more are seen, or spanned to be drawn, than make sense
        for it: of a clip's frames the first 2 T - 1 at most.
      num_context_frames: frames seen, from 1 to T; None for as many as leave frames between them, and for the sweep T.
      sweep_frames: S, frames behind the first F that are the scene's sweep.
      by_camera: whether viewpoints are given, so that one can be asked for that is not between two others.

    Returns:
      The tasks, in the order of the table.
    """
    span = min(num_frames, 2 * model_frames - 1)
    count = min(num_context_frames or (span + 1) // 2, model_frames)
    tasks = []
    step = (span - 1) // (count - 1) if count > 1 else 1
    if step > 1:
        tasks.append(_task("between", range(0, step * count, step)[:count], range(step * (count - 1))))
    if by_camera and count < span:
        # As many at most as were seen, so that no score is one of frames far away from all.
        tasks.append(_task("beyond", range(count), range(count, min(span, 2 * count))))
    if by_camera and sweep_frames:
        count = min(num_context_frames or model_frames, num_frames)
        step = (num_frames - 1) // (count - 1) if count > 1 else 1
        tasks.append(_task("sweep", range(0, step * count, step)[:count], range(num_frames, num_frames + sweep_frames)))
    return tasks


def _task(name: str, context: range, unseen: range) -> ViewTask:
    return ViewTask(name, tuple(context), tuple(frame for frame in unseen if frame not in context))
