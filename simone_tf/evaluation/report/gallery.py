"""The figures of an evaluation: decompositions, recompositions, traversals and crossings of held-out clips."""

import glob
import os
import re

import numpy as np

from simone_tf.data.pipeline.batches import evaluation_batches
from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.held_out import HeldOut
from simone_tf.evaluation.held_out_pictures import animations, sheets
from simone_tf.evaluation.report.report import explorer
from simone_tf.evaluation.report.traversals import Traverser
from simone_tf.pictures.image_files import save_gif, save_png
from simone_tf.pictures.latent_figures import circled, crossing_frames, largest_view, traversal_sheet

_CROSSED_CLIPS = 3
_TRAVERSED_CLIPS = 2
_TRAVERSED_OBJECTS = 2
_OURS = re.compile(r"(decomposition|recomposition|traversal|crossing)(_\d+)*\.(png|gif)")


def draw_gallery(run, clips, folder, count):
    """Draws the first clips of a split, writes PNG (for print) and GIF (for motion) files, and returns the pictures.

    Args:
        run: `Run`.
        clips: `ClipReader` of the split.
        folder: where the files go; made when missing.
        count: number of clips; 0 draws nothing.

    Returns:
        (dict of section title -> list of (caption, uint8 picture or animation), list of `report.explorer`).

    Raises:
        UserError: the data cannot be read or a picture not be written.
    """
    if not count:
        return {}, []
    settings = run.settings
    fields = tuple(name for name in ("video", "segments") if name in clips.fields)
    batches = evaluation_batches(
        clips,
        batch_size=1,
        num_frames=settings.num_frames,
        frame_size=settings.frame_size,
        num_clips=count + 1,
        fields=fields,
    )
    chunk_size = settings.evaluation_chunk_size
    drawn = HeldOut(run.model, batches, chunk_size).first_clips(count)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({first_line(error)}): mend its permissions.") from error
    written = _Files(folder)
    figures = {"Clips taken apart (Figures 1 and 4)": [], "Objects of one clip, viewpoint of another (Figure 1)": []}
    for index, parts in enumerate(drawn):
        for (name, sheet), (_, frames), section in zip(
            sheets(*parts).items(), animations(*parts).items(), figures, strict=True
        ):
            written.save(f"{name}_{index}", sheet, frames)
            figures[section].append((f"clip {index}", frames))
    traverser = Traverser(run.model, tuple(settings.frame_size), chunk_size)
    latents = [traverser.encode(clip["video"]) for clip, *_ in drawn[: max(_CROSSED_CLIPS, _TRAVERSED_CLIPS)]]
    if len(latents) > 1:
        crossed = traverser.cross(latents[:_CROSSED_CLIPS])
        videos = np.stack([clip["video"] for clip, *_ in drawn[: len(crossed)]])
        frames = crossing_frames(crossed, videos)
        written.save("crossing", frames[len(frames) // 2], frames)
        title = "Object trajectories crossed with camera trajectories (Figure 6)"
        figures[title] = [("rows: whose objects; columns: whose frame latents", frames)]
    explored, sheet_list = [], []
    for index, (objects, frames) in enumerate(latents[:_TRAVERSED_CLIPS]):
        clip, decomposition, *_ = drawn[index]
        for number, slot in enumerate(traverser.largest_slots(objects, frames, _TRAVERSED_OBJECTS), start=1):
            traversal = traverser.traverse(objects, frames, slot)
            outline = decomposition.segments == slot
            sheet = traversal_sheet(traversal, clip["video"], outline)
            moving = [traversal_sheet(traversal, clip["video"], outline, time) for time in range(len(outline))]
            written.save(f"traversal_{index}_{number}", sheet, np.stack(moving))
            name = f"clip {index}, object in slot {slot}"
            sheet_list.append((f"{name}; attributes that change most first", sheet))
            explored.append(explorer(name, traversal, circled(clip["video"], outline, largest_view(outline))))
    figures["Latent attributes (Figure 5)"] = sheet_list
    written.remove_older()
    return figures, explored


class _Files:
    """Writes pictures into a folder, and removes those of an earlier evaluation that are not made any more."""

    def __init__(self, folder):
        self._folder = folder
        self._names = set()

    def save(self, name, sheet, frames):
        save_png(os.path.join(self._folder, f"{name}.png"), sheet)
        self._names.add(f"{name}.png")
        if len(frames) > 1:
            save_gif(os.path.join(self._folder, f"{name}.gif"), frames)
            self._names.add(f"{name}.gif")

    def remove_older(self):
        for path in glob.glob(os.path.join(glob.escape(self._folder), "*")):
            name = os.path.basename(path)
            if _OURS.fullmatch(name) and name not in self._names:
                os.remove(path)
