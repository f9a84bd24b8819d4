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
    num_frames: int,
    model_frames: int,
    num_context_frames: int | None = None,
    *,
    sweep_frames: int = 0,
    by_camera: bool = True,
) -> list[ViewTask]:
    """The tasks that clips allow, each with at least one frame to draw.

    Args:
      num_frames: F, frames of a stored clip before its sweep. Of a long one the first 2 T - 1 are enough.
      model_frames: T, frames of the clips that the model was trained on; no more are seen.
      num_context_frames: frames seen, from 1 to T; None for T in the sweep, and else for as many of the F frames as
        leave some between them. A model that infers viewpoints was never shown fewer than T: None is T for it.
      sweep_frames: S, frames behind the first F that are the scene's sweep.
      by_camera: whether viewpoints are given, so that one can be asked for that does not lie between two others.

    Returns:
      The tasks, in the order of the table.
    """
    span = min(num_frames, 2 * model_frames - 1)
    usual = (span + 1) // 2 if by_camera else model_frames
    count = min(num_context_frames or usual, model_frames)
    tasks = []
    if count > 1 and (span - 1) // (count - 1) > 1:
        context = _at_equal_steps(count, span)
        tasks.append(_task("between", context, range(context[-1])))
    if by_camera and count < span:
        # At most as many as were seen: what lies far behind them is another matter.
        tasks.append(_task("beyond", range(count), range(count, min(span, 2 * count))))
    if by_camera and sweep_frames:
        context = _at_equal_steps(min(num_context_frames or model_frames, num_frames), num_frames)
        tasks.append(_task("sweep", context, range(num_frames, num_frames + sweep_frames)))
    return tasks


def _at_equal_steps(count: int, num_frames: int) -> range:
    step = (num_frames - 1) // (count - 1) if count > 1 else 1
    return range(0, step * (count - 1) + 1, step)


def _task(name: str, context: range, unseen: range) -> ViewTask:
    return ViewTask(name, tuple(context), tuple(frame for frame in unseen if frame not in context))
