"""The figures of unseen views: Figure 3 of the paper, and grids of views that a reader of the report moves through."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from simone_tf.camera_conventions import location_and_rotation
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.evaluation.evaluated_run import EvaluatedRun, ignored_label
from simone_tf.evaluation.report.figure_files import FigureFiles
from simone_tf.evaluation.report.gallery import Figures
from simone_tf.evaluation.report.view_explorer import view_explorer
from simone_tf.evaluation.report.words import degrees
from simone_tf.evaluation.views.flights import FlyAround, fly_around
from simone_tf.evaluation.views.scene_clips import SceneClips
from simone_tf.evaluation.views.synthesis import ViewSynthesizer
from simone_tf.evaluation.views.tasks import ViewTask
from simone_tf.pictures.colours import VOID_ID, colour_segments, slot_colours
from simone_tf.pictures.pixels import as_uint8
from simone_tf.pictures.view_figures import views_figure, views_frames

_OURS = re.compile(r"(views|fly_around)_\d+\.(png|gif)")
_MOST_CLIPS, _FLOWN_CLIPS = 4, 2
_TITLES = {
    "sweep": "Views all around the scene (Figure 3)",
    "beyond": "Views beyond the seen frames (section 4.1)",
    "between": "Views between seen frames (section 4.1)",
}
"""By task, the one that tells most first."""
_FLOWN = "Flown around"


def draw_views(
    run: EvaluatedRun, scenes: SceneClips, tasks: Sequence[ViewTask], folder: str, count: int
) -> tuple[Figures, list[dict[str, Any]]]:
    """Draws unseen views of the first clips of a split, writes PNG and GIF files, and returns the pictures.

    Args:
        run: the trained run.
        scenes: the clips of the split.
        tasks: those that were scored; of none nothing is drawn.
        folder: where the files go; made when missing.
        count: number of clips; 0 draws nothing, and 4 are enough.

    Returns:
        (the pictures, of `view_explorer` a list).

    Raises:
        UserError: the data cannot be read or a picture not be written.
    """
    if not count:
        return {}, []
    written = FigureFiles(folder, _OURS)
    convention = scenes.clips.camera_convention
    figures: Figures = {}
    explorers = []
    if tasks:
        task = min(tasks, key=lambda task: list(_TITLES).index(task.name))
        draw = ViewSynthesizer(run.model, run.settings.evaluation_chunk_size)
        for index, clip in enumerate(_first_clips(run, scenes, task, min(count, _MOST_CLIPS))):
            sheet, moving = _drawn(draw, clip, task, convention)
            written.save(f"views_{index}", sheet, moving)
            figures.setdefault(_TITLES[task.name], []).append((f"clip {index}", sheet))
            if index >= _FLOWN_CLIPS:
                continue
            seen = {name: clip[name][list(task.context)] for name in run.model.inputs}
            flown = fly_around(run.model, seen, convention, chunk_size=run.settings.evaluation_chunk_size)
            if flown is not None:
                colours = slot_colours(run.model.num_slots)
                explorers.append(view_explorer(f"clip {index}", flown, as_uint8(seen["video"]), colours))
                moving = _flown(flown, as_uint8(seen["video"]), colours)
                written.save(f"fly_around_{index}", moving[0], moving)
                figures.setdefault(_FLOWN, []).append((f"clip {index}", moving))
    written.remove_older()
    return figures, explorers


def _first_clips(run: EvaluatedRun, scenes: SceneClips, task: ViewTask, count: int) -> list[dict[str, np.ndarray]]:
    fields = scenes.fields((*run.model.inputs, "segments"))
    num_frames = 1 + max(task.context + task.unseen)
    with data_faults_told(scenes.clips, fields, min(num_frames, scenes.num_frames)):
        batches = scenes.batches(
            num_frames, batch_size=1, frame_size=run.settings.frame_size, num_clips=count, fields=fields
        )
        drawn = [{name: values[0].numpy() for name, values in batch.items()} for batch in batches]
    label = ignored_label(run)
    if label is not None and "segments" in fields:
        for clip in drawn:
            clip["segments"] = np.where(clip["segments"] == label, VOID_ID, clip["segments"])
    return drawn


def _drawn(
    draw: ViewSynthesizer, clip: Mapping[str, np.ndarray], task: ViewTask, convention: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """Figure 3 of one clip, as a sheet and in motion. Of a task along the clip's path the seen frames are shown too."""
    views = draw({name: tf.constant(value[np.newaxis]) for name, value in clip.items()}, task)
    parts = [(task.unseen, views.unseen)]
    if task.name != "sweep":
        parts.append((task.context, views.context))
    frames = np.concatenate([frames for frames, _ in parts])
    labels, places = _labels(clip, task, frames, convention)
    order = np.argsort(places, kind="stable")
    frames, labels = frames[order], [labels[index] for index in order]
    reconstruction = np.concatenate([drawn.reconstruction[0].numpy() for _, drawn in parts])[order]
    predicted = np.concatenate([drawn.segments[0].numpy() for _, drawn in parts])[order]
    true = clip["segments"][frames] if "segments" in clip else None
    num_slots = views.unseen.slot_masks.shape[1]
    rows = {"truth": as_uint8(clip["video"][frames]), "drawn": as_uint8(reconstruction)}
    if num_slots > 1:
        if true is not None:
            rows["true segments"] = colour_segments(true)
        rows["segments"] = colour_segments(predicted, slot_colours(num_slots, predicted, true))
    seen = as_uint8(clip["video"][list(task.context)])
    return views_figure(seen, rows, labels), views_frames(seen, rows, labels)


def _labels(
    clip: Mapping[str, np.ndarray], task: ViewTask, frames: np.ndarray, convention: str | None
) -> tuple[list[str], np.ndarray]:
    """What is written above the frames, and by what they are put in order: in time, and on a turn by yaw from -180."""
    if task.name != "sweep":
        return [f"{frame} (seen)" if frame in task.context else f"{frame}" for frame in frames], frames
    if convention is None or "camera" not in clip:
        return [f"view {index}" for index in range(len(frames))], frames
    middle = _yaws(clip["camera"][list(task.context)], convention)[len(task.context) // 2]
    yaws = (np.round(_yaws(clip["camera"][frames], convention) - middle) + 180.0) % 360.0 - 180.0
    return [degrees(yaw) for yaw in yaws], yaws


def _yaws(camera: np.ndarray, convention: str) -> np.ndarray:
    """Degrees `[N]`, of the directions that cameras `[N, C]` look in."""
    backward = location_and_rotation(camera, convention)[1][..., :, 2]
    return np.degrees(np.arctan2(-backward[..., 1], -backward[..., 0]))


def _flown(flown: FlyAround, seen: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """A turn at the usual distance, animated."""
    row = len(flown.second) // 2
    rows = {"drawn": as_uint8(flown.reconstruction[row])}
    if len(colours) > 1:
        rows["segments"] = colour_segments(flown.segments[row], colours)
    is_turn = flown.first_name == "yaw"
    labels = [degrees(value) if is_turn else f"frame {value:.2f}" for value in flown.first]
    return views_frames(seen, rows, labels)
