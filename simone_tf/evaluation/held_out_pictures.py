"""Pictures of held-out clips taken apart and recomposed, for TensorBoard and for the run folder."""

import os
from typing import Any, Protocol

import numpy as np

from simone_tf.errors import UserError, first_line
from simone_tf.evaluation.held_out import TakenApart
from simone_tf.evaluation.held_out_sets import HeldOutSets
from simone_tf.pictures import figures
from simone_tf.pictures.colours import arrange_slots
from simone_tf.pictures.image_files import save_gif, save_png


class _Summaries(Protocol):
    """What takes pictures for TensorBoard, `training.summaries.Summaries`."""

    def image(self, step: int, name: str, image: np.ndarray) -> None: ...


class Pictures:
    """Draws the first held-out clips.

    Args:
        held_out: `HeldOutSets` of the model.
        count: number of clips.
    """

    def __init__(self, held_out: HeldOutSets, count: int):
        self._held_out = held_out
        self._count = count

    def draw(self, summaries: _Summaries, step: int) -> None:
        """Writes every clip's animated decomposition, and recomposition where there is one, to TensorBoard."""
        for index, parts in enumerate(self._held_out.first_clips(self._count)):
            for name, frames in animations(parts).items():
                summaries.image(step, f"{name}/clip_{index}", frames)

    def save(self, folder: str) -> None:
        """Writes PNG sheets and GIF animations of every clip into `folder`.

        Raises:
            UserError: if a picture cannot be written.
        """
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"Cannot make the folder {folder}: {first_line(error)}; free or choose another place."
            ) from error
        for index, parts in enumerate(self._held_out.first_clips(self._count)):
            for name, sheet in sheets(parts).items():
                save_png(os.path.join(folder, f"{name}_{index}.png"), sheet)
            for name, frames in animations(parts).items():
                save_gif(os.path.join(folder, f"{name}_{index}.gif"), frames)


def sheets(parts: TakenApart) -> dict[str, np.ndarray]:
    """`decomposition` and, where there is one, `recomposition` of a clip as a sheet `[H', W', 3]` uint8."""
    # An image's parts side by side: below one another they would be a column of many times its width.
    is_image = len(parts.clip["video"]) == 1
    drawn = {"decomposition": figures.decomposition_figure(**_decomposition_of(parts), frames_down=is_image)}
    if parts.recomposition is not None:
        drawn["recomposition"] = figures.recomposition_figure(**_recomposition_of(parts), frames_down=is_image)
    return drawn


def animations(parts: TakenApart) -> dict[str, np.ndarray]:
    """The same as animations `[T, H', W', 3]` uint8."""
    drawn = {"decomposition": figures.decomposition_frames(**_decomposition_of(parts))}
    if parts.recomposition is not None:
        drawn["recomposition"] = figures.recomposition_frames(**_recomposition_of(parts))
    return drawn


def _decomposition_of(parts: TakenApart) -> dict[str, Any]:
    clip, decomposition = parts.clip, parts.decomposition
    return {
        "video": clip["video"],
        "reconstruction": decomposition.reconstruction,
        "segmentation": decomposition.segments,
        "slot_rgb": decomposition.slot_rgb,
        "slot_masks": decomposition.slot_masks,
        "segments": clip.get("segments"),
        "slots": arrange_slots(decomposition.slot_masks, decomposition.segments, clip.get("segments")),
    }


def _recomposition_of(parts: TakenApart) -> dict[str, Any]:
    assert parts.recomposition is not None
    return {
        "video_a": parts.clip["video"],
        "video_b": parts.next_clip["video"],
        "reconstruction": parts.decomposition.reconstruction,
        "segmentation": parts.decomposition.segments,
        "recomposed": parts.recomposition.reconstruction,
        "recomposed_segmentation": parts.recomposition.segments,
        "num_slots": len(parts.decomposition.slot_masks),
        "segments": parts.clip.get("segments"),
    }
