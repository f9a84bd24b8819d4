"""The figures of an evaluation: decompositions, recompositions, traversals and crossings of held-out clips."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from simone_tf.data.formats.reader import ClipReader
from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.data.pipeline.explain import data_faults_told
from simone_tf.evaluation.evaluated_run import EvaluatedRun, ignored_label
from simone_tf.evaluation.held_out import HeldOut, TakenApart
from simone_tf.evaluation.held_out_pictures import animations, sheets
from simone_tf.evaluation.report.figure_files import FigureFiles
from simone_tf.evaluation.report.report import explorer
from simone_tf.evaluation.report.traversals import EncodedClip, Traverser
from simone_tf.models.scene_model import SceneModel
from simone_tf.pictures.latent_figures import circled, crossing_frames, largest_view, traversal_sheet

Figures = dict[str, list[tuple[str, np.ndarray]]]
"""Title of a section -> (caption, `[H, W, 3]` or `[T, H, W, 3]` uint8) of its pictures."""

_CROSSED_CLIPS = 3
_TRAVERSED_CLIPS = 2
_TRAVERSED_OBJECTS = 2
_OURS = re.compile(r"(decomposition|recomposition|traversal|crossing)(_\d+)*\.(png|gif)")


def not_drawn(model: SceneModel) -> list[str]:
    """Sentences on the pictures that there are not of a model."""
    sentences = []
    if not model.recomposes:
        sentences.append("This model does not tell a viewpoint from its scene: no recompositions and no crossings.")
    if not model.object_latents:
        sentences.append("This model has no latents of objects: no traversals.")
    return sentences


def draw_gallery(run: EvaluatedRun, clips: ClipReader, folder: str, count: int) -> tuple[Figures, list[dict[str, Any]]]:
    """Draws the first clips of a split, writes PNG (for print) and GIF (for motion) files, and returns the pictures.

    Args:
        run: the trained run.
        clips: the clips of the split.
        folder: where the files go; made when missing.
        count: number of clips; 0 draws nothing.

    Returns:
        (the pictures, of `report.explorer` a list).

    Raises:
        UserError: the data cannot be read or a picture not be written.
    """
    if not count:
        return {}, []
    settings = run.settings
    fields = (*run.model.inputs, *(("segments",) if "segments" in clips.fields else ()))
    batches = evaluation_batches(
        clips,
        batch_size=1,
        num_frames=settings.num_frames,
        frame_size=settings.frame_size,
        num_clips=count + 1,
        fields=fields,
    )
    chunk_size = settings.evaluation_chunk_size
    with data_faults_told(clips, fields, settings.num_frames):
        drawn = HeldOut(run.model, batches, chunk_size, ignored_label(run)).first_clips(count)
    written = FigureFiles(folder, _OURS)
    figures = _draw_clips(drawn, written)
    traverser = Traverser(run.model, settings.frame_size, chunk_size)
    encoded = [traverser.encode(parts.clip) for parts in drawn[: max(_CROSSED_CLIPS, _TRAVERSED_CLIPS)]]
    if run.model.recomposes and len(encoded) > 1:
        crossed = traverser.cross(encoded[:_CROSSED_CLIPS])
        frames = crossing_frames(crossed, np.stack([parts.clip["video"] for parts in drawn[: len(crossed)]]))
        written.save("crossing", frames[len(frames) // 2], frames)
        title = "Object trajectories crossed with camera trajectories (Figure 6)"
        figures[title] = [("rows: whose objects; columns: whose viewpoint", frames)]
    explorers: list[dict[str, Any]] = []
    if run.model.object_latents:
        figures["Latent attributes (Figure 5)"], explorers = _draw_traversals(traverser, drawn, encoded, written)
    written.remove_older()
    return figures, explorers


def _draw_clips(drawn: Sequence[TakenApart], written: FigureFiles) -> Figures:
    """Every clip taken apart and, where the model can, recomposed."""
    titles = {
        "decomposition": "Clips taken apart (Figures 1 and 4)",
        "recomposition": "Objects of one clip, viewpoint of another (Figure 1)",
    }
    figures: Figures = {}
    for index, parts in enumerate(drawn):
        moving = animations(parts)
        for name, sheet in sheets(parts).items():
            written.save(f"{name}_{index}", sheet, moving[name])
            figures.setdefault(titles[name], []).append((f"clip {index}", moving[name]))
    return figures


def _draw_traversals(
    traverser: Traverser, drawn: Sequence[TakenApart], encoded: Sequence[EncodedClip], written: FigureFiles
) -> tuple[list[tuple[str, np.ndarray]], list[dict[str, Any]]]:
    """Sheets with their captions, and explorers, of the largest objects of the first clips."""
    captioned, explorers = [], []
    for index, (parts, latents) in enumerate(zip(drawn, encoded[:_TRAVERSED_CLIPS], strict=False)):
        video = parts.clip["video"]
        for number, slot in enumerate(traverser.largest_slots(latents, _TRAVERSED_OBJECTS), start=1):
            traversal = traverser.traverse(latents, slot)
            outline = parts.decomposition.segments == slot
            sheet = traversal_sheet(traversal, video, outline)
            moving = [traversal_sheet(traversal, video, outline, time) for time in range(len(outline))]
            written.save(f"traversal_{index}_{number}", sheet, np.stack(moving))
            name = f"clip {index}, object in slot {slot}"
            captioned.append((f"{name}; attributes that change most first", sheet))
            explorers.append(explorer(name, traversal, circled(video, outline, largest_view(outline))))
    return captioned, explorers
